/** Statements on the log of decisions. */
import * as Column from "@hypermarket/core/Column"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"

/** A row as it is inserted. */
export interface Row {
  readonly tenantId: string
  readonly decidedAt: string
  readonly decisionId: string
  readonly lastDecidedAt: string
  readonly decisions: number
  readonly action: string
  readonly region: string | null
  readonly channel: string | null
  readonly category: string | null
  readonly reference: string | null
  readonly inForceAt: string | null
  readonly knownAt: string | null
  readonly effect: "allow" | "deny"
  readonly undetermined: boolean
  readonly requires: ReadonlyArray<string>
  /** JSON; null when the decision has none. The text `null` is a value. */
  readonly value: string | null
  readonly because: ReadonlyArray<{
    readonly policyId: string
    readonly policyKey: string
    readonly version: number
  }>
  readonly installationRevision: string
  readonly tenantRevision: string
}

const Stored = Schema.Struct({
  decisionId: Schema.String,
  decidedAt: Column.Timestamp,
  lastDecidedAt: Column.Timestamp,
  decisions: Schema.Int,
  action: Schema.String,
  region: Schema.NullOr(Schema.String),
  channel: Schema.NullOr(Schema.String),
  category: Schema.NullOr(Schema.String),
  reference: Schema.NullOr(Schema.String),
  inForceAt: Schema.NullOr(Column.Timestamp),
  knownAt: Schema.NullOr(Column.Timestamp),
  effect: Schema.Literals(["allow", "deny"]),
  undetermined: Schema.Boolean,
  requires: Schema.fromJsonString(Schema.Array(Schema.String)),
  /** The value in a list, which is empty when there is none. */
  value: Schema.fromJsonString(Schema.Array(Schema.Json)),
  because: Schema.fromJsonString(
    Schema.Array(Schema.Struct({ policyId: Schema.String, policyKey: Schema.String, version: Schema.Int }))
  ),
  installationRevision: Schema.String,
  tenantRevision: Schema.String,
  isMatch: Schema.Boolean,
  isLast: Schema.Boolean
})

export type Stored = typeof Stored.Type

export interface Position {
  readonly decidedAt: Date
  readonly decisionId: string
}

export interface Filter {
  readonly action: string | null
  readonly effect: string | null
  readonly policyKey: string | null
  readonly reference: string | null
}

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Stored))

/** Rows that one page examines: a filter without matches ends there, and the next page goes on. */
const examinedMax = 10_000

export const make = (sql: SqlClient.SqlClient) => {
  const insert = (rows: ReadonlyArray<Row>) => sql`
    INSERT INTO hm_platform_policy_decision (tenant_id, decided_at, decision_id, last_decided_at, decisions, action, region, channel,
                                             category, reference, in_force_at, known_at, effect, undetermined, requires, value,
                                             because, installation_revision, tenant_revision)
    SELECT "tenantId", "decidedAt", "decisionId", "lastDecidedAt", decisions, action, region, channel, category, reference,
           "inForceAt", "knownAt", effect, undetermined, requires, value::json, because, "installationRevision", "tenantRevision"
      FROM json_to_recordset(${JSON.stringify(rows)}::text::json)
             AS decided ("tenantId" text, "decidedAt" timestamptz, "decisionId" uuid, "lastDecidedAt" timestamptz, decisions bigint,
                         action text, region text, channel text, category text, reference text, "inForceAt" timestamptz,
                         "knownAt" timestamptz, effect text, undetermined boolean, requires json, value text, because json,
                         "installationRevision" bigint, "tenantRevision" bigint)
        -- One that was committed though its answer was lost.
        ON CONFLICT DO NOTHING
  `

  /** Rows before a position, the newest first. The last one that was examined is there too, marked, when more may follow. */
  const list = Effect.fnUntraced(function* (
    tenantId: string,
    before: Position | undefined,
    filter: Filter,
    limit: number
  ) {
    const position =
      before === undefined
        ? sql``
        : sql`AND (decided_at, decision_id) < (${before.decidedAt}::timestamptz, ${before.decisionId}::uuid)`
    // By its index: the rows of a reference are few.
    const reference = filter.reference === null ? sql`` : sql`AND reference = ${filter.reference}`
    const rows = yield* sql`
      WITH examined AS (
        SELECT *, row_number() OVER (ORDER BY decided_at DESC, decision_id DESC)::int AS place
          FROM hm_platform_policy_decision
         WHERE tenant_id = ${tenantId}
               ${reference}
               ${position}
         ORDER BY decided_at DESC, decision_id DESC
         LIMIT ${examinedMax}
      ),
      marked AS (
        SELECT *, (${filter.action}::text IS NULL OR action = ${filter.action})
                  AND (${filter.effect}::text IS NULL OR effect = ${filter.effect})
                  AND (${filter.policyKey}::text IS NULL
                       OR because::jsonb @> jsonb_build_array(jsonb_build_object('policyKey', ${filter.policyKey}::text)))
                  AS is_match
          FROM examined
      )
      SELECT decision_id::text AS "decisionId", decided_at AS "decidedAt", last_decided_at AS "lastDecidedAt",
             decisions::float8 AS decisions, action, region, channel, category, reference, in_force_at AS "inForceAt",
             known_at AS "knownAt", effect, undetermined, requires::text AS requires, CASE WHEN value IS NULL THEN '[]' ELSE '[' || value || ']' END AS value,
             because::text AS because, installation_revision::text AS "installationRevision",
             tenant_revision::text AS "tenantRevision", is_match AS "isMatch", place = ${examinedMax} AS "isLast"
        FROM marked
       WHERE is_match OR place = ${examinedMax}
       ORDER BY place
       LIMIT ${limit}
    `
    return yield* Effect.orDie(decodeRows(rows))
  })

  return { insert, list }
}
