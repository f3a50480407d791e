/**
 * Background work over all tenants: mutes that end at a time, and rows that are older than they are kept.
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { eventOf } from "./issueAlert.ts"

/** Events of a quarter. */
export const eventsKeepDays = 90
/** Feedback, check-ins and attachments. */
export const itemsKeepDays = 30

const dayMillis = 24 * 3_600_000
const roundLimit = "20 seconds"
/** Issues that are unmuted per turn of a tenant. */
const issuesMax = 200
/** Rows that one statement deletes: it holds their locks for a moment only. */
const rowsMax = 5_000
/** Statements per table and round. */
const roundsMax = 200

/** Ends the mutes whose time has come, and publishes each once. */
export const endMutes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Now.now
  const outbox = yield* Outbox.Outbox
  const due = yield* sql<{ readonly tenantId: string; readonly projectId: number }>`
    SELECT DISTINCT tenant_id AS "tenantId", project_id AS "projectId"
      FROM hm_error_issue
     WHERE status = 'muted' AND (mute ->> 'untilMillis')::float8 <= ${now.getTime()}
  `
  return yield* EachTenant.run({
    loop: "observability.mute.end",
    items: due,
    limit: roundLimit,
    turn: ({ projectId, tenantId }) =>
      sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`
            SELECT
              FROM hm_error_project
             WHERE tenant_id = ${tenantId} AND project_id = ${projectId}
               FOR NO KEY UPDATE
          `
          const ended = yield* sql<{
            readonly issueId: string
            readonly title: string
            readonly level: string
            readonly release: string | null
          }>`
            UPDATE hm_error_issue
               SET status = 'unresolved', mute = NULL, version = version + 1, updated_at = ${now}
             WHERE (tenant_id, issue_id) IN (
                   SELECT tenant_id, issue_id
                     FROM hm_error_issue
                    WHERE tenant_id = ${tenantId}
                      AND project_id = ${projectId}
                      AND status = 'muted'
                      AND merged_into IS NULL
                      AND (mute ->> 'untilMillis')::float8 <= ${now.getTime()}
                    LIMIT ${issuesMax}
                   )
            RETURNING issue_id::text AS "issueId", title, level, last_release AS release
          `
          const events = yield* Effect.forEach(ended, (issue) =>
            eventOf({ ...issue, projectId, change: "mute-ended", atMillis: now.getTime() })
          )
          if (events.length > 0) yield* outbox.publish(events)
          return { count: ended.length, hasMore: ended.length === issuesMax }
        })
      )
  })
})

/** Deletes keys, hours and counts of events that are no longer kept. */
export const prune = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Now.now
  const before = new Date(now.getTime() - eventsKeepDays * dayMillis)
  const inRounds = <E>(statement: Effect.Effect<ReadonlyArray<unknown>, E>) =>
    statement.pipe(
      Effect.repeat({ while: (rows) => rows.length === rowsMax, times: roundsMax }),
      Effect.asVoid
    )
  yield* inRounds(sql`
    DELETE FROM hm_error_event_key
     WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM hm_error_event_key
            WHERE received_at < ${before}
            LIMIT ${rowsMax}
           ))
    RETURNING 1
  `)
  yield* inRounds(sql`
    DELETE FROM hm_error_hour
     WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM hm_error_hour
            WHERE hour < ${before}
            LIMIT ${rowsMax}
           ))
    RETURNING 1
  `)
  yield* inRounds(sql`
    DELETE FROM hm_error_count
     WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM hm_error_count
            WHERE day < ${before.toISOString().slice(0, 10)}::date
            LIMIT ${rowsMax}
           ))
    RETURNING 1
  `)
  yield* inRounds(sql`
    DELETE FROM hm_error_check_in
     WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM hm_error_check_in
            WHERE started_at < ${new Date(now.getTime() - itemsKeepDays * dayMillis)}
            LIMIT ${rowsMax}
           ))
    RETURNING 1
  `)
  yield* inRounds(sql`
    DELETE FROM hm_error_missing_map
     WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM hm_error_missing_map
            WHERE received_at < ${before}
            LIMIT ${rowsMax}
           ))
    RETURNING 1
  `)
  yield* inRounds(sql`
    DELETE FROM hm_error_source_map
     WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM hm_error_source_map
            WHERE used_at < ${before}
            LIMIT ${rowsMax}
           ))
    RETURNING 1
  `)
  yield* inRounds(sql`
    DELETE FROM hm_error_bundle
     WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM hm_error_bundle
            WHERE updated_at < ${before}
            LIMIT ${rowsMax}
           ))
    RETURNING 1
  `)
  yield* inRounds(sql`
    DELETE FROM hm_error_chunk
     WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM hm_error_chunk
            WHERE recorded_at < ${new Date(now.getTime() - dayMillis)}
            LIMIT ${rowsMax}
           ))
    RETURNING 1
  `)
})
