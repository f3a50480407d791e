/** The checks of doctor. */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { rulesHash } from "./versionBuild.ts"

export const versionsCheck = Check.make(
  "versions",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{
      readonly foreign: number
      readonly failed: number
      readonly held: number
      readonly stuck: number
      readonly outdated: number
    }>`
      SELECT (
             SELECT count(*)::int
               FROM hm_search_index i
               JOIN hm_search_index_version v ON v.tenant_id = i.tenant_id AND v.version_id = i.active_version
               JOIN pg_control_system() s ON v.system_identifier <> s.system_identifier::text
             ) AS foreign,
             -- Its rows are removed after a minute, but it stays the index's latest outcome.
             (SELECT count(*)::int
                FROM hm_search_index i
                JOIN hm_search_index_version a ON a.tenant_id = i.tenant_id AND a.version_id = i.active_version
               CROSS JOIN LATERAL (
                     SELECT v.status
                       FROM hm_search_index_version v
                      WHERE v.tenant_id = i.tenant_id AND v.index_name = i.index_name
                        AND v.recorded_at > a.recorded_at AND v.status <> 'retired'
                      ORDER BY v.recorded_at DESC
                      LIMIT 1) latest
               WHERE latest.status = 'failed') AS failed,
             (SELECT count(*)::int
                FROM hm_search_index_version
               WHERE status = 'ready' AND activates AND activated_at IS NULL) AS held,
             (SELECT count(*)::int
                FROM hm_search_index_version
               WHERE status IN ('building', 'validating')
                 AND coalesce(lease_until, recorded_at) < clock_timestamp() - interval '2 minutes') AS stuck,
             (SELECT count(*)::int
                FROM hm_search_index i
                JOIN hm_search_index_version v ON v.tenant_id = i.tenant_id AND v.version_id = i.active_version
               WHERE v.rules_hash IS DISTINCT FROM ${rulesHash}) AS outdated
    `
    const { failed, foreign, held, outdated, stuck } = row ?? {
      foreign: 0,
      failed: 0,
      held: 0,
      stuck: 0,
      outdated: 0
    }
    return [
      foreign > 0
        ? {
            status: "fail" as const,
            message: `${foreign} indexes came from another cluster and do not answer`,
            hint: "start a worker: it builds them again"
          }
        : { status: "ok" as const, message: "every active version was built in this cluster" },
      stuck > 0
        ? {
            status: "fail" as const,
            message: `${stuck} versions wait to be built`,
            hint: "start a worker: it builds them"
          }
        : { status: "ok" as const, message: "no build waits for a worker" },
      outdated > 0
        ? {
            status: "fail" as const,
            message: `${outdated} indexes were built by the rules of another release and do not answer`,
            hint: "start a worker of this release: it builds them again"
          }
        : { status: "ok" as const, message: "every active version was built by this release's rules" },
      failed > 0
        ? {
            status: "warn" as const,
            message: `the latest version of ${failed} indexes has failed`,
            hint: "read its failure: GET /v1/search/indexes/<name>/versions"
          }
        : { status: "ok" as const, message: "the latest version of no index has failed" },
      held > 0
        ? {
            status: "warn" as const,
            message: `${held} versions wait for a decision, since they did not pass a gate that warns`,
            hint: "read their gates, then activate with `despite`, or retire them"
          }
        : { status: "ok" as const, message: "no version is held back by a gate" }
    ]
  })
)

const pendingWarnMinutes = 15

export const popularityCheck = Check.make(
  "popularity",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const [row] = yield* sql<{ readonly minutes: number | null }>`
      SELECT extract(epoch FROM ${now}::timestamptz - min(recorded_at))::float8 / 60 AS minutes
        FROM hm_search_popularity_pending
    `
    const minutes = Math.round(row?.minutes ?? 0)
    return [
      minutes > pendingWarnMinutes
        ? {
            status: "warn" as const,
            message: `signals have waited for ${minutes} minutes to be counted`,
            hint: "start a worker: it counts them"
          }
        : { status: "ok" as const, message: "signals are counted" }
    ]
  })
)
