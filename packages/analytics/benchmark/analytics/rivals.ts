/**
 * The rivals of the order facts: the same facts without any summary, and the same facts with statement
 * triggers that keep the same grains in the writing transaction. Both write the same rows with the same statements as
 * ours, less the delta.
 */
import type * as OrderFacts from "@hypermarket/analytics/OrderFacts"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

type Writer = NonNullable<Parameters<typeof OrderFacts.make>[1]>
type Lines = Parameters<NonNullable<Writer["place"]>>[2]

/** The facts and nothing else. */
export const factsOnly = (sql: SqlClient.SqlClient): Writer => {
  const given = (tenantId: string, lines: Lines) => sql`
    SELECT i.*, (i.ordered_at AT TIME ZONE 'UTC')::date AS tenant_day,
           (i.ordered_at AT TIME ZONE coalesce(z.zone, 'UTC'))::date AS seller_day
      FROM unnest(${lines.orderIds}::text[], ${lines.lineIds}::text[], ${lines.sellerIds}::text[],
                  ${lines.productIds}::text[], ${lines.categories}::text[], ${lines.regions}::text[],
                  ${lines.channels}::text[], ${lines.currencies}::text[], ${lines.cancelled}::boolean[],
                  ${lines.first}::boolean[], ${lines.sellerFirst}::boolean[], ${lines.orderedAt}::timestamptz[],
                  ${lines.units}::bigint[], ${lines.gross}::bigint[], ${lines.discounts}::bigint[],
                  ${lines.taxes}::bigint[], ${lines.shippings}::bigint[])
           AS i (order_id, line_id, seller_id, product_id, category, region, channel, currency, cancelled, is_first,
                 is_seller_first, ordered_at, units, gross, discount, tax, shipping)
      LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = i.seller_id
  `
  const columns = sql.literal(
    "order_id, line_id, seller_id, product_id, category, region, channel, currency, cancelled, is_first, is_seller_first, ordered_at, tenant_day, seller_day, units, gross, discount, tax, shipping"
  )
  return {
    place: (tenantId, heads, lines) => sql`
      WITH h AS (
        INSERT INTO hm_order_head (tenant_id, order_id, version, body_hash)
        SELECT ${tenantId}, order_id, version, body_hash
          FROM unnest(${heads.orderIds}::text[], ${heads.versions}::bigint[], ${heads.bodyHashes}::text[])
               AS o (order_id, version, body_hash)
         ORDER BY order_id COLLATE "C"
            ON CONFLICT (tenant_id, order_id) DO NOTHING
        RETURNING order_id),
      l AS (
        SELECT g.*
          FROM (${given(tenantId, lines)}) g
          JOIN h ON h.order_id = g.order_id),
      f AS (
        INSERT INTO hm_order_line (tenant_id, ${columns})
        SELECT ${tenantId}, ${columns}
          FROM l)
      SELECT order_id AS "orderId"
        FROM h
    `,
    apply: (tenantId, heads, lines) => sql`
      WITH l AS MATERIALIZED (${given(tenantId, lines)}),
      hd AS (
        UPDATE hm_order_head h
           SET version = o.version, body_hash = o.body_hash
          FROM unnest(${heads.orderIds}::text[], ${heads.versions}::bigint[], ${heads.bodyHashes}::text[])
               AS o (order_id, version, body_hash)
         WHERE h.tenant_id = ${tenantId} AND h.order_id = o.order_id),
      gone AS (
        SELECT order_id, line_id
          FROM hm_order_line
         WHERE tenant_id = ${tenantId} AND order_id = ANY (${heads.orderIds}::text[])
        EXCEPT
        SELECT order_id, line_id
          FROM l),
      dl AS (
        DELETE FROM hm_order_line x USING gone
         WHERE x.tenant_id = ${tenantId} AND x.order_id = gone.order_id AND x.line_id = gone.line_id),
      f AS (
        INSERT INTO hm_order_line (tenant_id, ${columns})
        SELECT ${tenantId}, ${columns}
          FROM l
            ON CONFLICT (tenant_id, order_id, line_id)
            DO UPDATE SET seller_id = excluded.seller_id, product_id = excluded.product_id,
                          category = excluded.category, region = excluded.region, channel = excluded.channel,
                          currency = excluded.currency, cancelled = excluded.cancelled, is_first = excluded.is_first,
                          is_seller_first = excluded.is_seller_first, ordered_at = excluded.ordered_at,
                          tenant_day = excluded.tenant_day, seller_day = excluded.seller_day, units = excluded.units,
                          gross = excluded.gross, discount = excluded.discount, tax = excluded.tax,
                          shipping = excluded.shipping)
      SELECT 1 AS done
    `,
    book: (tenantId, adjustments) => sql`
      WITH i AS MATERIALIZED (
        SELECT *
          FROM unnest(${adjustments.orderIds}::text[], ${adjustments.kinds}::text[],
                             ${adjustments.adjustmentIds}::text[], ${adjustments.versions}::bigint[],
                             ${adjustments.bodyHashes}::text[], ${adjustments.bookedAt}::timestamptz[],
                             ${adjustments.lineIds}::text[], ${adjustments.units}::bigint[],
                             ${adjustments.amounts}::bigint[])
             AS i (order_id, kind, adjustment_id, version, body_hash, booked_at, line_id, units, amount)),
      a AS (
        INSERT INTO hm_order_adjustment AS a (tenant_id, order_id, line_id, kind, adjustment_id, version, body_hash,
                                              booked_at, tenant_day, seller_day, units, amount)
        SELECT ${tenantId}, i.order_id, i.line_id, i.kind, i.adjustment_id, i.version, i.body_hash, i.booked_at,
               (i.booked_at AT TIME ZONE 'UTC')::date, (i.booked_at AT TIME ZONE 'UTC')::date, i.units, i.amount
          FROM i
            ON CONFLICT (tenant_id, order_id, line_id, kind, adjustment_id)
            DO UPDATE SET version = excluded.version, body_hash = excluded.body_hash, booked_at = excluded.booked_at,
                          tenant_day = excluded.tenant_day, seller_day = excluded.seller_day, units = excluded.units,
                          amount = excluded.amount
                WHERE a.version < excluded.version)
      SELECT NULL::text AS "orderId", NULL::text AS kind, NULL::text AS "adjustmentId", NULL::bigint AS "storedVersion",
             NULL::text AS "storedHash" WHERE false
    `
  }
}

/** The measures of a line and of an adjusted line, signed, as the triggers take them from their transition tables. */
const lineRows = (sign: "" | "-", table: string) => `
  SELECT tenant_id, seller_id, category, region, channel, currency, tenant_day, seller_day,
         ${sign}(is_first::int) AS orders, ${sign}(is_seller_first::int) AS seller_orders, ${sign}1 AS lines,
         ${sign}units AS units, ${sign}gross AS gross, ${sign}discount AS discount, ${sign}tax AS tax,
         ${sign}shipping AS shipping, ${sign}((cancelled AND is_first)::int) AS cancelled_orders,
         ${sign}(CASE WHEN cancelled THEN units ELSE 0 END) AS cancelled_units,
         ${sign}(CASE WHEN cancelled THEN gross - discount ELSE 0 END) AS cancelled_amount,
         0 AS refund_units, 0 AS refund_amount, 0 AS booked_refund_units, 0 AS booked_refund_amount, 0 AS shipped_units
    FROM ${table}`

const adjustmentRows = (sign: "" | "-", table: string) => `
  SELECT l.tenant_id, l.seller_id, l.category, l.region, l.channel, l.currency, l.tenant_day, l.seller_day,
         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ${sign}a.units, ${sign}a.amount, 0, 0, 0
    FROM ${table} a JOIN hm_order_line l USING (tenant_id, order_id, line_id) WHERE a.kind = 'refund'
  UNION ALL
  SELECT l.tenant_id, l.seller_id, l.category, l.region, l.channel, l.currency, a.tenant_day, a.tenant_day,
         0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
         ${sign}(CASE WHEN a.kind = 'refund' THEN a.units ELSE 0 END),
         ${sign}(CASE WHEN a.kind = 'refund' THEN a.amount ELSE 0 END),
         ${sign}(CASE WHEN a.kind = 'shipment' THEN a.units ELSE 0 END)
    FROM ${table} a JOIN hm_order_line l USING (tenant_id, order_id, line_id)`

const measures =
  "orders, seller_orders, lines, units, gross, discount, tax, shipping, cancelled_orders, cancelled_units, cancelled_amount, refund_units, refund_amount, booked_refund_units, booked_refund_amount, shipped_units".split(
    ", "
  )

const sums = measures.map((name) => `sum(${name})::bigint`).join(", ")

/** The same four grains, in one upsert over the transition table's cells. */
const upsert = (rows: string) => `
  INSERT INTO hm_order_summary AS s (tenant_id, grain, seller_id, bucket, category, region, channel, currency,
                                     ${measures.join(", ")}, merged_at)
  SELECT *, now() FROM (
    WITH b AS MATERIALIZED (${rows})
    SELECT tenant_id, 6::smallint AS grain, '' AS seller_id, tenant_day AS bucket, '' AS category, '' AS region, '' AS channel, currency, ${sums}
      FROM b GROUP BY tenant_id, tenant_day, currency
    UNION ALL
    SELECT tenant_id, 1, '', tenant_day, '', region, channel, currency, ${sums}
      FROM b GROUP BY tenant_id, tenant_day, region, channel, currency
    UNION ALL
    SELECT tenant_id, 2, seller_id, seller_day, '', '', '', currency, ${sums}
      FROM b GROUP BY tenant_id, seller_day, seller_id, currency
    UNION ALL
    SELECT tenant_id, 5, '', date_trunc('month', tenant_day)::date, category, region, '', currency, ${sums}
      FROM b GROUP BY tenant_id, date_trunc('month', tenant_day), category, region, currency) c
   ORDER BY 1, 2, 3, 4, 5, 6, 7, 8
      ON CONFLICT (tenant_id, grain, seller_id, bucket, category, region, channel, currency)
      DO UPDATE SET ${measures.map((name) => `${name} = s.${name} + excluded.${name}`).join(", ")}`

const triggerOf = (table: string, event: "INSERT" | "UPDATE" | "DELETE", rows: string) => {
  const name = `bench_${table}_${event.toLowerCase()}`
  const referencing =
    event === "INSERT"
      ? "NEW TABLE AS is_now"
      : event === "DELETE"
        ? "OLD TABLE AS was"
        : "OLD TABLE AS was NEW TABLE AS is_now"
  return [
    `CREATE FUNCTION ${name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${upsert(rows)}; RETURN NULL; END $$`,
    `CREATE TRIGGER ${name} AFTER ${event} ON ${table} REFERENCING ${referencing}
       FOR EACH STATEMENT EXECUTE FUNCTION ${name}()`
  ]
}

/** Makes the triggers in a database of their own. */
export const createTriggers = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.forEach(
    [
      ...triggerOf("hm_order_line", "INSERT", lineRows("", "is_now")),
      ...triggerOf("hm_order_line", "UPDATE", `${lineRows("-", "was")} UNION ALL ${lineRows("", "is_now")}`),
      ...triggerOf("hm_order_line", "DELETE", lineRows("-", "was")),
      ...triggerOf("hm_order_adjustment", "INSERT", named(adjustmentRows("", "is_now"))),
      ...triggerOf(
        "hm_order_adjustment",
        "UPDATE",
        named(`${adjustmentRows("-", "was")} UNION ALL ${adjustmentRows("", "is_now")}`)
      )
    ],
    (statement) => sql.unsafe(statement),
    { discard: true }
  )
)

const named = (rows: string) => `
  SELECT * FROM (${rows}) a (tenant_id, seller_id, category, region, channel, currency, tenant_day, seller_day,
                             ${measures.join(", ")})`
