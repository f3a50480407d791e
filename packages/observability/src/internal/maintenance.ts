/**
 * Background work over all tenants: mutes that end at a time, and rows that are older than they are kept.
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { eventOf } from "./issueAlert.ts"
import * as UnreadableRow from "./unreadableRow.ts"

/** Events of a quarter. */
export const eventsKeepDays = 90
/** Feedback, check-ins and attachments. */
export const itemsKeepDays = 30

const dayMillis = 24 * 3_600_000
const roundLimit = "20 seconds"
/** Issues that are unmuted per turn of a tenant. */
const issuesMax = 200
/** Rows of a table that one statement deletes: it holds their locks for a moment only. */
const rowsMax = 5_000
/** Statements per round. */
const roundsMax = 200

const mutesUnread = "observability.mute.read"

/** Records the tenants with a mute whose end is no instant: it never comes. */
const recordUnread = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tenants = yield* sql<{ readonly tenantId: string; readonly issueId: string | null }>`
    SELECT tenant_id AS "tenantId", min(issue_id::text) AS "issueId"
      FROM (
           SELECT tenant_id, issue_id
             FROM hm_error_issue
            WHERE status = 'muted' AND jsonb_typeof(mute -> 'untilMillis') NOT IN ('number', 'null')
            UNION ALL
           SELECT tenant_id, NULL
             FROM hm_loop_failure
            WHERE loop = ${mutesUnread}
           ) tenants
     GROUP BY tenant_id
  `
  yield* UnreadableRow.record(
    mutesUnread,
    tenants.map(({ issueId, tenantId }) => ({
      tenantId,
      row: issueId === null ? undefined : `the end of the mute of issue ${issueId}`
    }))
  )
})

/** Ends the mutes whose time has come, and publishes each once. */
export const endMutes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Now.now
  const outbox = yield* Outbox.Outbox
  // The cast of one tenant's text would fail the statement over all tenants.
  const isOver = sql`
    CASE WHEN jsonb_typeof(mute -> 'untilMillis') = 'number'
         THEN (mute ->> 'untilMillis')::numeric <= ${now.getTime()}::float8::numeric
         ELSE false
    END
  `
  const due = yield* sql<{ readonly tenantId: string; readonly projectId: number }>`
    SELECT DISTINCT tenant_id AS "tenantId", project_id AS "projectId"
      FROM hm_error_issue
     WHERE status = 'muted' AND ${isOver}
  `
  yield* EachTenant.run({
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
                      AND ${isOver}
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
  yield* recordUnread
})

/** Deletes rows that are older than they are kept: of all tables in one statement, a few thousand rows of each. */
const pruneOnce = Effect.fnUntraced(function* (now: Date) {
  const sql = yield* SqlClient.SqlClient
  const daysAgo = (days: number) => new Date(now.getTime() - days * dayMillis)
  const events = daysAgo(eventsKeepDays)
  const deleteFrom = (table: string, condition: Fragment) => sql`
    DELETE FROM ${sql(table)}
     WHERE ctid = ANY (ARRAY(
           SELECT ctid
             FROM ${sql(table)}
            WHERE ${condition}
            LIMIT ${rowsMax}
           ))
    RETURNING 1
  `
  const [row] = yield* sql<{ readonly isFull: boolean }>`
    WITH event_keys AS (${deleteFrom("hm_error_event_key", sql`received_at < ${events}`)}),
         hours AS (${deleteFrom("hm_error_hour", sql`hour < ${events}`)}),
         counts AS (${deleteFrom("hm_error_count", sql`day < ${events.toISOString().slice(0, 10)}::date`)}),
         check_ins AS (${deleteFrom("hm_error_check_in", sql`started_at < ${daysAgo(itemsKeepDays)}`)}),
         missing_maps AS (${deleteFrom("hm_error_missing_map", sql`received_at < ${events}`)}),
         source_maps AS (${deleteFrom("hm_error_source_map", sql`used_at < ${events}`)}),
         bundles AS (${deleteFrom("hm_error_bundle", sql`updated_at < ${events}`)}),
         chunks AS (${deleteFrom("hm_error_chunk", sql`recorded_at < ${daysAgo(1)}`)})
    SELECT greatest((SELECT count(*) FROM event_keys),
                    (SELECT count(*) FROM hours),
                    (SELECT count(*) FROM counts),
                    (SELECT count(*) FROM check_ins),
                    (SELECT count(*) FROM missing_maps),
                    (SELECT count(*) FROM source_maps),
                    (SELECT count(*) FROM bundles),
                    (SELECT count(*) FROM chunks)) = ${rowsMax} AS "isFull"
  `
  return row?.isFull === true
})

/** Deletes what is no longer kept. */
export const prune = Effect.gen(function* () {
  const now = yield* Now.now
  yield* pruneOnce(now).pipe(Effect.repeat({ while: (isFull) => isFull, times: roundsMax }))
})
