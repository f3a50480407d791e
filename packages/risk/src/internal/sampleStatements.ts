/** Reads decisions with their labels, as samples to train on. */
import * as Column from "@hypermarket/core/Column"
import * as Page from "@hypermarket/core/Page"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { DecisionId, LabelName } from "../RiskDecision.ts"
import { RiskSample, type SampleRequest } from "../RiskSample.ts"

const Json = <A, I>(schema: Schema.Codec<A, I>) => Schema.Union([schema, Schema.fromJsonString(schema)])

const row = Row.make(
  RiskSample,
  {
    decisionId: DecisionId,
    recordedAt: Column.Timestamp,
    amount: Schema.NullOr(Schema.String),
    features: Json(Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Number]))),
    labels: Json(Schema.Array(Schema.Struct({ label: LabelName, availableAt: Schema.DateTimeUtcFromString })))
  },
  { uuid: ["decisionId"] }
)

const pages = Page.make({
  list: "risk.samples",
  key: Schema.Tuple([DecisionId]),
  keyOf: (sample: RiskSample) => [sample.decisionId] as const
})

export const make = (sql: SqlClient.SqlClient) => {
  const samples = Effect.fn("Risk.samples")(function* (request: SampleRequest) {
    const tenant = yield* Tenant
    const [before] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
    const rows = yield* sql`
      SELECT d.decision_id AS "decisionId", d.recorded_at AS "recordedAt", d.frozen ->> 'amount' AS amount,
             d.frozen -> 'features' AS features, known.labels
        FROM hm_risk_decision d
       CROSS JOIN LATERAL (
             SELECT coalesce(
                      jsonb_agg(
                        jsonb_build_object('label', l.label, 'availableAt', to_char(l.available_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))
                        ORDER BY l.label
                      ),
                      '[]'
                    ) AS labels
               FROM hm_risk_label l
              WHERE l.tenant_id = ${tenant.id}
                AND l.kind = d.kind
                AND l.subject = d.subject
             ) AS known
       WHERE d.tenant_id = ${tenant.id}
         AND d.decision_id < ${before}::uuid
         AND d.kind = ${request.kind}
         AND d.recorded_at >= ${DateTime.toDateUtc(request.from)}
         AND d.recorded_at < ${DateTime.toDateUtc(request.to)}
       ORDER BY d.decision_id DESC
       LIMIT ${Page.limitOf(request) + 1}
    `
    return yield* pages.page(yield* row.decodeAll(rows), request)
  })

  return { samples }
}
