/**
 * Checks of `doctor` for the queues of a prefix.
 *
 * @since 0.1.0
 */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { type Tables, tablesOf } from "./internal/tables.ts"
import * as ServerClock from "./ServerClock.ts"

/** Age of the oldest runnable job from which the backlog is a warning: five minutes is no burst. */
const oldestWarnSeconds = 300
/** Age of a transaction from which its snapshot is a warning: dead rows of ten minutes slow claims. */
const snapshotWarnSeconds = 600
/** Dead rows per table from which autovacuum is a warning: they add milliseconds to a claim. */
const deadRowsWarn = 200_000

const backlog = (tables: Tables) =>
  Check.make(
    "backlog",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const now = yield* Now.now
      const [row] = yield* sql<{
        readonly depth: number
        readonly oldest: number | null
        readonly dead: number
      }>`
        SELECT count(*)::int AS depth, extract(epoch FROM ${now}::timestamptz - min(recorded_at))::float8 AS oldest,
               (SELECT count(*)::int FROM ${sql(tables.dead)}) AS dead
          FROM (
                SELECT recorded_at
                  FROM ${sql(tables.ready)}
                 WHERE ordering_key IS NULL
                UNION ALL
                SELECT recorded_at
                  FROM ${sql(tables.keyed)}) ready
      `
      const { dead, depth, oldest } = row ?? { depth: 0, oldest: null, dead: 0 }
      const message = `${depth} jobs are ready, the oldest for ${Math.round(oldest ?? 0)} s; ${dead} are dead`
      return [
        (oldest ?? 0) > oldestWarnSeconds
          ? { status: "warn" as const, message, hint: "Start a worker, or resume the paused queue" }
          : { status: "ok" as const, message }
      ]
    })
  )

const leases = (tables: Tables) =>
  Check.make(
    "leases",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [row] = yield* sql<{ readonly expired: number }>`
        SELECT count(*)::int AS expired
          FROM ${sql(tables.lease)}
         WHERE lease_until < clock_timestamp() - interval '10 seconds'
      `
      const expired = row?.expired ?? 0
      return [
        expired === 0
          ? { status: "ok" as const, message: "no lease has expired and stayed" }
          : {
              status: "fail" as const,
              message: `${expired} leases have expired`,
              hint: "Start a worker: no worker has reaped them for 10 s"
            }
      ]
    })
  )

/** Failures in a row from which a job is named: its backoff is over the first seconds. */
const failuresShown = 3
/** Maximum jobs that are named. */
const jobsShown = 5
/** Jobs that are looked at per table: those that are retried soonest. */
const jobsRead = 10_000

const failing = (tables: Tables) =>
  Check.make(
    "failing jobs",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql<{
        readonly tenantId: string
        readonly queue: string
        readonly jobId: string
        readonly attempt: number
        readonly error: string | null
      }>`
        SELECT tenant_id AS "tenantId", queue, job_id::text AS "jobId", attempt, errors -> -1 ->> 'error' AS error
          FROM (
               (SELECT tenant_id, queue, job_id, attempt, errors
                  FROM ${sql(tables.delayed)}
                 ORDER BY run_at
                 LIMIT ${jobsRead})
                UNION ALL
               (SELECT tenant_id, queue, job_id, attempt, errors
                  FROM ${sql(tables.keyed)}
                 LIMIT ${jobsRead})) jobs
         WHERE attempt >= ${failuresShown}
         ORDER BY attempt DESC, queue, job_id
         LIMIT ${jobsShown}
      `
      return rows.length === 0
        ? [{ status: "ok" as const, message: "no job has failed three times in a row" }]
        : rows.map(({ attempt, error, jobId, queue, tenantId }) => ({
            status: "warn" as const,
            message: `job ${jobId} of ${tenantId} in ${queue} failed ${attempt} times in a row: ${error ?? "no reason is stored"}`,
            hint: "it is tried again until its attempts are used up, and is in the dead-letter queue then"
          }))
    })
  )

/** Maximum reasons that are named. */
const reasonsShown = 20

const rejected = (tables: Tables) =>
  Check.make(
    "rejected jobs",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql<{
        readonly queue: string
        readonly reason: string
        readonly count: number
        readonly tenants: number
      }>`
        SELECT queue, rejected AS reason, count(*)::int AS count, count(DISTINCT tenant_id)::int AS tenants
          FROM ${sql(tables.dead)}
         WHERE rejected IS NOT NULL
         GROUP BY queue, rejected
         ORDER BY count(*) DESC, queue, rejected
         LIMIT ${reasonsShown}
      `
      return rows.length === 0
        ? [{ status: "ok" as const, message: "no handler has rejected a job" }]
        : rows.map(({ count, queue, reason, tenants }) => ({
            status: "warn" as const,
            message: `${queue} holds ${count} rejected jobs of ${tenants} tenants: ${reason}`,
            hint: "they are kept in its dead-letter queue until they are redriven or discarded"
          }))
    })
  )

/** Difference of the clocks from which due times of this process are wrong. */
const clock = Check.make(
  "clock",
  Effect.map(ServerClock.measure, (behindMillis) => {
    if (behindMillis === undefined) {
      return [{ status: "ok" as const, message: "the database was too busy to compare the clocks" }]
    }
    const seconds = Math.abs(behindMillis / 1_000).toFixed(1)
    return Math.abs(behindMillis) < ServerClock.toleranceMillis
      ? [{ status: "ok" as const, message: "the clock of this process is the database's" }]
      : [
          {
            status: "warn" as const,
            message: `the clock of this process is ${seconds} s ${behindMillis < 0 ? "ahead of" : "behind"} the database's`,
            hint: "synchronise both with NTP: processes go by the database's clock meanwhile, but their log has the wrong time"
          }
        ]
  })
)

const heldSnapshot = Check.make(
  "held snapshot",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const rows = yield* sql<{ readonly pid: number; readonly seconds: number }>`
      SELECT pid, extract(epoch FROM clock_timestamp() - xact_start)::int AS seconds
        FROM pg_stat_activity
       WHERE backend_xmin IS NOT NULL
         AND xact_start < clock_timestamp() - ${snapshotWarnSeconds} * interval '1 second'
         AND datname = current_database()
       ORDER BY xact_start
       LIMIT 5
    `
    return rows.length === 0
      ? [{ status: "ok" as const, message: "no transaction holds an old snapshot" }]
      : rows.map(({ pid, seconds }) => ({
          status: "warn" as const,
          message: `session ${pid} holds its snapshot for ${seconds} s`,
          hint: "End the session, or set HM_DATABASE_IDLE_TRANSACTION_TIMEOUT: dead rows stay until it ends, and claims get slower"
        }))
  })
)

const autovacuum = (tables: Tables) =>
  Check.make(
    "autovacuum",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const [server] = yield* sql<{ readonly isOn: boolean }>`
        SELECT current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean AS "isOn"
      `
      const rows = yield* sql<{ readonly name: string; readonly dead: number; readonly isSet: boolean }>`
        SELECT c.relname AS name, coalesce(s.n_dead_tup, 0)::float8 AS dead,
               coalesce(c.reloptions, '{}') @> ARRAY['autovacuum_vacuum_scale_factor=0']
               AND NOT coalesce(c.reloptions, '{}') @> ARRAY['autovacuum_enabled=false'] AS "isSet"
          FROM pg_class c
          LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
         WHERE c.oid = ANY (ARRAY[to_regclass(${tables.ready}), to_regclass(${tables.lease}), to_regclass(${tables.delayed})])
         ORDER BY 1
      `
      const findings: Array<Check.Finding> = []
      if (server?.isOn !== true) {
        findings.push({
          status: "fail",
          message: "autovacuum or track_counts is off",
          hint: "Turn both on: dead rows of the queue accumulate, and claims get slower"
        })
      }
      for (const { dead, isSet, name } of rows) {
        if (!isSet) {
          findings.push({
            status: "warn",
            message: `${name} has lost its autovacuum settings`,
            hint: "Set autovacuum_vacuum_scale_factor = 0 and a threshold again, as its migration does"
          })
        }
        if (dead > deadRowsWarn) {
          findings.push({
            status: "warn",
            message: `${name} has about ${dead} dead rows`,
            hint: "Look at the check `held snapshot`, and give autovacuum more workers"
          })
        }
      }
      return findings.length > 0
        ? findings
        : [{ status: "ok", message: "autovacuum keeps up with the queue" }]
    })
  )

/**
 * Returns the checks of the queues with a prefix: backlog, expired leases, failing and rejected jobs, the clock,
 * long-running transactions and autovacuum.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (prefix: string): ReadonlyArray<Check.Check> => {
  const tables = tablesOf(prefix)
  return [
    backlog(tables),
    leases(tables),
    failing(tables),
    rejected(tables),
    clock,
    heldSnapshot,
    autovacuum(tables)
  ]
}
