/**
 * The errors that an order, customer, product or seller met: one item per issue, at its last event. Events carry the tag
 * `order_id`, `customer_id`, `product_id` or `seller_id`; those of a customer are also found by the user of the SDK.
 */
import * as Overview from "@hypermarket/core/Overview"
import { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { userKeyOf } from "./storedEvent.ts"

interface Item {
  readonly itemId: string
  readonly at: Date
  readonly title: string
  readonly status: string
  readonly events: number
}

export const timeline: Overview.Timeline<SqlClient.SqlClient | Tenant> = Effect.fnUntraced(function* ({
  before,
  limit,
  subject
}) {
  const sql = yield* SqlClient.SqlClient
  const { id: tenantId } = yield* Tenant
  const at = before?.at ?? null
  const itemId = before?.itemId ?? null
  // A constant, so that the index over these tags serves it.
  const name = sql.literal(`'${subject.kind}_id'`)
  const userKey = subject.kind === "customer" ? userKeyOf(tenantId, subject.id) : ""
  const rows = yield* sql<Item>`
    WITH sight AS (
      SELECT issue_id, last_seen AS at, events
        FROM hm_error_tag
       WHERE tenant_id = ${tenantId} AND value = ${subject.id} AND name = ${name}
       UNION ALL
      SELECT issue_id, max(occurred_at) AS at, count(*) AS events
        FROM hm_error_log
       WHERE tenant_id = ${tenantId} AND user_key = ${userKey}
       GROUP BY issue_id
    ),
    -- A merged issue is shown by the one that it is merged into. Tag and user may both name one event.
    item AS (
      SELECT root.issue_id::text COLLATE "C" AS "itemId", date_trunc('milliseconds', max(s.at)) AS at,
             max(s.events)::float8 AS events, root.title, root.status
        FROM sight s
        JOIN hm_error_issue own ON own.tenant_id = ${tenantId} AND own.issue_id = s.issue_id
        JOIN hm_error_issue root ON root.tenant_id = own.tenant_id
                                AND root.issue_id = coalesce(own.merged_into, own.issue_id)
       GROUP BY root.issue_id, root.title, root.status
    )
    SELECT *
      FROM item
     WHERE ${at}::timestamptz IS NULL OR (at, "itemId") < (${at}::timestamptz, ${itemId}::text COLLATE "C")
     ORDER BY at DESC, "itemId" DESC
     LIMIT ${limit}
  `
  return rows.map((row) =>
    Overview.TimelineItem.make({
      itemId: row.itemId,
      at: DateTime.fromDateUnsafe(row.at),
      kind: "error.seen",
      data: { title: row.title, status: row.status, events: row.events },
      links: []
    })
  )
})
