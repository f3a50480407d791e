/**
 * The statements with which the writer locks and reads what a batch concerns.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Columns from "./columns.ts"
import type { Entered, HashRow, ReleaseRow } from "./groupedBatch.ts"
import { hourOf, keyOf } from "./groupedBatch.ts"
import * as IssueState from "./issueState.ts"
import type { Hours } from "./lifecycle.ts"
import type { Submission } from "./submission.ts"

const weekMillis = 7 * 24 * 3_600_000

const date = (millis: number): Date => new Date(millis)

interface IssueRow {
  readonly tenantId: string
  readonly projectId: number
  readonly hash: string
  readonly issueId: string
  readonly rootId: string | null
  readonly title: string
  readonly level: string
  readonly status: string
  readonly resolution: unknown
  readonly mute: unknown
}

export const make = (sql: SqlClient.SqlClient) => ({
  /** Locks the open projects of the submissions, in one order. */
  lockProjects: (submissions: ReadonlyArray<Submission>) =>
    sql<{ readonly tenantId: string; readonly projectId: number }>`
      SELECT p.tenant_id AS "tenantId", p.project_id AS "projectId"
        FROM hm_error_project p
       WHERE (p.tenant_id, p.project_id) IN (
             SELECT *
               FROM unnest(${submissions.map(({ tenantId }) => tenantId)}::text[],
                           ${submissions.map(({ projectId }) => projectId)}::int4[])
             )
         AND p.status = 'active'
       ORDER BY p.tenant_id, p.project_id
         FOR NO KEY UPDATE
    `,

  /** Claims the ids of events. Those that were stored before are not returned. */
  insertKeys: (entries: ReadonlyArray<Entered>) =>
    entries.length === 0
      ? Effect.succeed([])
      : sql<{ readonly logId: string }>`
          INSERT INTO hm_error_event_key (tenant_id, project_id, event_id, log_id, received_at)
          SELECT *
            FROM unnest(${entries.map(({ tenantId }) => tenantId)}::text[],
                        ${entries.map(({ projectId }) => projectId)}::int4[],
                        ${entries.map(({ event }) => event.eventId)}::uuid[],
                        ${entries.map(({ logId }) => logId)}::uuid[],
                        ${entries.map(({ event }) => date(event.receivedAtMillis))}::timestamptz[])
              ON CONFLICT (tenant_id, project_id, event_id)
              DO NOTHING
          RETURNING log_id::text AS "logId"
        `,

  /** The issues of the hashes, and the states of those that show them. */
  groupsOf: (entries: ReadonlyArray<Entered>) => {
    const hashes = new Map(
      entries.flatMap(({ event, projectId, tenantId }) =>
        [...event.hashes, ...event.formerHashes].map(
          (hash) => [keyOf(tenantId, projectId, hash), { tenantId, projectId, hash }] as const
        )
      )
    )
    const wanted = Array.from(hashes.values())
    if (wanted.length === 0) return Effect.succeed<ReadonlyArray<HashRow>>([])
    return Effect.map(
      sql<IssueRow>`
        SELECT h.tenant_id AS "tenantId", h.project_id AS "projectId", h.hash, h.issue_id::text AS "issueId",
               root.issue_id::text AS "rootId", root.title, root.level, root.status, root.resolution, root.mute
          FROM unnest(${wanted.map(({ tenantId }) => tenantId)}::text[],
                      ${wanted.map(({ projectId }) => projectId)}::int4[],
                      ${wanted.map(({ hash }) => hash)}::text[]) AS wanted (tenant_id, project_id, hash)
          JOIN hm_error_hash h ON h.tenant_id = wanted.tenant_id
                              AND h.project_id = wanted.project_id
                              AND h.hash = wanted.hash
          LEFT JOIN hm_error_issue home ON home.tenant_id = h.tenant_id AND home.issue_id = h.issue_id
          LEFT JOIN hm_error_issue root ON root.tenant_id = h.tenant_id
                                       AND root.issue_id = coalesce(home.merged_into, home.issue_id)
      `,
      (rows): ReadonlyArray<HashRow> =>
        rows.map(
          ({ hash, issueId, level, mute, projectId, resolution, rootId, status, tenantId, title }) => ({
            tenantId,
            projectId,
            hash,
            issueId,
            root:
              rootId === null
                ? undefined
                : {
                    issueId: rootId,
                    title,
                    level,
                    state: IssueState.decode({
                      status,
                      resolution: Columns.jsonOf(resolution),
                      mute: Columns.jsonOf(mute)
                    })
                  }
          })
        )
    )
  },

  /** First sights of the batch's releases. */
  releasesOf: (entries: ReadonlyArray<Entered>) => {
    const wanted = entries.filter(({ event }) => event.release !== null)
    if (wanted.length === 0) return Effect.succeed<ReadonlyArray<ReleaseRow>>([])
    return Effect.map(
      sql<{
        readonly tenantId: string
        readonly projectId: number
        readonly release: string
        readonly firstSeen: Date
      }>`
        SELECT r.tenant_id AS "tenantId", r.project_id AS "projectId", r.release, r.first_seen AS "firstSeen"
          FROM hm_error_release r
         WHERE (r.tenant_id, r.project_id, r.release) IN (
               SELECT *
                 FROM unnest(${wanted.map(({ tenantId }) => tenantId)}::text[],
                             ${wanted.map(({ projectId }) => projectId)}::int4[],
                             ${wanted.map(({ event }) => event.release)}::text[])
               )
      `,
      (rows): ReadonlyArray<ReleaseRow> =>
        rows.map(({ firstSeen, ...row }) => ({ ...row, firstSeenMillis: firstSeen.getTime() }))
    )
  },

  /** Events of the current hour, and the most of one hour in the week before, of issues muted until they escalate. */
  hoursOf: (rows: ReadonlyArray<HashRow>, entries: ReadonlyArray<Entered>) => {
    // Merged issues have one: counted for each of their hashes, its events would be too many.
    const roots = Array.from(
      new Map(
        rows.flatMap(({ root, tenantId }) =>
          root === undefined ? [] : [[keyOf(tenantId, root.issueId), { tenantId, issueId: root.issueId }]]
        )
      ).values()
    )
    if (roots.length === 0) return Effect.succeed<ReadonlyMap<string, Hours>>(new Map())
    const lastMillis = entries.reduce((last, { event }) => Math.max(last, event.receivedAtMillis), 0)
    const hour = date(hourOf(lastMillis))
    return Effect.map(
      sql<{
        readonly tenantId: string
        readonly issueId: string
        readonly current: number
        readonly highest: number
      }>`
        SELECT tenant_id AS "tenantId", root_id::text AS "issueId",
               coalesce(max(events) FILTER (WHERE hour = ${hour}), 0)::int8::float8 AS current,
               coalesce(max(events) FILTER (WHERE hour < ${hour}), 0)::int8::float8 AS highest
          FROM (
               SELECT wanted.tenant_id, wanted.issue_id AS root_id, h.hour, sum(h.events) AS events
                 FROM unnest(${roots.map(({ tenantId }) => tenantId)}::text[],
                             ${roots.map(({ issueId }) => issueId)}::uuid[]) AS wanted (tenant_id, issue_id)
                 JOIN hm_error_issue i ON i.tenant_id = wanted.tenant_id
                                      AND (i.issue_id = wanted.issue_id OR i.merged_into = wanted.issue_id)
                 JOIN hm_error_hour h ON h.tenant_id = i.tenant_id
                                     AND h.issue_id = i.issue_id
                                     AND h.hour >= ${date(hour.getTime() - weekMillis)}
                GROUP BY wanted.tenant_id, wanted.issue_id, h.hour
               ) hours
         GROUP BY tenant_id, root_id
      `,
      (found): ReadonlyMap<string, Hours> =>
        new Map(
          found.map(({ current, highest, issueId, tenantId }) => [
            keyOf(tenantId, issueId),
            { current, highest }
          ])
        )
    )
  }
})
