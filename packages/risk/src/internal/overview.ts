/** The part of risk in pages that show more than one domain. */
import * as Overview from "@hypermarket/core/Overview"
import { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Outcome } from "../RiskRuleSet.ts"

interface Item {
  readonly itemId: string
  readonly at: Date
  readonly outcome: Outcome
  readonly reasons: ReadonlyArray<string> | string
  readonly observed: boolean
}

/** Reads the decisions about an order. Other subjects have no items here: their ids are stored as hashes. */
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
    WITH item AS (
      SELECT d.decision_id::text COLLATE "C" AS "itemId", date_trunc('milliseconds', d.recorded_at) AS at, d.outcome, d.reasons,
             d.observed
        FROM hm_fraud_signal_subject s
        JOIN hm_risk_decision d
          ON d.tenant_id = s.tenant_id
         AND d.signal_id = s.signal_id
       WHERE s.tenant_id = ${tenant.id} AND s.kind = 'order' AND s.subject = ${subject.id}
    )
    SELECT *
      FROM item
     WHERE ${at}::timestamptz IS NULL OR (at, "itemId") < (${at}::timestamptz, ${itemId}::text COLLATE "C")
     ORDER BY at DESC, "itemId" DESC
     LIMIT ${limit}
  `
  return rows.map(({ at, itemId, observed, outcome, reasons }) =>
    Overview.TimelineItem.make({
      itemId,
      at: DateTime.fromDateUnsafe(at),
      kind: "risk.decided",
      data: { outcome, observed, reasons: typeof reasons === "string" ? JSON.parse(reasons) : [...reasons] },
      links: []
    })
  )
})
