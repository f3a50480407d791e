/**
 * The statements that compute the days of stored facts again, after a zone was set or corrected. A fact with a day whose cells
 * cannot be computed again, as retention has removed facts of it, keeps its days.
 */
import type * as SqlClient from "effect/sql/SqlClient"
import { factsFrom } from "./orderRetention.ts"

export const make = (sql: SqlClient.SqlClient) => {
  const clock = sql<{ readonly now: string }>`
    SELECT clock_timestamp()::text AS now
  `

  /** Returns true while a transaction that began before `since` could still write with what it read then. */
  const hasOlderWriters = (since: string) => sql<{ readonly isWriting: boolean }>`
    SELECT EXISTS (
                  SELECT
                    FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid()
                     AND backend_type = 'client backend' AND xact_start < ${since}::timestamptz
                  ) AS "isWriting"
  `

  /** Locks the next orders, by id: their writers wait, and read the days that are stored here. */
  const lockNext = (tenantId: string, after: string, max: number) => sql<{ readonly orderId: string }>`
    SELECT order_id AS "orderId"
      FROM hm_order_head
     WHERE tenant_id = ${tenantId} AND order_id > ${after}
     ORDER BY order_id
     LIMIT ${max}
       FOR UPDATE
  `

  const zones = (tenantId: string) => sql`
    SELECT coalesce((
                    SELECT zone
                      FROM hm_order_zone
                     WHERE tenant_id = ${tenantId} AND seller_id = ''
                    ), 'UTC') AS zone
  `

  const lines = (tenantId: string, orderIds: ReadonlyArray<string>) => sql`
    UPDATE hm_order_line l
       SET tenant_day = d.tenant_day, seller_day = d.seller_day
      FROM (
           SELECT x.order_id, x.line_id, (x.ordered_at AT TIME ZONE t.zone)::date AS tenant_day,
                  (x.ordered_at AT TIME ZONE coalesce(z.zone, t.zone))::date AS seller_day
             FROM hm_order_line x
            CROSS JOIN (${zones(tenantId)}) t
             LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = x.seller_id
            WHERE x.tenant_id = ${tenantId} AND x.order_id = ANY (${orderIds}::text[])
           ) d
     WHERE l.tenant_id = ${tenantId} AND l.order_id = d.order_id AND l.line_id = d.line_id
       AND (l.tenant_day, l.seller_day) <> (d.tenant_day, d.seller_day)
       AND least(l.tenant_day, l.seller_day, d.tenant_day, d.seller_day) >= ${factsFrom(sql, tenantId)}
    RETURNING 1 AS moved
  `

  const adjustments = (tenantId: string, orderIds: ReadonlyArray<string>) => sql`
    UPDATE hm_order_adjustment a
       SET tenant_day = d.tenant_day, seller_day = d.seller_day
      FROM (
           SELECT x.ctid AS place, (x.booked_at AT TIME ZONE t.zone)::date AS tenant_day,
                  CASE WHEN x.currency IS NOT NULL
                       THEN (x.booked_at AT TIME ZONE coalesce(z.zone, t.zone))::date END AS seller_day
             FROM hm_order_adjustment x
            CROSS JOIN (${zones(tenantId)}) t
             LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = x.seller_id
            WHERE x.tenant_id = ${tenantId} AND x.order_id = ANY (${orderIds}::text[])
           ) d
     WHERE a.tenant_id = ${tenantId} AND a.ctid = d.place
       AND (a.tenant_day IS DISTINCT FROM d.tenant_day OR a.seller_day IS DISTINCT FROM d.seller_day)
       AND least(a.tenant_day, a.seller_day, d.tenant_day, d.seller_day) >= ${factsFrom(sql, tenantId)}
    RETURNING 1 AS moved
  `

  const credits = (tenantId: string) => sql`
    UPDATE hm_order_credit c
       SET tenant_day = d.tenant_day, seller_day = d.seller_day
      FROM (
           SELECT x.credit_id, (x.booked_at AT TIME ZONE t.zone)::date AS tenant_day,
                  (x.booked_at AT TIME ZONE coalesce(z.zone, t.zone))::date AS seller_day
             FROM hm_order_credit x
            CROSS JOIN (${zones(tenantId)}) t
             LEFT JOIN hm_order_zone z ON z.tenant_id = ${tenantId} AND z.seller_id = x.seller_id
            WHERE x.tenant_id = ${tenantId}
           ) d
     WHERE c.tenant_id = ${tenantId} AND c.credit_id = d.credit_id
       AND (c.tenant_day, c.seller_day) <> (d.tenant_day, d.seller_day)
       AND least(c.tenant_day, c.seller_day, d.tenant_day, d.seller_day) >= ${factsFrom(sql, tenantId)}
    RETURNING 1 AS moved
  `

  /** Returns the months of all cells and of all days. */
  const months = (tenantId: string) => sql<{ readonly from: string }>`
    SELECT DISTINCT date_trunc('month', day)::date::text AS "from"
      FROM (
           SELECT bucket AS day
             FROM hm_order_summary
            WHERE tenant_id = ${tenantId}
           UNION ALL
           SELECT unnest(ARRAY[tenant_day, seller_day])
             FROM hm_order_line
            WHERE tenant_id = ${tenantId}
           UNION ALL
           SELECT unnest(ARRAY[tenant_day, seller_day])
             FROM hm_order_adjustment
            WHERE tenant_id = ${tenantId} AND currency IS NOT NULL
           UNION ALL
           SELECT unnest(ARRAY[tenant_day, seller_day])
             FROM hm_order_credit
            WHERE tenant_id = ${tenantId}
           ) d
     WHERE day >= ${factsFrom(sql, tenantId)}
     ORDER BY 1
  `

  return { clock, hasOlderWriters, lockNext, lines, adjustments, credits, months }
}
