/**
 * The statements that write credits without an order. A credit's own row is its lock: two credits share none.
 */
import type * as SqlClient from "effect/sql/SqlClient"
import type { Statement } from "effect/sql/Statement"
import * as Measures from "./measures.ts"
import type { CreditColumns } from "./orderColumns.ts"

/** A `bigint`, as text where another driver reads the rows. */
type Version = bigint | string

export interface Credit {
  readonly creditId: string
  readonly version: Version
  readonly bodyHash: string
  readonly isolation: string
}

export interface CreditWriter {
  /** Writes credits that are not stored, and returns the stored ids of the others. Proves without a lock that there is no old state. */
  readonly add: (
    tenantId: string,
    credits: CreditColumns,
    now: Date
  ) => Statement<{ readonly creditId: string }>
  readonly lock: (tenantId: string, creditIds: ReadonlyArray<string>) => Statement<Credit>
  /** Replaces credits that are locked. */
  readonly replace: (tenantId: string, credits: CreditColumns, now: Date) => Statement<object>
}

const columns =
  "credit_id, version, body_hash, customer_id, seller_id, region, currency, booked_at, tenant_day, seller_day, units, amount, tax, shipping, fees"

const replaced = columns
  .split(", ")
  .filter((column) => column !== "credit_id")
  .map((column) => `${column} = excluded.${column}`)
  .join(", ")

export const make = (sql: SqlClient.SqlClient): CreditWriter => {
  const credit = sql.literal(columns)
  const creditOfGiven = sql.literal(columns.replace("customer_id", "nullif(customer_id, '')"))
  const creditReplaced = sql.literal(replaced)
  const key = sql.literal(Measures.deltaKey)
  const keyOfCredit = sql.literal(Measures.keyOfCredit)
  const names = sql.literal(Measures.names)
  const negated = sql.literal(Measures.negated)
  const ofCredit = sql.literal(Measures.ofCredit)
  const any = sql.literal(Measures.any)
  const sums = sql.literal(Measures.sums)
  const anySum = sql.literal(Measures.anySum)

  /** The given credits with their days. */
  const given = (tenantId: string, credits: CreditColumns) => sql`
    SELECT i.*, (i.booked_at AT TIME ZONE t.zone)::date AS tenant_day,
           (i.booked_at AT TIME ZONE coalesce(z.zone, t.zone))::date AS seller_day
      FROM unnest(${credits.creditIds}::text[], ${credits.versions}::bigint[], ${credits.bodyHashes}::text[],
                  ${credits.customerIds}::text[], ${credits.sellerIds}::text[], ${credits.regions}::text[],
                  ${credits.currencies}::text[], ${credits.bookedAt}::timestamptz[], ${credits.units}::bigint[],
                  ${credits.amounts}::bigint[], ${credits.taxes}::bigint[], ${credits.shippings}::bigint[],
                  ${credits.fees}::bigint[])
           AS i (credit_id, version, body_hash, customer_id, seller_id, region, currency, booked_at, units, amount,
                 tax, shipping, fees)
     CROSS JOIN (
                SELECT coalesce((
                                SELECT zone
                                  FROM hm_order_zone
                                 WHERE tenant_id = ${tenantId} AND seller_id = ''
                                ), 'UTC') AS zone
                ) t
      LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = i.seller_id
  `

  const add: CreditWriter["add"] = (tenantId, credits, now) => sql`
    WITH i AS MATERIALIZED (${given(tenantId, credits)}),
    added AS (
      INSERT INTO hm_order_credit (tenant_id, ${credit})
      SELECT ${tenantId}, ${creditOfGiven}
        FROM i
       ORDER BY credit_id COLLATE "C"
          ON CONFLICT (tenant_id, credit_id) DO NOTHING
      RETURNING *),
    d AS (
      INSERT INTO hm_order_delta (tenant_id, recorded_at, ${key}, ${names})
      SELECT ${tenantId}, ${now}, q.*
        FROM (
             SELECT ${keyOfCredit}, ${ofCredit}
               FROM added
             ) q
       WHERE ${any})
    SELECT credit_id AS "creditId"
      FROM i
    EXCEPT
    SELECT credit_id
      FROM added
  `

  const lock: CreditWriter["lock"] = (tenantId, creditIds) => sql`
    SELECT credit_id AS "creditId", version, body_hash AS "bodyHash",
           current_setting('transaction_isolation') AS isolation
      FROM hm_order_credit
     WHERE tenant_id = ${tenantId} AND credit_id = ANY (${creditIds}::text[])
     ORDER BY credit_id
       FOR UPDATE
  `

  const replace: CreditWriter["replace"] = (tenantId, credits, now) => sql`
    WITH i AS MATERIALIZED (${given(tenantId, credits)}),
    old AS MATERIALIZED (
      SELECT x.*
        FROM i
       CROSS JOIN LATERAL (
             SELECT *
               FROM hm_order_credit
              WHERE tenant_id = ${tenantId} AND credit_id = i.credit_id
              LIMIT 1) x),
    written AS (
      INSERT INTO hm_order_credit (tenant_id, ${credit})
      SELECT ${tenantId}, ${creditOfGiven}
        FROM i
          ON CONFLICT (tenant_id, credit_id) DO UPDATE SET ${creditReplaced}),
    d AS (
      INSERT INTO hm_order_delta (tenant_id, recorded_at, ${key}, ${names})
      SELECT ${tenantId}, ${now}, ${key}, ${sums}
        FROM (
             SELECT ${keyOfCredit}, ${ofCredit}
               FROM i
             UNION ALL
             SELECT ${key}, ${negated}
               FROM (
                    SELECT ${keyOfCredit}, ${ofCredit}
                      FROM old
                    ) o
             ) q
       GROUP BY ${key}
      HAVING ${anySum})
    SELECT 1 AS done
  `

  return { add, lock, replace }
}
