/**
 * The statements that remove facts of months that are closed, proven and past their retention.
 *
 * A whole order is removed, when no day of its lines, refunds and shipments is kept any more. So the cells of kept days can
 * be compared with their facts as before.
 */
import type { Fragment } from "effect/sql/Statement"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Grains from "./grains.ts"

/** Before every fact. */
const firstDay = "1970-01-01"

/** The first day whose cells can be compared with their facts, for a comparison within the snapshot of its statement. */
export const factsFrom = (sql: SqlClient.SqlClient, tenantId: string): Fragment => sql`
  coalesce((SELECT facts_from
              FROM hm_order_retention
             WHERE tenant_id = ${tenantId}), '-infinity'::date)
`

export interface Next {
  /** The first day of the oldest month with figures whose facts are kept. */
  readonly month: string
  /** The first day whose facts are kept. */
  readonly from: string
  readonly until: string
  readonly isClosed: boolean
}

export interface Swept {
  /** Null when no order is left to look at. */
  readonly last: string | null
  readonly orderIds: ReadonlyArray<string>
}

export interface Removed {
  readonly orders: number
  readonly lines: number
  readonly adjustments: number
}

export const make = (sql: SqlClient.SqlClient) => {
  /** Returns the tenants that may have something to remove before a day. */
  const due = (before: string) => sql<{ readonly tenantId: string }>`
    SELECT m.tenant_id AS "tenantId"
      FROM hm_order_merge m
      LEFT JOIN hm_order_retention r ON r.tenant_id = m.tenant_id
     WHERE r.facts_from IS NULL OR r.facts_from < ${before}::date OR r.swept_after IS NOT NULL
  `

  /** Returns the oldest month before a day whose facts are kept. */
  const next = (tenantId: string, before: string) => sql<Next>`
    SELECT month::text AS month,
           greatest(${factsFrom(sql, tenantId)}, ${firstDay}::date)::text AS "from",
           (month + interval '1 month')::date::text AS until,
           EXISTS (
                  SELECT
                    FROM hm_order_close
                   WHERE tenant_id = ${tenantId} AND period = 'month' AND from_day = month
                  ) AS "isClosed"
      FROM (
           SELECT date_trunc('month', min(bucket))::date AS month
             FROM hm_order_summary
            WHERE tenant_id = ${tenantId} AND grain = ${Grains.tenantDay.number} AND seller_id = ''
              AND bucket >= ${factsFrom(sql, tenantId)}
           ) m
     WHERE month < ${before}::date
  `

  /** Moves the first day of kept facts, and begins a sweep. */
  const move = (tenantId: string, to: string, now: Date) => sql`
    INSERT INTO hm_order_retention AS r (tenant_id, facts_from, moved_at, swept_after)
    VALUES (${tenantId}, ${to}::date, ${now}, '')
        ON CONFLICT (tenant_id)
        DO UPDATE SET facts_from = greatest(r.facts_from, excluded.facts_from), moved_at = excluded.moved_at,
                      swept_after = '', blocked_month = NULL
  `

  /** Keeps the month that is not closed, for doctor. */
  const block = (tenantId: string, month: string) => sql`
    INSERT INTO hm_order_retention AS r (tenant_id, blocked_month)
    VALUES (${tenantId}, ${month}::date)
        ON CONFLICT (tenant_id)
        DO UPDATE SET blocked_month = excluded.blocked_month
       WHERE r.blocked_month IS DISTINCT FROM excluded.blocked_month
  `

  const unblock = (tenantId: string) => sql`
    UPDATE hm_order_retention
       SET blocked_month = NULL
     WHERE tenant_id = ${tenantId} AND blocked_month IS NOT NULL
  `

  const unblockAll = sql`
    UPDATE hm_order_retention
       SET blocked_month = NULL
     WHERE blocked_month IS NOT NULL
  `

  /** Returns how far the sweep of a tenant is; no row when it is over, or when a query may still read with the plan of before. */
  const sweep = (tenantId: string, movedBefore: Date) => sql<{ readonly after: string }>`
    SELECT swept_after AS after
      FROM hm_order_retention
     WHERE tenant_id = ${tenantId} AND swept_after IS NOT NULL AND moved_at <= ${movedBefore}
  `

  /** True for an order with lines and without a kept day. Sub-selects by the key, which no planner turns into a join. */
  const isPast = (tenantId: string) => sql`
    (SELECT max(greatest(tenant_day, seller_day))
       FROM hm_order_line
      WHERE tenant_id = ${tenantId} AND order_id = o.order_id) < ${factsFrom(sql, tenantId)}
    AND coalesce((SELECT max(greatest(tenant_day, seller_day))
                    FROM hm_order_adjustment
                   WHERE tenant_id = ${tenantId} AND order_id = o.order_id), '-infinity')
        < ${factsFrom(sql, tenantId)}
  `

  /** Looks at the next orders by id. Without locks: what it finds is looked at again under them. */
  const look = (tenantId: string, after: string, max: number) => sql<Swept>`
    WITH o AS MATERIALIZED (
      SELECT order_id, version, retired_at
        FROM hm_order_head
       WHERE tenant_id = ${tenantId} AND order_id > ${after}
       ORDER BY order_id
       LIMIT ${max})
    SELECT (SELECT max(order_id) FROM o) AS last,
           ARRAY (
                 SELECT order_id
                   FROM o
                  WHERE version > 0 AND retired_at IS NULL AND ${isPast(tenantId)}
                 ) AS "orderIds"
  `

  /** Locks orders. One that is being written is left for the next sweep. */
  const lock = (tenantId: string, orderIds: ReadonlyArray<string>) => sql<{ readonly orderId: string }>`
    SELECT order_id AS "orderId"
      FROM hm_order_head
     WHERE tenant_id = ${tenantId} AND order_id = ANY (${orderIds}::text[]) AND retired_at IS NULL
     ORDER BY order_id
       FOR UPDATE SKIP LOCKED
  `

  /** Removes the facts of locked orders that have no kept day. Their cells stay as they are. */
  const remove = (tenantId: string, orderIds: ReadonlyArray<string>, now: Date) => sql<Removed>`
    WITH past AS MATERIALIZED (
      SELECT ARRAY (
                   SELECT order_id
                     FROM unnest(${orderIds}::text[]) AS o (order_id)
                    WHERE ${isPast(tenantId)}
                   ) AS order_ids),
    l AS (
      DELETE FROM hm_order_line
       WHERE tenant_id = ${tenantId} AND order_id = ANY ((SELECT order_ids FROM past)::text[])
      RETURNING 1),
    a AS (
      DELETE FROM hm_order_adjustment
       WHERE tenant_id = ${tenantId} AND order_id = ANY ((SELECT order_ids FROM past)::text[])
      RETURNING 1),
    h AS (
      UPDATE hm_order_head
         SET retired_at = ${now}
       WHERE tenant_id = ${tenantId} AND order_id = ANY ((SELECT order_ids FROM past)::text[])
      RETURNING 1)
    SELECT (SELECT count(*)::int FROM h) AS orders, (SELECT count(*)::int FROM l) AS lines,
           (SELECT count(*)::int FROM a) AS adjustments
  `

  /** Keeps how far the sweep is. A sweep that was begun again meanwhile is not moved on. */
  const advance = (tenantId: string, from: string, to: string | null, removed: Removed) => sql`
    UPDATE hm_order_retention
       SET swept_after = CASE WHEN swept_after = ${from} THEN ${to} ELSE swept_after END,
           orders = orders + ${removed.orders}, lines = lines + ${removed.lines},
           adjustments = adjustments + ${removed.adjustments}
     WHERE tenant_id = ${tenantId}
  `

  /** True for a period that is not closed and cannot be compared with its facts any more. */
  const isRemoved = (tenantId: string, period: string, fromDay: string) => sql`
    ${factsFrom(sql, tenantId)} > ${fromDay}::date
    AND NOT EXISTS (
                   SELECT
                     FROM hm_order_close
                    WHERE tenant_id = ${tenantId} AND period = ${period} AND from_day = ${fromDay}::date
                   )
  `

  return { isRemoved, due, next, move, block, unblock, unblockAll, sweep, look, lock, remove, advance }
}
