/** Decisions as they are read, and labels as they are written. */
import * as Column from "@hypermarket/core/Column"
import * as Page from "@hypermarket/core/Page"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { SignalKind } from "../FraudSignal.ts"
import {
  DecisionId,
  DecisionNotFound,
  Frozen,
  RiskDecision,
  ShadowVerdict,
  Verdict
} from "../RiskDecision.ts"
import { Outcome } from "../RiskRuleSet.ts"

const Json = <A, I>(schema: Schema.Codec<A, I>) => Schema.Union([schema, Schema.fromJsonString(schema)])

const row = Row.make(
  RiskDecision,
  {
    decisionId: DecisionId,
    signalId: Schema.String,
    kind: SignalKind,
    subject: Schema.String,
    number: Schema.Int,
    outcome: Outcome,
    observed: Schema.Boolean,
    version: Schema.NullOr(Schema.Int),
    verdict: Json(Verdict),
    frozen: Json(Frozen),
    shadow: Json(Schema.Array(ShadowVerdict)),
    latencyMicros: Schema.Int,
    occurredAt: Column.Timestamp,
    recordedAt: Column.Timestamp
  },
  { uuid: ["decisionId", "signalId"] }
)

const pages = Page.make({
  list: "risk.decisions",
  key: Schema.Tuple([DecisionId]),
  keyOf: (decision: RiskDecision) => [decision.decisionId] as const
})

export const toDecisionId = Schema.decodeUnknownSync(DecisionId)

export const make = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(row.columns)

  const find = Effect.fnUntraced(function* (tenantId: string, decisionId: string) {
    const [found] = yield* sql`
      SELECT ${columns}
        FROM hm_risk_decision
       WHERE tenant_id = ${tenantId} AND decision_id = ${decisionId}::uuid
    `
    return found === undefined ? undefined : yield* row.decode(found)
  })

  const explain = Effect.fn("Risk.explain")(function* (decisionId: DecisionId) {
    const tenant = yield* Tenant
    const decision = yield* find(tenant.id, decisionId)
    return decision === undefined ? yield* new DecisionNotFound({ decisionId }) : decision
  })

  const list = Effect.fn("Risk.list")(function* (request: Page.Request) {
    const tenant = yield* Tenant
    const [before] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
    const rows = yield* sql`
      SELECT ${columns}
        FROM hm_risk_decision
       WHERE tenant_id = ${tenant.id} AND decision_id < ${before}::uuid
       ORDER BY decision_id DESC
       LIMIT ${Page.limitOf(request) + 1}
    `
    return yield* pages.page(yield* row.decodeAll(rows), request)
  })

  /** A label that is written again was known at the earliest of its times: no later fact takes it out of a figure of the past. */
  const writeLabels = (
    tenantId: string,
    labels: ReadonlyArray<{
      readonly kind: string
      readonly subject: string
      readonly label: string
      readonly availableAt: Date
    }>,
    now: Date
  ) => sql`
    INSERT INTO hm_risk_label AS existing (tenant_id, kind, subject, label, available_at, recorded_at)
    SELECT ${tenantId}, labelled.kind, labelled.subject, labelled.label, min(labelled.available_at), ${now}::timestamptz
      FROM unnest(
             ${labels.map(({ kind }) => kind)}::text[],
             ${labels.map(({ subject }) => subject)}::text[],
             ${labels.map(({ label }) => label)}::text[],
             ${labels.map(({ availableAt }) => availableAt.toISOString())}::timestamptz[]
           ) AS labelled (kind, subject, label, available_at)
     GROUP BY labelled.kind, labelled.subject, labelled.label
     -- In one order, so that two batches cannot wait for each other.
     ORDER BY labelled.kind, labelled.subject, labelled.label
        ON CONFLICT (tenant_id, kind, subject, label)
        DO UPDATE SET available_at = least(existing.available_at, excluded.available_at)
  `

  return { find, explain, list, writeLabels }
}
