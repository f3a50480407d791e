/** The statements that give something back to rows of `hm_api_rate_limit`: refunds, resets, ended leases. */
import type * as SqlClient from "effect/sql/SqlClient"
import type { Bound } from "./bucket.ts"
import { clockOf, comparedBy } from "./bucketStatements.ts"
import type { Leftover } from "./leases.ts"

/** Returns a cost: to the debt, or to the newest entries of a window. */
export const refund = (sql: SqlClient.SqlClient, bound: Bound, cost: number) =>
  bound.kind === "gcra"
    ? sql`
        UPDATE hm_api_rate_limit
           SET debt = greatest(0, debt - ${String(cost)}::text::numeric * rate_period_micros),
               returned = returned + least(debt, ${String(cost)}::text::numeric * rate_period_micros)
         WHERE tenant_id = ${bound.owner} AND policy = ${bound.policy} AND bucket = ${bound.bucket}
      `
    : sql`
        UPDATE hm_api_rate_limit
           SET (entry_micros, entry_costs) = (
               SELECT coalesce(array_agg(k.micros ORDER BY k.place), '{}'),
                      coalesce(array_agg(k.cost::bigint ORDER BY k.place), '{}')
                 FROM (
                      SELECT e.micros, e.place,
                             e.cost - greatest(0, least(e.cost, ${String(cost)}::text::bigint
                               - coalesce(sum(e.cost) OVER (ORDER BY e.place DESC
                                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))) AS cost
                        FROM unnest(entry_micros, entry_costs) WITH ORDINALITY AS e (micros, cost, place)
                      ) k
                WHERE k.cost > 0)
         WHERE tenant_id = ${bound.owner} AND policy = ${bound.policy} AND bucket = ${bound.bucket}
      `

/** Ends a lease by its token; a lease that has ended is nothing. */
export const release = (sql: SqlClient.SqlClient, bound: Bound, token: string) =>
  sql`
    UPDATE hm_api_rate_limit
       SET lease_micros = lease_micros[1:array_position(lease_tokens, ${token}::text::uuid) - 1]
             || lease_micros[array_position(lease_tokens, ${token}::text::uuid) + 1:],
           lease_tokens = array_remove(lease_tokens, ${token}::text::uuid)
     WHERE tenant_id = ${bound.owner} AND policy = ${bound.policy} AND bucket = ${bound.bucket}
       AND ${token}::text::uuid = ANY (lease_tokens)
  `

/** Ends leases by their tokens, which are of one bucket. */
export const releaseAll = (sql: SqlClient.SqlClient, bound: Bound, tokens: ReadonlyArray<string>) =>
  sql`
    UPDATE hm_api_rate_limit
       SET (lease_micros, lease_tokens) = (
           SELECT coalesce(array_agg(l.micros ORDER BY l.place), '{}'),
                  coalesce(array_agg(l.token ORDER BY l.place), '{}')
             FROM unnest(lease_micros, lease_tokens) WITH ORDINALITY AS l (micros, token, place)
            WHERE l.token::text NOT IN (
                  SELECT t.token
                    FROM json_array_elements_text(${JSON.stringify(tokens)}::text::json) AS t (token)
                  ))
     WHERE tenant_id = ${bound.owner} AND policy = ${bound.policy} AND bucket = ${bound.bucket}
  `

/** Empties a bucket. What unused leases have charged counts as given back. */
export const reset = (sql: SqlClient.SqlClient, bound: Bound) =>
  sql`
    UPDATE hm_api_rate_limit
       SET debt = 0, returned = returned + debt, entry_micros = '{}', entry_costs = '{}', lease_micros = '{}',
           lease_tokens = '{}'
     WHERE tenant_id = ${bound.owner} AND policy = ${bound.policy} AND bucket = ${bound.bucket}
  `

/** Rows per statement: it holds their locks for some milliseconds. */
export const leftoversPerStatement = 500

/**
 * Returns unused tokens to their buckets, each of which is named at most once. Since they were charged the debt has drained, and others were given
 * something back: what the debt still holds of these tokens for certain is their level minus both. The rest has drained, or
 * may have.
 */
export const giveBack = (
  sql: SqlClient.SqlClient,
  leftovers: ReadonlyArray<Leftover>,
  offsetMicros: number
) =>
  sql`
    WITH wanted AS MATERIALIZED (
      SELECT *
        FROM json_to_recordset(${JSON.stringify(
          leftovers
            .toSorted((left, right) => comparedBy(left.bound.key, right.bound.key))
            .map(({ bound, level, tokens }, place) => ({
              place,
              tenant: bound.owner,
              policy: bound.policy,
              bucket: bound.bucket,
              quota: bound.quota,
              period: bound.periodMicros,
              tokens,
              level: String(level)
            }))
        )}::text::json) AS r (place int, tenant text, policy text, bucket text, quota bigint, period bigint,
                              tokens bigint, level numeric)
    ),
    -- In the order of the keys, as checks lock them.
    locked AS MATERIALIZED (
      SELECT w.*, b.returned
        FROM (
             SELECT *
               FROM wanted
              ORDER BY place
             ) w
       CROSS JOIN LATERAL (
             SELECT b.returned, b.rate_quota, b.rate_period_micros
               FROM hm_api_rate_limit b
              WHERE b.tenant_id = w.tenant AND b.policy = w.policy AND b.bucket = w.bucket
                FOR UPDATE
             ) b
       WHERE b.rate_quota = w.quota AND b.rate_period_micros = w.period
    ),
    clock AS MATERIALIZED (
      SELECT ${clockOf(sql, offsetMicros)} AS now
        FROM (SELECT count(*) AS held FROM locked) l
       WHERE l.held >= 0
    ),
    certain AS MATERIALIZED (
      SELECT l.tenant, l.policy, l.bucket,
             least(l.tokens::numeric * l.period, l.level - l.returned - c.now::numeric * l.quota) AS debt
        FROM locked l
       CROSS JOIN clock c
    )
    UPDATE hm_api_rate_limit b
       SET debt = greatest(0, b.debt - s.debt),
           returned = b.returned + s.debt
      FROM certain s
     WHERE s.debt > 0
       AND b.tenant_id = s.tenant AND b.policy = s.policy AND b.bucket = s.bucket
  `
