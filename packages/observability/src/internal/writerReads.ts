/**
 * The statements with which the writer locks and reads what a batch concerns.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Columns from "./columns.ts"
import type { Entered, HashRow, ReleaseRow } from "./groupedBatch.ts"
import { hourOf, keyOf } from "./groupedBatch.ts"
import * as IssueState from "./issueState.ts"
import type { Hours } from "./lifecycle.ts"
import type { Submission } from "./submission.ts"

const weekMillis = 7 * 24 * 3_600_000

const date = (millis: number): Date => new Date(millis)

const IssueRow = Schema.Struct({
  tenantId: Schema.String,
  projectId: Schema.Int,
  hash: Schema.String,
  issueId: Schema.String,
  /** Null when the issue was deleted, as all that follows. */
  rootId: Schema.NullOr(Schema.String),
  title: Schema.NullOr(Schema.String),
  level: Schema.NullOr(Schema.String),
  status: Schema.NullOr(Schema.String),
  resolution: Schema.Unknown,
  mute: Schema.Unknown
})

const decodeClaimed = Schema.decodeUnknownSync(
  Schema.Struct({
    logIds: Schema.Array(Schema.String),
    hashes: Schema.Array(IssueRow),
    releases: Schema.Array(
      Schema.Struct({
        tenantId: Schema.String,
        projectId: Schema.Int,
        release: Schema.String,
        firstSeenMillis: Schema.Int
      })
    )
  })
)

export interface Claimed {
  /** Of the events that were not stored before. */
  readonly logIds: ReadonlyArray<string>
  readonly hashes: ReadonlyArray<HashRow>
  readonly releases: ReadonlyArray<ReleaseRow>
}

const hashRowOf = ({
  hash,
  issueId,
  level,
  mute,
  projectId,
  resolution,
  rootId,
  status,
  tenantId,
  title
}: typeof IssueRow.Type): HashRow => ({
  tenantId,
  projectId,
  hash,
  issueId,
  root:
    rootId === null
      ? undefined
      : {
          issueId: rootId,
          title: title ?? "",
          level: level ?? "",
          state: IssueState.decode({ status: status ?? "", resolution, mute })
        }
})

/** Texts of events, once for each project. */
const distinctOf = (entries: ReadonlyArray<Entered>, textsOf: (entry: Entered) => ReadonlyArray<string>) =>
  Array.from(
    new Map(
      entries.flatMap((entry) =>
        textsOf(entry).map((text) => {
          const { projectId, tenantId } = entry
          return [keyOf(tenantId, projectId, text), { tenantId, projectId, text }] as const
        })
      )
    ).values()
  )

export const make = (sql: SqlClient.SqlClient) => ({
  /**
   * Locks the open projects of the submissions, in one order. For a few events, planning the next statements takes longer
   * than running them: their plans are kept, and are plans by key also when they were made for empty tables.
   */
  lockProjects: (submissions: ReadonlyArray<Submission>) =>
    sql<{ readonly tenantId: string; readonly projectId: number }>`
      SELECT p.tenant_id AS "tenantId", p.project_id AS "projectId",
             set_config('plan_cache_mode', 'force_generic_plan', true),
             set_config('enable_seqscan', 'off', true),
             set_config('enable_hashjoin', 'off', true),
             set_config('enable_mergejoin', 'off', true)
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

  /** Ends the settings of {@link lockProjects}: plans that others share are not made with them. */
  endSettings: sql`
    SELECT set_config(name, reset_val, true)
      FROM pg_settings
     WHERE name IN ('plan_cache_mode', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin')
  `,

  /**
   * Claims the ids of events, and reads the issues of their hashes, the states of those that show them, and first sights of
   * their releases. Those that were stored before are not among the ids that are returned.
   */
  claim: (entries: ReadonlyArray<Entered>) => {
    if (entries.length === 0) return Effect.succeed<Claimed>({ logIds: [], hashes: [], releases: [] })
    const hashes = distinctOf(entries, ({ event }) => [...event.hashes, ...event.formerHashes])
    const releases = distinctOf(entries, ({ event }) => (event.release === null ? [] : [event.release]))
    return Effect.map(
      sql<{ readonly logIds: unknown; readonly hashes: unknown; readonly releases: unknown }>`
        WITH
        claimed AS (
          INSERT INTO hm_error_event_key (tenant_id, project_id, event_id, log_id, received_at)
          SELECT *
            FROM unnest(${entries.map(({ tenantId }) => tenantId)}::text[],
                        ${entries.map(({ projectId }) => projectId)}::int4[],
                        ${entries.map(({ event }) => event.eventId)}::uuid[],
                        ${entries.map(({ logId }) => logId)}::uuid[],
                        ${entries.map(({ event }) => date(event.receivedAtMillis))}::timestamptz[])
              ON CONFLICT (tenant_id, project_id, event_id)
              DO NOTHING
          RETURNING log_id
        ),
        found_hash AS (
          SELECT h.tenant_id AS "tenantId", h.project_id AS "projectId", h.hash, h.issue_id AS "issueId",
                 root.issue_id AS "rootId", root.title, root.level, root.status, root.resolution, root.mute
            FROM unnest(${hashes.map(({ tenantId }) => tenantId)}::text[],
                        ${hashes.map(({ projectId }) => projectId)}::int4[],
                        ${hashes.map(({ text }) => text)}::text[]) AS wanted (tenant_id, project_id, hash)
            JOIN hm_error_hash h ON h.tenant_id = wanted.tenant_id
                                AND h.project_id = wanted.project_id
                                AND h.hash = wanted.hash
            LEFT JOIN hm_error_issue home ON home.tenant_id = h.tenant_id AND home.issue_id = h.issue_id
            LEFT JOIN hm_error_issue root ON root.tenant_id = h.tenant_id
                                         AND root.issue_id = coalesce(home.merged_into, home.issue_id)
        ),
        found_release AS (
          SELECT r.tenant_id AS "tenantId", r.project_id AS "projectId", r.release,
                 floor(extract(epoch FROM r.first_seen) * 1000)::int8 AS "firstSeenMillis"
            FROM unnest(${releases.map(({ tenantId }) => tenantId)}::text[],
                        ${releases.map(({ projectId }) => projectId)}::int4[],
                        ${releases.map(({ text }) => text)}::text[]) AS wanted (tenant_id, project_id, release)
            JOIN hm_error_release r ON r.tenant_id = wanted.tenant_id
                                   AND r.project_id = wanted.project_id
                                   AND r.release = wanted.release
        )
        SELECT (SELECT coalesce(jsonb_agg(c.log_id), '[]') FROM claimed c) AS "logIds",
               (SELECT coalesce(jsonb_agg(h), '[]') FROM found_hash h) AS hashes,
               (SELECT coalesce(jsonb_agg(r), '[]') FROM found_release r) AS releases
      `,
      ([row]): Claimed => {
        const { hashes, logIds, releases } = decodeClaimed({
          logIds: Columns.jsonOf(row?.logIds),
          hashes: Columns.jsonOf(row?.hashes),
          releases: Columns.jsonOf(row?.releases)
        })
        return { logIds, releases, hashes: hashes.map(hashRowOf) }
      }
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
