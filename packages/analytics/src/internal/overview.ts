/** The part of analytics in pages that show more than one domain. */
import * as Overview from "@hypermarket/core/Overview"
import { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

/** The greatest character: every longer text with the same beginning sorts before it. */
const last = "\u{10ffff}"

/** Orders by the beginning of their id. */
export const lookup: Overview.Lookup<SqlClient.SqlClient | Tenant> = Effect.fnUntraced(function* (text) {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const rows = yield* sql<{ readonly id: string }>`
    SELECT order_id AS id
      FROM hm_order_head
     WHERE tenant_id = ${tenant.id} AND order_id >= ${text} AND order_id < ${text + last}
     ORDER BY order_id
     LIMIT ${Overview.matchesMax}
  `
  return rows.map(({ id }) => Overview.Match.make({ kind: "order", id, title: `Order ${id}` }))
})

interface Item {
  readonly kind: string
  readonly itemId: string
  readonly at: Date
  readonly data: Schema.Json
  readonly sellers: ReadonlyArray<string>
  readonly products: ReadonlyArray<string>
}

/** Reads what was booked of an order: its placing, and each refund and shipment. Other subjects have no items here. */
export const timeline: Overview.Timeline<SqlClient.SqlClient | Tenant> = Effect.fnUntraced(function* ({
  before,
  limit,
  subject
}) {
  if (subject.kind !== "order") return []
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const at = before?.at ?? null
  const itemId = before?.itemId ?? null
  const rows = yield* sql<Item>`
    WITH line AS (
      SELECT *
        FROM hm_order_line
       WHERE tenant_id = ${tenant.id} AND order_id = ${subject.id}),
    item AS (
      SELECT 'order.placed' AS kind, 'placed' COLLATE "C" AS "itemId",
             date_trunc('milliseconds', min(ordered_at)) AS at,
             json_build_object('currency', min(currency), 'units', sum(units)::text, 'gross', sum(gross)::text,
                               'discount', sum(discount)::text, 'lines', count(*) FILTER (WHERE NOT removed AND line_id <> ''),
                               'cancelledLines', count(*) FILTER (WHERE cancelled AND NOT removed AND line_id <> ''))
               AS data,
             array_remove(array_agg(DISTINCT seller_id ORDER BY seller_id), '') AS sellers,
             array_remove(array_agg(DISTINCT product_id ORDER BY product_id), '') AS products
        FROM line
      HAVING count(*) > 0
       UNION ALL
      SELECT CASE a.kind WHEN 'refund' THEN 'order.refunded' ELSE 'order.shipped' END,
             (a.kind || '/' || a.adjustment_id) COLLATE "C",
             date_trunc('milliseconds', max(a.booked_at)),
             json_build_object('id', a.adjustment_id, 'units', sum(a.units)::text, 'amount', sum(a.amount)::text,
                               'version', max(a.version)::text),
             array_remove(array_remove(array_agg(DISTINCT l.seller_id ORDER BY l.seller_id), NULL), ''),
             array_remove(array_remove(array_agg(DISTINCT l.product_id ORDER BY l.product_id), NULL), '')
        FROM hm_order_adjustment a
        LEFT JOIN line l ON l.line_id = a.line_id
       WHERE a.tenant_id = ${tenant.id} AND a.order_id = ${subject.id}
       GROUP BY a.kind, a.adjustment_id)
    SELECT *
      FROM item
     WHERE ${at}::timestamptz IS NULL OR (at, "itemId") < (${at}::timestamptz, ${itemId}::text COLLATE "C")
     ORDER BY at DESC, "itemId" DESC
     LIMIT ${limit}
  `
  return rows.map(({ products, sellers, ...row }) =>
    Overview.TimelineItem.make({
      ...row,
      at: DateTime.fromDateUnsafe(row.at),
      links: [
        ...sellers.map((id) => ({ kind: "seller", id })),
        ...products.map((id) => ({ kind: "product", id }))
      ]
    })
  )
})
