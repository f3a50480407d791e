/** Reads decisions with their labels, as samples to train on. */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
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

/** Microseconds since 1970, as Postgres keeps them: cut to milliseconds, a page would skip the rest of its last one. */
const Micros = BoundedInt.PositiveSafeInt

interface Placed {
  readonly micros: number
  readonly sample: RiskSample
}

const pages = Page.make({
  list: "risk.samples",
  key: Schema.Tuple([Micros, DecisionId]),
  keyOf: ({ micros, sample }: Placed) => [micros, sample.decisionId] as const
})

const microsOf = (at: DateTime.DateTime): number =>
  Math.min(DateTime.toEpochMillis(at) * 1_000, Number.MAX_SAFE_INTEGER)

/** Reads the samples before a place, newest first. All of them are in one range of an index. */
export const samplesBefore = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  request: Pick<SampleRequest, "from" | "to" | "kind">,
  [micros, decisionId]: readonly [number, string],
  limit: number
) => sql`
  SELECT d.decision_id AS "decisionId", d.recorded_at AS "recordedAt", d.frozen ->> 'amount' AS amount,
         d.frozen -> 'features' AS features, known.labels,
         (extract(epoch FROM d.recorded_at) * 1000000)::bigint::text AS micros
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
          WHERE l.tenant_id = ${tenantId}
            AND l.kind = d.kind
            AND l.subject = d.subject
         ) AS known
   WHERE d.tenant_id = ${tenantId}
     AND d.kind = ${request.kind}
     AND d.recorded_at >= ${DateTime.toDateUtc(request.from)}
     AND d.recorded_at < ${DateTime.toDateUtc(request.to)}
     AND (d.recorded_at, d.decision_id)
         < (timestamptz 'epoch' + ${micros}::bigint * interval '1 microsecond', ${decisionId}::uuid)
   ORDER BY d.recorded_at DESC, d.decision_id DESC
   LIMIT ${limit}
`

const decodeMicros = Schema.decodeUnknownEffect(Schema.Struct({ micros: Schema.NumberFromString }))

export const make = (sql: SqlClient.SqlClient) => {
  const samples = Effect.fn("Risk.samples")(function* (request: SampleRequest) {
    const tenant = yield* Tenant
    const before = Option.getOrElse(
      yield* pages.after(request),
      () => [microsOf(request.to), Page.firstUuid] as const
    )
    const rows = yield* samplesBefore(sql, tenant.id, request, before, Page.limitOf(request) + 1)
    const placed = yield* Effect.forEach(rows, (each) =>
      Effect.all({
        sample: row.decode(each),
        micros: Effect.map(Effect.orDie(decodeMicros(each)), ({ micros }) => micros)
      })
    )
    const { items, nextCursor } = yield* pages.page(placed, request)
    return { items: items.map(({ sample }) => sample), nextCursor }
  })

  return { samples }
}
