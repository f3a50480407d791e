/**
 * The checks of doctor: what was acknowledged and is not stored.
 */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Fs from "node:fs/promises"
import * as Settings from "../ObservabilitySettings.ts"

/** A worker translates within seconds. */
const pendingMillisMax = 5 * 60_000
/** A process drains its spool each second, and adopts that of another after 30. */
const spooledMillisMax = 10 * 60_000
/** Types of `statfs` whose files go with the machine or the container. */
const volatile = new Map([
  [0x01021994, "tmpfs"],
  [0x794c7630, "overlay"]
])

export const waiting = Check.make(
  "errors that wait for a worker",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const [row] = yield* sql<{ readonly events: number; readonly oldest: Date | null }>`
      SELECT count(*)::int AS events, min(received_at) AS oldest
        FROM hm_error_pending
    `
    const oldest = row?.oldest ?? now
    return [
      now.getTime() - oldest.getTime() < pendingMillisMax
        ? { status: "ok" as const, message: `${row?.events ?? 0} events wait for their source maps` }
        : {
            status: "fail" as const,
            message: `${row?.events ?? 0} events wait since ${oldest.toISOString()} for their source maps`,
            hint: "start a worker: it translates and stores them"
          }
    ]
  })
)

const dayMillis = 24 * 3_600_000

/**
 * Compares what was acknowledged as stored, by project and day, with the events that issues have of those days and those of
 * issues that were deleted. They change in one transaction.
 */
export const stored = Check.make(
  "errors that were acknowledged are stored",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const since = new Date(now.getTime() - dayMillis).toISOString().slice(0, 10)
    const rows = yield* sql<{ readonly days: number; readonly acknowledged: number; readonly found: number }>`
      WITH counted AS (
        SELECT tenant_id, project_id, day,
               sum(quantity) FILTER (WHERE outcome = 'stored') AS acknowledged,
               coalesce(sum(quantity) FILTER (WHERE outcome = 'removed'), 0) AS removed
          FROM hm_error_count
         WHERE day >= ${since}::date AND category = 'error'
         GROUP BY tenant_id, project_id, day
      ),
      seen AS (
        SELECT h.tenant_id, i.project_id, (h.hour AT TIME ZONE 'UTC')::date AS day, sum(h.events) AS events
          FROM hm_error_hour h
          JOIN hm_error_issue i ON i.tenant_id = h.tenant_id AND i.issue_id = h.issue_id
         WHERE h.hour >= ${`${since}T00:00:00Z`}::timestamptz
         GROUP BY h.tenant_id, i.project_id, 3
      )
      SELECT count(*) FILTER (WHERE c.acknowledged <> coalesce(s.events, 0) + c.removed)::int AS days,
             coalesce(sum(c.acknowledged), 0)::float8 AS acknowledged,
             coalesce(sum(s.events) + sum(c.removed), 0)::float8 AS found
        FROM counted c
        LEFT JOIN seen s ON s.tenant_id = c.tenant_id AND s.project_id = c.project_id AND s.day = c.day
       WHERE c.acknowledged IS NOT NULL
    `
    const { acknowledged = 0, days = 0, found = 0 } = rows[0] ?? {}
    return [
      days === 0
        ? {
            status: "ok" as const,
            message: `${acknowledged} errors of two days were acknowledged and are stored`
          }
        : {
            status: "fail" as const,
            message: `${acknowledged} errors of two days were acknowledged, and ${found} are stored`,
            hint: "compare the counts of the projects with their issues: rows were changed by hand, or lost with a disk"
          }
    ]
  })
)

/** Projects that doctor names. */
const projectsShown = 10

/** Names the projects whose events were acknowledged and then dropped: no release could store them. */
export const unstorable = Check.make(
  "errors that cannot be stored",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const since = new Date(now.getTime() - dayMillis).toISOString().slice(0, 10)
    const rows = yield* sql<{
      readonly tenantId: string
      readonly projectId: number
      readonly quantity: number
    }>`
      SELECT tenant_id AS "tenantId", project_id AS "projectId", sum(quantity)::float8 AS quantity
        FROM hm_error_count
       WHERE day >= ${since}::date
         AND outcome = 'dropped'
         AND reason = 'unstorable'
       GROUP BY tenant_id, project_id
       ORDER BY 3 DESC, tenant_id, project_id
       LIMIT ${projectsShown}
    `
    return rows.length === 0
      ? [{ status: "ok" as const, message: "every error of two days could be stored" }]
      : rows.map(({ projectId, quantity, tenantId }) => ({
          status: "warn" as const,
          message: `${quantity} errors of project ${projectId} of ${tenantId} were dropped as unstorable in two days`,
          hint: "look for the reason in the logs of API and worker, and report it: an SDK sent what this release cannot store"
        }))
  })
)

const read = async (folder: string) => {
  const names = (await Fs.readdir(folder)).filter((name) => name.endsWith(".spool")).toSorted()
  const { type } = await Fs.statfs(folder)
  return { files: names.length, oldestMillis: Number(names[0]?.split("_")[0] ?? Infinity), type }
}

export const spooled = Check.make(
  "errors in the spool",
  Effect.gen(function* () {
    const folder = yield* Effect.orDie(Settings.spool.config)
    if (folder === "") {
      return [
        {
          status: "warn" as const,
          message: "Errors are refused while the database is unavailable",
          hint: "set HM_OBSERVABILITY_SPOOL to a folder on a disk that stays"
        }
      ]
    }
    const now = yield* Now.now
    const found = yield* Effect.option(Effect.tryPromise(() => read(folder)))
    if (found._tag === "None") {
      return [
        {
          status: "fail" as const,
          message: `The spool ${folder} cannot be read`,
          hint: "make it a folder of mode 0700 of the user of API and worker"
        }
      ]
    }
    const { files, oldestMillis, type } = found.value
    const kind = volatile.get(type)
    return [
      now.getTime() - oldestMillis > spooledMillisMax
        ? {
            status: "fail" as const,
            message: `${files} files of acknowledged errors are not stored since ${new Date(oldestMillis).toISOString()}`,
            hint: "start an API or a worker with this spool, and read its log"
          }
        : { status: "ok" as const, message: `${files} files of acknowledged errors wait in the spool` },
      ...(kind === undefined
        ? []
        : [
            {
              status: "warn" as const,
              message: `The spool is on ${kind}: acknowledged errors are lost with the container`,
              hint: "mount a disk that stays"
            }
          ])
    ]
  })
)
