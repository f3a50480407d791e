/**
 * Events as a domain.
 *
 * @since 0.1.0
 */
import * as Check from "@hypermarket/core/Check"
import * as Domain from "@hypermarket/core/Domain"
import { now } from "@hypermarket/core/Now"
import type { Outbox } from "@hypermarket/core/Outbox"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/core/WorkQueue"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { EventQueues } from "./EventQueue.ts"
import * as Events from "./Events.ts"
import { migrations } from "./EventsMigrations.ts"
import { EventSubscriptions } from "./EventSubscription.ts"
import { JobSchedules } from "./JobScheduler.ts"

const oldestWarnSeconds = 300
const xminAgeWarnSeconds = 600
/** Claims through that many dead rows take milliseconds more. */
const deadRowsWarn = 200_000

const backlog = Check.make(
  "backlog",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const moment = yield* now
    const [row] = yield* sql<{
      readonly depth: number
      readonly oldest: number | null
      readonly dead: number
    }>`
      SELECT count(*)::int AS depth, extract(epoch FROM ${moment}::timestamptz - min(recorded_at))::float8 AS oldest,
             (SELECT count(*)::int FROM hm_event_dead) AS dead
        FROM (SELECT recorded_at FROM hm_event_queue WHERE ordering_key IS NULL
              UNION ALL
              SELECT recorded_at FROM hm_event_keyed) ready
    `
    const { dead, depth, oldest } = row ?? { depth: 0, oldest: null, dead: 0 }
    const message = `${depth} jobs are ready, the oldest for ${Math.round(oldest ?? 0)} s; ${dead} are dead`
    return [
      (oldest ?? 0) > oldestWarnSeconds
        ? { status: "warn" as const, message, hint: "is a worker running, and is a queue paused?" }
        : { status: "ok" as const, message }
    ]
  })
)

const leases = Check.make(
  "leases",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly expired: number }>`
      SELECT count(*)::int AS expired FROM hm_event_lease WHERE lease_until < clock_timestamp() - interval '10 seconds'
    `
    const expired = row?.expired ?? 0
    return [
      expired === 0
        ? { status: "ok" as const, message: "no lease has expired and stayed" }
        : {
            status: "fail" as const,
            message: `${expired} leases have expired`,
            hint: "no worker is running to take them back"
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
       WHERE backend_xmin IS NOT NULL AND xact_start < clock_timestamp() - ${xminAgeWarnSeconds} * interval '1 second'
         AND datname = current_database()
       ORDER BY xact_start LIMIT 5
    `
    return rows.length === 0
      ? [{ status: "ok" as const, message: "no transaction holds an old snapshot" }]
      : rows.map(({ pid, seconds }) => ({
          status: "warn" as const,
          message: `session ${pid} holds its snapshot for ${seconds} s`,
          hint: "dead rows stay until it ends, and claims get slower: end it, or set HM_DATABASE_IDLE_TRANSACTION_TIMEOUT"
        }))
  })
)

const autovacuum = Check.make(
  "autovacuum",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [server] = yield* sql<{ readonly isOn: boolean }>`
      SELECT current_setting('autovacuum')::boolean AND current_setting('track_counts')::boolean AS "isOn"
    `
    const tables = yield* sql<{ readonly name: string; readonly dead: number; readonly isSet: boolean }>`
      SELECT c.relname AS name, coalesce(s.n_dead_tup, 0)::float8 AS dead,
             coalesce(c.reloptions, '{}') @> ARRAY['autovacuum_vacuum_scale_factor=0']
             AND NOT coalesce(c.reloptions, '{}') @> ARRAY['autovacuum_enabled=false'] AS "isSet"
        FROM pg_class c
        LEFT JOIN pg_stat_user_tables s ON s.relid = c.oid
       WHERE c.oid = ANY (ARRAY[to_regclass('hm_event_queue'), to_regclass('hm_event_lease'), to_regclass('hm_event_delayed')])
       ORDER BY 1
    `
    const findings: Array<Check.Finding> = []
    if (server?.isOn !== true) {
      findings.push({
        status: "fail",
        message: "autovacuum or track_counts is off",
        hint: "dead rows of the queue pile up and claims get slower: set both on"
      })
    }
    for (const { dead, isSet, name } of tables) {
      if (!isSet) {
        findings.push({
          status: "warn",
          message: `${name} has lost its autovacuum settings`,
          hint: "its migration sets autovacuum_vacuum_scale_factor = 0 and a threshold: set them again"
        })
      }
      if (dead > deadRowsWarn) {
        findings.push({
          status: "warn",
          message: `${name} has about ${dead} dead rows`,
          hint: "autovacuum does not keep up, or an old snapshot holds it back: see `held snapshot`"
        })
      }
    }
    return findings.length > 0 ? findings : [{ status: "ok", message: "autovacuum keeps up with the queue" }]
  })
)

/**
 * @category domains
 * @since 0.1.0
 */
export const domain: Domain.Domain = Domain.make({
  name: "events",
  migrations,
  checks: [backlog, leases, heldSnapshot, autovacuum],
  partitions: WorkQueue.partitions(Events.prefix)
})

/**
 * The services of this package, and core's `Outbox`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  Events.Events | EventSubscriptions | EventQueues | JobSchedules | Outbox,
  never,
  SqlClient.SqlClient | Wakeup
> = Layer.mergeAll(
  EventSubscriptions.layer,
  EventQueues.layer,
  JobSchedules.layer,
  Layer.provideMerge(Events.layerOutbox, Events.Events.layer)
)
