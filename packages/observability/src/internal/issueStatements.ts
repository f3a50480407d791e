/**
 * The statements of issues. All of them are for the tenant in the context.
 */
import * as Column from "@hypermarket/core/Column"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { type IssueFilter, IssueId } from "../Issue.ts"
import * as Columns from "./columns.ts"
import * as IssueRow from "./issueRow.ts"
import * as IssueState from "./issueState.ts"
import type { State } from "./lifecycle.ts"

/** Of the sparkline. */
const hoursShownMillis = 14 * 24 * 3_600_000
const tagsMax = 500
/** Values shown per tag. */
const tagValuesMax = 10
const mergesMax = 200

const decodeHours = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ hour: Column.Timestamp, events: Columns.Count }))
)
const decodeTags = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.String, events: Columns.Count }))
)
const decodeMerges = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      issueId: IssueId,
      reason: Schema.String,
      at: Column.Timestamp,
      undoneAt: Schema.NullOr(Column.Timestamp),
      undoneReason: Schema.NullOr(Schema.String)
    })
  )
)

/** A part of a text, not a pattern. */
const like = (part: string): string => `%${part.replaceAll(/[\\%_]/g, (mark) => `\\${mark}`)}%`

const orders = {
  "last seen": { key: "last_seen", cast: "timestamptz", last: Columns.lastInstant },
  events: { key: "event_count", cast: "int8", last: "9223372036854775807" },
  users: { key: "user_count", cast: "int8", last: "9223372036854775807" }
} as const

export const make = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(IssueRow.columns)
  const eventColumns = sql.literal(IssueRow.eventColumns)

  const ofTenant = <A, E, R>(statement: (tenantId: string) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(Tenant, ({ id }) => statement(id))

  /** The issue and those merged into it. */
  const group = (tenantId: string, issueId: string) => sql`
    SELECT g.issue_id
      FROM hm_error_issue g
     WHERE g.tenant_id = ${tenantId} AND (g.issue_id = ${issueId}::uuid OR g.merged_into = ${issueId}::uuid)
  `

  return {
    get: (issueId: string) =>
      ofTenant(
        (tenantId) => sql`
          SELECT ${columns}
            FROM hm_error_issue
           WHERE tenant_id = ${tenantId} AND issue_id = ${issueId}::uuid
        `
      ),

    list: (
      filter: IssueFilter,
      sort: keyof typeof orders,
      after: readonly [string, string] | undefined,
      limit: number
    ) =>
      ofTenant((tenantId) => {
        const { cast, key, last } = orders[sort]
        const [value, issueId] = after ?? [last, "ffffffff-ffff-ffff-ffff-ffffffffffff"]
        const conditions = [
          sql`tenant_id = ${tenantId}`,
          sql`merged_into IS NULL`,
          sql`(${sql.literal(key)}, issue_id) < (${value}::${sql.literal(cast)}, ${issueId}::uuid)`,
          ...(filter.status === undefined ? [] : [sql`status = ${filter.status}`]),
          ...(filter.projectId === undefined ? [] : [sql`project_id = ${filter.projectId}`]),
          ...(filter.release === undefined ? [] : [sql`${filter.release} IN (first_release, last_release)`]),
          ...(filter.query === undefined
            ? []
            : [sql`(title ILIKE ${like(filter.query)} OR culprit ILIKE ${like(filter.query)})`])
        ]
        return sql`
          SELECT ${columns}
            FROM hm_error_issue
           WHERE ${sql.and(conditions)}
           ORDER BY ${sql.literal(key)} DESC, issue_id DESC
           LIMIT ${limit}
        `
      }),

    hours: (issueId: string, now: Date) =>
      ofTenant((tenantId) =>
        Effect.flatMap(
          sql`
            SELECT hour, sum(events)::int8 AS events
              FROM hm_error_hour
             WHERE tenant_id = ${tenantId}
               AND issue_id IN (${group(tenantId, issueId)})
               AND hour > ${new Date(now.getTime() - hoursShownMillis)}
             GROUP BY hour
             ORDER BY hour
          `,
          (rows) => Effect.orDie(decodeHours(rows))
        )
      ),

    tags: (issueId: string) =>
      ofTenant((tenantId) =>
        Effect.flatMap(
          sql`
            SELECT name, value, events
              FROM (
                   SELECT name, value, sum(events)::int8 AS events,
                          row_number() OVER (PARTITION BY name ORDER BY sum(events) DESC, value) AS place
                     FROM hm_error_tag
                    WHERE tenant_id = ${tenantId} AND issue_id IN (${group(tenantId, issueId)})
                    GROUP BY name, value
                   ) counted
             WHERE place <= ${tagValuesMax}
             ORDER BY name, place
             LIMIT ${tagsMax}
          `,
          (rows) => Effect.orDie(decodeTags(rows))
        )
      ),

    merges: (issueId: string) =>
      ofTenant((tenantId) =>
        Effect.flatMap(
          sql`
            SELECT merged_id::text AS "issueId", reason, recorded_at AS at, undone_at AS "undoneAt",
                   undone_reason AS "undoneReason"
              FROM hm_error_merge
             WHERE tenant_id = ${tenantId} AND issue_id = ${issueId}::uuid
             ORDER BY merge_id DESC
             LIMIT ${mergesMax}
          `,
          (rows) => Effect.orDie(decodeMerges(rows))
        )
      ),

    events: (issueId: string, before: string, limit: number) =>
      ofTenant(
        (tenantId) => sql`
          SELECT ${eventColumns}, log_id::text AS "logId"
            FROM hm_error_log
           WHERE tenant_id = ${tenantId}
             AND issue_id IN (${group(tenantId, issueId)})
             AND log_id < ${before}::uuid
           ORDER BY log_id DESC
           LIMIT ${limit}
        `
      ),

    event: (projectId: number, eventId: string) =>
      ofTenant(
        (tenantId) => sql`
          SELECT l.event_id::text AS "eventId", l.issue_id::text AS "issueId", l.project_id AS "projectId", l.level, l.title,
                 l.release, l.environment, l.trace_id AS "traceId", l.occurred_at AS "occurredAt",
                 l.received_at AS "receivedAt", l.is_skewed AS "isSkewed", l.payload AS data
            FROM hm_error_event_key k
            JOIN hm_error_log l ON l.tenant_id = k.tenant_id
                               AND l.log_id = k.log_id
                               AND l.received_at = k.received_at
           WHERE k.tenant_id = ${tenantId} AND k.project_id = ${projectId} AND k.event_id = ${eventId}::uuid
        `
      ),

    /** Waits for intake and for other changes of the issue's project. */
    lockProjectOf: (issueId: string) =>
      ofTenant(
        (tenantId) => sql`
          SELECT
            FROM hm_error_project
           WHERE tenant_id = ${tenantId}
             AND project_id = (
                 SELECT project_id
                   FROM hm_error_issue
                  WHERE tenant_id = ${tenantId} AND issue_id = ${issueId}::uuid
                 )
             FOR NO KEY UPDATE
        `
      ),

    setState: (issueId: string, state: State, now: Date) =>
      ofTenant((tenantId) => {
        const { mute, resolution, status } = IssueState.encode(state)
        return sql`
          UPDATE hm_error_issue
             SET status = ${status},
                 resolution = ${resolution}::jsonb,
                 mute = ${mute}::jsonb,
                 version = version + 1,
                 updated_at = ${now}
           WHERE tenant_id = ${tenantId} AND issue_id = ${issueId}::uuid
        `
      }),

    assign: (issueId: string, assignee: string | null, now: Date) =>
      ofTenant(
        (tenantId) => sql`
          UPDATE hm_error_issue
             SET assignee = ${assignee},
                 version = version + 1,
                 updated_at = ${now}
           WHERE tenant_id = ${tenantId} AND issue_id = ${issueId}::uuid
        `
      ),

    releaseOf: (projectId: number, release: string) =>
      ofTenant(
        (tenantId) => sql<{ readonly firstSeen: Date }>`
          SELECT first_seen AS "firstSeen"
            FROM hm_error_release
           WHERE tenant_id = ${tenantId} AND project_id = ${projectId} AND release = ${release}
        `
      ),

    newestReleases: (projectId: number, limit: number) =>
      ofTenant(
        (tenantId) => sql<{ readonly release: string; readonly firstSeen: Date }>`
          SELECT release, first_seen AS "firstSeen"
            FROM hm_error_release
           WHERE tenant_id = ${tenantId} AND project_id = ${projectId}
           ORDER BY first_seen DESC
           LIMIT ${limit}
        `
      ),

    membersOf: (issueId: string) =>
      ofTenant((tenantId) =>
        Effect.map(
          sql<{ readonly issueId: string }>`
            SELECT issue_id::text AS "issueId"
              FROM hm_error_issue
             WHERE tenant_id = ${tenantId} AND merged_into = ${issueId}::uuid
          `,
          (rows) => rows.map((row) => row.issueId)
        )
      ),

    /** Adds an issue without members to another: counts, users, and the reason. */
    join: (issueId: string, mergedId: string, mergeId: string, reason: string, now: Date) =>
      ofTenant((tenantId) =>
        Effect.andThen(
          sql`
            INSERT INTO hm_error_user AS u (tenant_id, issue_id, user_key, is_own, merged)
            SELECT tenant_id, ${issueId}::uuid, user_key, false, 1
              FROM hm_error_user
             WHERE tenant_id = ${tenantId} AND issue_id = ${mergedId}::uuid
                ON CONFLICT (tenant_id, issue_id, user_key)
                DO UPDATE SET merged = u.merged + 1
          `,
          sql`
            WITH
            source AS (
              UPDATE hm_error_issue
                 SET merged_into = ${issueId}::uuid, version = version + 1, updated_at = ${now}
               WHERE tenant_id = ${tenantId} AND issue_id = ${mergedId}::uuid
              RETURNING event_count, sampled_count, first_seen, last_seen
            ),
            reason_row AS (
              INSERT INTO hm_error_merge (tenant_id, merge_id, issue_id, merged_id, reason, recorded_at)
              VALUES (${tenantId}, ${mergeId}::uuid, ${issueId}::uuid, ${mergedId}::uuid, ${reason}, ${now})
            )
            UPDATE hm_error_issue i
               SET event_count = i.event_count + s.event_count,
                   sampled_count = i.sampled_count + s.sampled_count,
                   user_count = (
                     SELECT count(*)
                       FROM hm_error_user u
                      WHERE u.tenant_id = ${tenantId} AND u.issue_id = ${issueId}::uuid
                   ),
                   first_seen = least(i.first_seen, s.first_seen),
                   last_seen = greatest(i.last_seen, s.last_seen),
                   version = i.version + 1,
                   updated_at = ${now}
              FROM source s
             WHERE i.tenant_id = ${tenantId} AND i.issue_id = ${issueId}::uuid
          `
        )
      ),

    /** Undoes {@link join}. The issue takes its events of the meantime along. */
    separate: (issueId: string, mergedId: string, reason: string, now: Date) =>
      ofTenant((tenantId) =>
        Effect.andThen(
          Effect.andThen(
            sql`
              UPDATE hm_error_user u
                 SET merged = u.merged - 1
                FROM hm_error_user m
               WHERE u.tenant_id = ${tenantId}
                 AND u.issue_id = ${issueId}::uuid
                 AND m.tenant_id = u.tenant_id
                 AND m.issue_id = ${mergedId}::uuid
                 AND m.user_key = u.user_key
            `,
            sql`
              DELETE FROM hm_error_user
               WHERE tenant_id = ${tenantId} AND issue_id = ${issueId}::uuid AND merged = 0 AND NOT is_own
            `
          ),
          sql`
            WITH
            source AS (
              UPDATE hm_error_issue
                 SET merged_into = NULL, version = version + 1, updated_at = ${now}
               WHERE tenant_id = ${tenantId} AND issue_id = ${mergedId}::uuid
              RETURNING event_count, sampled_count
            ),
            reason_row AS (
              UPDATE hm_error_merge
                 SET undone_at = ${now}, undone_reason = ${reason}
               WHERE tenant_id = ${tenantId}
                 AND issue_id = ${issueId}::uuid
                 AND merged_id = ${mergedId}::uuid
                 AND undone_at IS NULL
            )
            UPDATE hm_error_issue i
               SET event_count = i.event_count - s.event_count,
                   sampled_count = i.sampled_count - s.sampled_count,
                   user_count = (
                     SELECT count(*)
                       FROM hm_error_user u
                      WHERE u.tenant_id = ${tenantId} AND u.issue_id = ${issueId}::uuid
                   ),
                   version = i.version + 1,
                   updated_at = ${now}
              FROM source s
             WHERE i.tenant_id = ${tenantId} AND i.issue_id = ${issueId}::uuid
          `
        )
      ),

    /** Deletes an issue, its members, and all that is grouped under them. */
    remove: (issueId: string) =>
      ofTenant(
        (tenantId) => sql`
          WITH
          removed_group AS (${group(tenantId, issueId)}),
          hashes AS (
            DELETE FROM hm_error_hash
             WHERE tenant_id = ${tenantId} AND issue_id IN (SELECT issue_id FROM removed_group)
          ),
          events AS (
            DELETE FROM hm_error_log
             WHERE tenant_id = ${tenantId} AND issue_id IN (SELECT issue_id FROM removed_group)
          ),
          removed_events AS (
            INSERT INTO hm_error_count AS c (tenant_id, project_id, day, category, outcome, reason, quantity)
            SELECT h.tenant_id, i.project_id, (h.hour AT TIME ZONE 'UTC')::date, 'error', 'removed', '', sum(h.events)
              FROM hm_error_hour h
              JOIN hm_error_issue i ON i.tenant_id = h.tenant_id AND i.issue_id = h.issue_id
             WHERE h.tenant_id = ${tenantId} AND h.issue_id IN (SELECT issue_id FROM removed_group)
             GROUP BY h.tenant_id, i.project_id, 3
                ON CONFLICT (tenant_id, project_id, day, category, outcome, reason)
                DO UPDATE SET quantity = c.quantity + excluded.quantity
          ),
          hours AS (
            DELETE FROM hm_error_hour
             WHERE tenant_id = ${tenantId} AND issue_id IN (SELECT issue_id FROM removed_group)
          ),
          tags AS (
            DELETE FROM hm_error_tag
             WHERE tenant_id = ${tenantId} AND issue_id IN (SELECT issue_id FROM removed_group)
          ),
          users AS (
            DELETE FROM hm_error_user
             WHERE tenant_id = ${tenantId} AND issue_id IN (SELECT issue_id FROM removed_group)
          ),
          merges AS (
            DELETE FROM hm_error_merge
             WHERE tenant_id = ${tenantId} AND issue_id IN (SELECT issue_id FROM removed_group)
          )
          DELETE FROM hm_error_issue
           WHERE tenant_id = ${tenantId} AND issue_id IN (SELECT issue_id FROM removed_group)
        `
      )
  }
}
