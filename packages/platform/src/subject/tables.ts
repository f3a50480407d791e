/** The data of persons in the platform's tables but the log. */
import type * as SubjectData from "@hypermarket/core/SubjectData"
import * as SubjectTables from "@hypermarket/core/SubjectTables"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

const { columns, nothing, rows } = SubjectTables

/** Exports of the person. */
const related = Effect.fnUntraced(function* (subject: SubjectData.Subject) {
  const sql = yield* SqlClient
  const tenant = yield* Tenant
  const found = yield* sql<{ readonly requestId: string }>`
    SELECT request_id::text AS "requestId"
      FROM hm_platform_subject_request
     WHERE tenant_id = ${tenant.id} AND kind = 'export'
       AND subject ->> 'kind' = ${subject.kind} AND subject ->> 'id' = ${subject.id}
  `
  return { exports: found.map(({ requestId }) => requestId) }
})

const ofExport = { ids: [{ column: "request_id", of: "exports" }] }

const targeting = "the rule stays without the person"

export const subjectData = SubjectTables.make({
  related,
  tables: [
    rows("hm_platform_subject_part", ofExport),
    columns("hm_platform_subject_request", ofExport, {
      set: { subject: "null" },
      reason: "the receipt stays without the person"
    }),
    columns(
      "hm_platform_feature_version",
      { texts: ["actor", "definition"] },
      { set: { actor: "replaced", definition: "replaced" }, reason: targeting }
    ),
    columns(
      "hm_platform_flag_request",
      { texts: ["author", "approver", "steps", "description", "reason"] },
      {
        set: {
          author: "replaced",
          approver: "replaced",
          steps: "replaced",
          description: "null",
          reason: { expression: "CASE WHEN target.reason IS NULL THEN NULL ELSE 'erased' END" }
        },
        reason: "the change stays without the person"
      }
    ),
    columns(
      "hm_platform_feature_environment",
      { texts: ["definition"] },
      { set: { definition: "replaced" }, reason: targeting }
    ),
    columns(
      "hm_platform_flag_segment",
      { texts: ["condition"] },
      { set: { condition: "replaced" }, reason: targeting }
    ),
    columns(
      "hm_platform_feature",
      { texts: ["owner"] },
      { set: { owner: "null" }, reason: "the flag stays without its owner" }
    ),
    columns(
      "hm_platform_feature",
      { texts: ["archived_reason"] },
      {
        set: { archived_reason: { expression: "'erased'" } },
        reason: "the archived flag stays without the reason"
      }
    ),
    columns(
      "hm_platform_policy",
      { texts: ["definition"] },
      { set: { definition: "replaced" }, reason: targeting }
    ),
    columns(
      "hm_platform_policy_decision",
      { texts: ["reference", "channel", "category"] },
      {
        set: { reference: "null", channel: "null", category: "null" },
        reason: "the decision stays without the person"
      }
    ),
    columns(
      "hm_api_key",
      { texts: ["revoked_reason"] },
      { set: { revoked_reason: { expression: "'erased'" } }, reason: "the key stays without the reason" }
    ),
    nothing("hm_platform_flag_revision", "counters"),
    nothing("hm_platform_flag_usage", "counters"),
    nothing("hm_platform_flag_environment", "settings of environments"),
    nothing("hm_platform_policy_revision", "counters"),
    nothing("hm_platform_activity_key", "public keys of the installation"),
    nothing("hm_platform_activity_retention", "months of the installation's log that were dropped"),
    nothing("hm_api_key_use", "times of use"),
    nothing("hm_console_session", "sessions of operators, which expire"),
    nothing("hm_console_session_key", "keys of such sessions"),
    nothing("hm_console_code", "links of ten minutes"),
    // The last: keys refer to it.
    nothing("hm_tenant", "the account of the tenant")
  ]
})
