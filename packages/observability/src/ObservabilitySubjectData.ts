/**
 * The data of persons in errors: events of the person, and events of others that name the person. Issues and counts stay.
 *
 * @since 0.1.0
 */
import * as SubjectData from "@hypermarket/core/SubjectData"
import * as SubjectTables from "@hypermarket/core/SubjectTables"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as CompressedItems from "./internal/compressedItems.ts"
import { userKeyOf } from "./internal/storedEvent.ts"

const { columns, nothing, rows } = SubjectTables

/** The hashes of the person, and the events under them. */
const related = Effect.fnUntraced(function* (subject: SubjectData.Subject) {
  const sql = yield* SqlClient
  const tenant = yield* Tenant
  const user = [subject.id, ...subject.identifiers.map(({ value }) => value)].map((name) =>
    userKeyOf(tenant.id, name)
  )
  const found = yield* sql<{ readonly logId: string }>`
    SELECT log_id::text AS "logId"
      FROM hm_error_log
     WHERE tenant_id = ${tenant.id} AND user_key = ANY (${user}::text[])
  `
  return { user, log: found.map(({ logId }) => logId) }
})

const ofUser = { ids: [{ column: "user_key", of: "user" }], indexed: true }

const tables = SubjectTables.make({
  related,
  tables: [
    rows("hm_error_event_key", { ids: [{ column: "log_id", of: "log" }] }),
    rows("hm_error_log", ofUser),
    rows("hm_error_user", ofUser),
    rows("hm_error_pending", ofUser),
    nothing("hm_error_missing_map", "ids of events"),
    nothing("hm_error_monitor", "tasks of the tenant"),
    nothing("hm_error_check_in", "runs of the tenant's tasks"),
    nothing("hm_error_chunk", "uploads of the tenant's code"),
    nothing("hm_error_bundle", "uploads of the tenant's code"),
    nothing("hm_error_source_map", "the tenant's code"),
    rows("hm_error_tag", { texts: ["value"] }),
    columns(
      "hm_error_issue",
      { texts: ["title", "culprit"] },
      {
        set: { title: { expression: "'erased'" }, culprit: "null" },
        reason: "the issue stays without its title"
      }
    ),
    columns(
      "hm_error_issue",
      { texts: ["assignee"] },
      { set: { assignee: "null" }, reason: "the issue stays without its assignee" }
    ),
    columns(
      "hm_error_merge",
      { texts: ["reason", "undone_reason"] },
      {
        set: { reason: { expression: "'erased'" }, undone_reason: "null" },
        reason: "the merge stays without its reason"
      }
    ),
    nothing("hm_error_item", "looked at with the compressed events"),
    nothing("hm_error_hash", "groups of events"),
    nothing("hm_error_hour", "counts"),
    nothing("hm_error_count", "counts"),
    nothing("hm_error_release", "releases of the tenant's code"),
    nothing("hm_error_project", "configuration of the tenant")
  ]
})

/**
 * Finds, exports and erases a person in the tables of errors.
 *
 * @category domains
 * @since 0.1.0
 */
export const subjectData = SubjectData.join([
  tables,
  CompressedItems.make({ table: "hm_error_log", key: ["log_id", "received_at"] }),
  CompressedItems.make({ table: "hm_error_pending", key: ["pending_id"] }),
  CompressedItems.make({ table: "hm_error_item", key: ["project_id", "item_id", "received_at"] })
])
