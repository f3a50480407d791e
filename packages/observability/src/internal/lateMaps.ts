/**
 * Serves stored events with a source map that came after them: their frames are translated, and the hashes that follow lead
 * to their issue.
 */
import * as Now from "@hypermarket/core/Now"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { GroupingRule } from "../GroupingRule.ts"
import type { SourceMap } from "./sourceMapFile.ts"
import type * as StoredEvent from "./storedEvent.ts"

const eventsMax = 100
/** A writer that found no map may commit its event this much later. */
const freshMillis = 60_000

interface Row {
  readonly projectId: number
  readonly debugId: string
  readonly logId: string
  readonly issueId: string | null
  readonly payload: Uint8Array | null
  readonly receivedAt: Date
}

type MapsOf = (
  wants: ReadonlyArray<{ readonly projectId: number; readonly debugId: string }>
) => Effect.Effect<(projectId: number) => (debugId: string) => SourceMap | undefined, SqlError>

type RulesOf = (
  tenantId: string
) => Effect.Effect<(projectId: number) => ReadonlyArray<GroupingRule>, SqlError>

type Translate = (
  data: Uint8Array,
  sourceMapOf: (debugId: string) => SourceMap | undefined,
  rules: ReadonlyArray<GroupingRule>
) => Effect.Effect<StoredEvent.Translation | undefined>

export const make = (sql: SqlClient.SqlClient) => ({
  serve: (tenantId: string, mapsOf: MapsOf, rulesOf: RulesOf, translate: Translate) =>
    transactionOf(sql)(
      Effect.gen(function* () {
        const now = yield* Now.now
        // The locks of the projects, as intake has them: hashes and issues do not change meanwhile.
        yield* sql`
          SELECT
            FROM hm_error_project
           WHERE tenant_id = ${tenantId}
             AND project_id IN (
                 SELECT unnest(project_ids)
                   FROM hm_error_source_map
                  WHERE tenant_id = ${tenantId} AND is_fresh
                 )
           ORDER BY project_id
             FOR NO KEY UPDATE
        `
        const rows = yield* sql<Row>`
          SELECT gap.project_id AS "projectId", gap.debug_id::text AS "debugId", gap.log_id::text AS "logId",
                 gap.received_at AS "receivedAt", l.issue_id::text AS "issueId", l.payload
            FROM hm_error_source_map m
            JOIN hm_error_missing_map gap ON gap.tenant_id = m.tenant_id
                                         AND gap.project_id = ANY (m.project_ids)
                                         AND gap.debug_id = m.debug_id
            LEFT JOIN hm_error_log l ON l.tenant_id = gap.tenant_id
                                    AND l.log_id = gap.log_id
                                    AND l.received_at = gap.received_at
           WHERE m.tenant_id = ${tenantId} AND m.is_fresh
           ORDER BY gap.project_id, gap.log_id
           LIMIT ${eventsMax}
        `
        if (rows.length === 0) {
          yield* sql`
            UPDATE hm_error_source_map
               SET is_fresh = false
             WHERE tenant_id = ${tenantId} AND is_fresh AND recorded_at < ${new Date(now.getTime() - freshMillis)}
          `
          return { count: 0, hasMore: false }
        }
        const maps = yield* mapsOf(rows)
        const rules = yield* rulesOf(tenantId)
        const served = (yield* Effect.forEach(rows, ({ issueId, logId, payload, projectId, receivedAt }) =>
          payload === null || issueId === null
            ? Effect.succeed([])
            : Effect.map(translate(payload, maps(projectId), rules(projectId)), (translation) =>
                translation === undefined ? [] : [{ ...translation, issueId, logId, projectId, receivedAt }]
              )
        )).flat()
        const hashes = served.flatMap(({ hashes: list, issueId, projectId }) =>
          list.map((hash) => ({ hash, issueId, projectId }))
        )
        yield* sql`
          WITH served (project_id, log_id, received_at, issue_id, title, culprit, data) AS (
            SELECT *
              FROM unnest(${served.map(({ projectId }) => projectId)}::int4[],
                          ${served.map(({ logId }) => logId)}::uuid[],
                          ${served.map(({ receivedAt }) => receivedAt)}::timestamptz[],
                          ${served.map(({ issueId }) => issueId)}::uuid[],
                          ${served.map(({ title }) => title)}::text[],
                          ${served.map(({ culprit }) => culprit ?? "")}::text[],
                          ${served.map(({ data }) => data)}::bytea[])
          ),
          translated AS (
            UPDATE hm_error_log l
               SET payload = served.data
              FROM served
             WHERE l.tenant_id = ${tenantId}
               AND l.log_id = served.log_id
               AND l.received_at = served.received_at
          ),
          -- The newest event of an issue names it.
          named AS (
            UPDATE hm_error_issue i
               SET culprit = coalesce(nullif(newest.culprit, ''), i.culprit), title = newest.title
              FROM (
                   SELECT DISTINCT ON (issue_id) issue_id, title, culprit
                     FROM served
                    ORDER BY issue_id, log_id DESC
                   ) newest
             WHERE i.tenant_id = ${tenantId}
               AND i.issue_id = newest.issue_id
          ),
          attached AS (
            INSERT INTO hm_error_hash (tenant_id, project_id, hash, issue_id, recorded_at)
            SELECT ${tenantId}, n.project_id, n.hash, n.issue_id, ${now}
              FROM unnest(${hashes.map(({ projectId }) => projectId)}::int4[],
                          ${hashes.map(({ hash }) => hash)}::text[],
                          ${hashes.map(({ issueId }) => issueId)}::uuid[]) AS n (project_id, hash, issue_id)
                ON CONFLICT (tenant_id, project_id, hash)
                DO NOTHING
          )
          DELETE FROM hm_error_missing_map g
           USING unnest(${rows.map(({ projectId }) => projectId)}::int4[],
                        ${rows.map(({ debugId }) => debugId)}::uuid[],
                        ${rows.map(({ logId }) => logId)}::uuid[]) AS done (project_id, debug_id, log_id)
           WHERE g.tenant_id = ${tenantId}
             AND g.project_id = done.project_id
             AND g.debug_id = done.debug_id
             AND g.log_id = done.log_id
        `
        return { count: rows.length, hasMore: rows.length === eventsMax }
      })
    )
})
