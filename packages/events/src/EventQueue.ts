/**
 * Queues from outside: depth, age, pause, the dead and their redrive.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import { now } from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { Tenant } from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/core/WorkQueue"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { prefix } from "./Events.ts"

/**
 * What stands in a queue of the tenant. Jobs behind an ordering key count as `ready`.
 *
 * @category models
 * @since 0.1.0
 */
export class EventQueue extends Schema.Class<EventQueue>("@hypermarket/events/EventQueue")({
  queue: Schema.String,
  ready: Schema.Int,
  leased: Schema.Int,
  delayed: Schema.Int,
  dead: Schema.Int,
  /** Of the oldest runnable job; null when there is none. */
  oldestAgeSeconds: Schema.NullOr(Schema.Finite),
  paused: Schema.Boolean
}) {}

/**
 * A job that is not tried any more.
 *
 * @category models
 * @since 0.1.0
 */
export class DeadJob extends Schema.Class<DeadJob>("@hypermarket/events/DeadJob")({
  queue: Schema.String,
  /** Its place among the dead. */
  seq: Schema.String,
  jobId: Schema.String,
  type: Schema.String,
  attempt: Schema.Int,
  orderingKey: Schema.NullOr(Schema.String),
  errors: Schema.NullOr(Schema.Json),
  diedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * The most jobs that one redrive brings back: call it again for more, when these have run.
 *
 * @category limits
 * @since 0.1.0
 */
export const redriveMax = 10_000

/**
 * Which of the dead to bring back; without a filter the oldest `limit`.
 *
 * @category models
 * @since 0.1.0
 */
export const Redrive = Schema.Struct({
  type: Schema.optionalKey(Schema.String),
  limit: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: redriveMax })))
})

const DeadRow = Schema.Struct({ ...DeadJob.fields, diedAt: Column.Timestamp })
const pages = Page.make({ key: Schema.Tuple([Schema.String]), keyOf: (job: DeadJob) => [job.seq] as const })

/**
 * @category services
 * @since 0.1.0
 */
export class EventQueues extends Context.Service<
  EventQueues,
  {
    /** The tenant's queues that hold anything or are paused, by name; 1,000 at most. */
    readonly list: Effect.Effect<ReadonlyArray<EventQueue>, SqlError, Tenant>
    /** Workers take nothing more from it within 2 seconds; what is leased is finished. */
    readonly setPaused: (queue: string, paused: boolean) => Effect.Effect<void, SqlError, Tenant>
    readonly dead: (
      queue: string,
      request: Page.Request
    ) => Effect.Effect<Page.Page<DeadJob>, Page.CursorInvalid | SqlError, Tenant>
    /** Brings dead jobs back with all their attempts, oldest first. Tells how many. */
    readonly redrive: (queue: string, redrive: typeof Redrive.Type) => Effect.Effect<number, SqlError, Tenant>
  }
>()("@hypermarket/events/EventQueues") {
  static readonly layer: Layer.Layer<EventQueues, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
    EventQueues,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const workQueue = yield* WorkQueue.make({ prefix })
      const decodeDead = Schema.decodeUnknownEffect(DeadRow)

      const list = Effect.gen(function* () {
        const tenant = yield* Tenant
        const moment = yield* now
        const rows = yield* sql<typeof EventQueue.Encoded>`
          WITH counted AS (
            SELECT ltrim(queue, '!') AS queue, count(*)::int AS ready, 0 AS leased, 0 AS delayed, 0 AS dead,
                   min(recorded_at) AS oldest, false AS paused
              FROM hm_event_queue WHERE tenant_id = ${tenant.id} AND ordering_key IS NULL GROUP BY 1
            UNION ALL
            SELECT queue, count(*)::int, 0, 0, 0, min(recorded_at), false
              FROM hm_event_keyed WHERE tenant_id = ${tenant.id} GROUP BY 1
            UNION ALL
            SELECT ltrim(queue, '!'), 0, sum(jobs_count)::int, 0, 0, NULL, false
              FROM hm_event_lease WHERE tenant_id = ${tenant.id} GROUP BY 1
            UNION ALL
            SELECT queue, 0, 0, count(*)::int, 0, NULL, false
              FROM hm_event_delayed WHERE tenant_id = ${tenant.id} AND ordering_key IS NULL GROUP BY 1
            UNION ALL
            SELECT queue, 0, 0, 0, count(*)::int, NULL, false
              FROM hm_event_dead WHERE tenant_id = ${tenant.id} GROUP BY 1
            UNION ALL
            SELECT queue, 0, 0, 0, 0, NULL, true
              FROM hm_event_definition WHERE tenant_id = ${tenant.id} AND paused)
          SELECT queue, sum(ready)::int AS ready, sum(leased)::int AS leased, sum(delayed)::int AS delayed,
                 sum(dead)::int AS dead, extract(epoch FROM ${moment}::timestamptz - min(oldest))::float8 AS "oldestAgeSeconds",
                 bool_or(paused) AS paused
            FROM counted GROUP BY queue ORDER BY queue LIMIT 1000
        `
        return rows.map((row) => new EventQueue(row))
      }).pipe(Effect.withSpan("EventQueues.list"))

      const setPaused = Effect.fn("EventQueues.setPaused")(function* (queue: string, paused: boolean) {
        const tenant = yield* Tenant
        yield* sql`
          INSERT INTO hm_event_definition AS d (tenant_id, queue, paused, updated_at)
          VALUES (${tenant.id}, ${queue}, ${paused}, ${yield* now})
              ON CONFLICT (tenant_id, queue)
              DO UPDATE SET paused = excluded.paused, version = d.version + 1, updated_at = excluded.updated_at
        `
      })

      const dead = Effect.fn("EventQueues.dead")(function* (queue: string, request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => ["0"] as const)
        const rows = yield* sql`
          SELECT queue, seq::text AS seq, job_id::text AS "jobId", type, attempt, ordering_key AS "orderingKey", errors,
                 died_at AS "diedAt"
            FROM hm_event_dead
           WHERE tenant_id = ${tenant.id} AND queue = ${queue} AND seq > ${after}::text::bigint
           ORDER BY seq
           LIMIT ${Page.limitOf(request) + 1}
        `
        const jobs = yield* Effect.forEach(rows, (row) =>
          Effect.orDie(Effect.map(decodeDead(row), (decoded) => new DeadJob(decoded)))
        )
        return yield* pages.page(jobs, request)
      })

      const redrive = Effect.fn("EventQueues.redrive")(function* (queue: string, which: typeof Redrive.Type) {
        const tenant = yield* Tenant
        // A key's order is long past: a redriven job runs by itself.
        const [row] = yield* sql<{ readonly redriven: number }>`
          WITH back AS (
            DELETE FROM hm_event_dead
             WHERE tenant_id = ${tenant.id} AND queue = ${queue}
               AND seq = ANY (ARRAY (
                     SELECT seq FROM hm_event_dead
                      WHERE tenant_id = ${tenant.id} AND queue = ${queue}
                        AND (${which.type ?? null}::text IS NULL OR type = ${which.type ?? null})
                      ORDER BY seq LIMIT ${which.limit ?? redriveMax} FOR UPDATE SKIP LOCKED))
            RETURNING *),
          moved AS (
            INSERT INTO hm_event_queue (tenant_id, queue, priority, job_id, type, attempts_max, recorded_at, headers, errors,
                                        payload, body_day, body_seq)
            SELECT tenant_id, queue, priority, job_id, type, attempts_max, recorded_at, headers, errors, payload, body_day,
                   body_seq
              FROM back ORDER BY seq
            RETURNING 1)
          SELECT count(*)::int AS redriven FROM moved
        `
        yield* workQueue.wake(tenant.id, [{ queue, priority: 0 }])
        return row?.redriven ?? 0
      })

      return EventQueues.of({ list, setPaused, dead, redrive })
    })
  )
}
