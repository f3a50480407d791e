/** Enqueues the due runs of all tenants. A schedule that fails is recorded on its row and stops no other schedule. */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as FailureText from "@hypermarket/core/FailureText"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, system, Tenant, TenantId } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type * as QueueControl from "@hypermarket/queue/QueueControl"
import * as QueueJob from "@hypermarket/queue/QueueJob"
import type * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { runsMax } from "../JobSchedule.ts"
import * as DuePlan from "./duePlan.ts"
import * as ScheduleRuns from "./scheduleRuns.ts"

const waitingSchedules = Metric.gauge("hm_events_schedules_waiting", {
  description: "Schedules of all tenants that were due when the last tick of this worker began"
})
const lateSeconds = Metric.gauge("hm_events_schedules_late_seconds", {
  description: "Time since the oldest of their due times; a second is the interval of the ticks"
})

/** The loop's name in logs and metrics. */
const loop = "events.schedule.tick"

/** Maximum due schedules of one transaction: it holds their rows for milliseconds. */
const batchMax = 200
/** Maximum runs of one transaction, reached by schedules that catch up. */
const batchRunsMax = 2_000
/** Time in which the schedules of one transaction are planned, in milliseconds. The others wait for the next one. */
const planMillis = 100
/** Maximum due schedules that a tick looks at: ten seconds of a busy database. */
const dueMax = 2_000
/** Time after which a tick ends with its transaction, in milliseconds: the next one takes turns from the beginning. */
const tickMillis = 5_000

/** The ordering key of a schedule: its runs run one at a time. */
export const orderingKeyOf = (scheduleId: string): string => `schedule ${scheduleId}`

interface DueId {
  readonly tenantId: string
  readonly scheduleId: string
}

/** The schedules of the installation belong to an id that no tenant can have. */
const tenantOf = (tenantId: string) => ({ id: TenantId.make(tenantId, { disableChecks: true }) })

const toJob = (due: DuePlan.Due, at: Date): Effect.Effect<QueueJob.NewJob> =>
  Effect.map(Random.next, (chance) => ({
    queue: due.queue,
    type: due.type,
    payload: JSON.parse(due.payload),
    orderingKey: orderingKeyOf(due.scheduleId),
    headers: { "scheduled-at": at.toISOString() },
    ...(due.jitterSeconds === 0 ? {} : { runAt: new Date(at.getTime() + chance * due.jitterSeconds * 1000) })
  }))

interface Ran {
  readonly enqueued: number
  /** Schedules that were not planned in time. */
  readonly left: ReadonlyArray<DueId>
  readonly broken: ReadonlyArray<{ readonly item: DueId; readonly cause: Cause.Cause<unknown> }>
}

export const make = (
  sql: SqlClient.SqlClient,
  workQueue: WorkQueue.WorkQueue,
  control: QueueControl.QueueControl
): Effect.Effect<number, SqlError, AllTenants> => {
  /**
   * The installation's jobs first, then the first schedule of every tenant, then the second of every tenant. Schedules
   * that have failed come last.
   */
  const dueAt = (now: Date) => sql<DueId & { readonly due: number; readonly lateSeconds: number }>`
    SELECT tenant_id AS "tenantId", schedule_id::text AS "scheduleId", count(*) OVER ()::int AS due,
           extract(epoch FROM ${now}::timestamptz - min(due_at) OVER ())::float8 AS "lateSeconds"
      FROM (
           SELECT s.tenant_id, s.schedule_id, s.failures, greatest(s.next_at, s.retry_at) AS due_at,
                  row_number() OVER (PARTITION BY s.tenant_id
                                         ORDER BY s.failures > 0, greatest(s.next_at, s.retry_at)) AS place
             FROM hm_job_scheduler s
            WHERE NOT s.paused
              AND s.next_at IS NOT NULL
              AND greatest(s.next_at, s.retry_at) <= ${now}) due
     ORDER BY failures > 0, tenant_id <> ${system}, place, due_at
     LIMIT ${dueMax}
  `

  /** Locks schedules that are still due: another worker may have taken them meanwhile. */
  const lock = (items: ReadonlyArray<DueId>, now: Date) => sql<Omit<DuePlan.Due, "pending">>`
    SELECT s.tenant_id AS "tenantId", s.schedule_id::text AS "scheduleId", s.queue, s.type, s.payload::text AS payload,
           s.cron, s.time_zone AS "timeZone", s.every_seconds AS "everySeconds", s.overlap, s.catch_up AS "catchUp",
           s.catch_up_seconds AS "catchUpSeconds", s.jitter_seconds AS "jitterSeconds", s.next_at AS "nextAt",
           s.last_job_id::text AS "lastJobId"
      FROM unnest(${items.map(({ tenantId }) => tenantId)}::text[],
                  ${items.map(({ scheduleId }) => scheduleId)}::text[]::uuid[])
           WITH ORDINALITY AS x (tenant_id, schedule_id, place)
      JOIN hm_job_scheduler s ON s.tenant_id = x.tenant_id AND s.schedule_id = x.schedule_id
     WHERE NOT s.paused
       AND s.next_at IS NOT NULL
       AND greatest(s.next_at, s.retry_at) <= ${now}
     ORDER BY x.place
       FOR UPDATE OF s SKIP LOCKED
  `

  /** Plans one schedule at a time, and lets other fibers run in between: a dense cron may need 50 ms. */
  const planAll = Effect.fnUntraced(function* (due: ReadonlyArray<DuePlan.Due>, now: Date) {
    const endsAt = (yield* Clock.currentTimeMillis) + planMillis
    const planned: Array<{ readonly schedule: DuePlan.Due } & DuePlan.Planned> = []
    const broken: Array<Ran["broken"][number]> = []
    let runs = 0
    let done = 0
    for (const schedule of due) {
      if (done > 0 && (runs >= batchRunsMax || (yield* Clock.currentTimeMillis) >= endsAt)) break
      done++
      const exit = yield* Effect.exit(Effect.sync(() => DuePlan.planOf(schedule, now)))
      yield* Effect.yieldNow
      if (Exit.isFailure(exit)) {
        broken.push({ item: schedule, cause: exit.cause })
        continue
      }
      runs += exit.value.times.length
      planned.push({ schedule, ...exit.value })
    }
    return { planned, broken, left: due.slice(done) }
  })

  const cancelPrevious = Effect.fnUntraced(function* (schedule: DuePlan.Due) {
    const { lastJobId, overlap, pending, queue, tenantId } = schedule
    if (overlap !== "cancel" || pending === 0 || lastJobId === null) return undefined
    const isCancelled = yield* control
      .cancel(queue, lastJobId)
      .pipe(Effect.provideService(Tenant, tenantOf(tenantId)))
    return isCancelled ? lastJobId : undefined
  })

  const enqueue = (tenantId: string, jobs: ReadonlyArray<QueueJob.NewJob>) =>
    Effect.forEach(Arr.chunksOf(jobs, QueueJob.enqueueMax), workQueue.enqueue).pipe(
      Effect.map(Arr.flatten),
      // Enqueueing inside a transaction neither waits nor sheds.
      Effect.catchTag("QueueOverloaded", Effect.die),
      Effect.provideService(Tenant, tenantOf(tenantId))
    )

  const runOf = (items: ReadonlyArray<DueId>, now: Date) =>
    Effect.gen(function* () {
      const rows = yield* lock(items, now)
      if (rows.length === 0) return { enqueued: 0, left: [], broken: [] }
      const pendings = yield* control.countKeys(
        rows.map((row) => ({ ...row, orderingKey: orderingKeyOf(row.scheduleId) }))
      )
      const due = rows.map((row, index): DuePlan.Due => ({ ...row, pending: pendings[index] ?? 0 }))
      const { broken, left, planned } = yield* planAll(due, now)
      const cancelled = new Map<string, string | undefined>()
      for (const { schedule, times } of planned) {
        if (times.length > 0) cancelled.set(schedule.scheduleId, yield* cancelPrevious(schedule))
      }
      const lastJobs = new Map<string, string>()
      const lastRuns = new Map<string, ReadonlyArray<ScheduleRuns.Run>>()
      for (const [tenantId, schedules] of Map.groupBy(planned, ({ schedule }) => schedule.tenantId)) {
        const runs = schedules.flatMap(({ schedule, times }) => times.map((at) => ({ schedule, at })))
        const jobs = yield* Effect.forEach(runs, ({ at, schedule }) => toJob(schedule, at))
        const jobIds = yield* enqueue(tenantId, jobs)
        runs.forEach(({ at, schedule: { scheduleId } }, index) => {
          const jobId = jobIds[index] ?? ""
          lastJobs.set(scheduleId, jobId)
          const newest = [{ at, jobId }, ...(lastRuns.get(scheduleId) ?? [])]
          lastRuns.set(scheduleId, newest.slice(0, runsMax))
        })
      }
      yield* sql`
        UPDATE hm_job_scheduler s
           SET next_at = x.next_at, last_at = x.last_at, last_job_id = coalesce(x.last_job_id, s.last_job_id),
               runs = ${ScheduleRuns.remembered(sql)}, failures = 0, last_error = NULL, failed_at = NULL, retry_at = NULL
          FROM json_to_recordset(${JSON.stringify(
            planned.map(({ lastAt, nextAt, schedule }) => ({
              tenant_id: schedule.tenantId,
              schedule_id: schedule.scheduleId,
              next_at: nextAt ?? null,
              last_at: lastAt,
              last_job_id: lastJobs.get(schedule.scheduleId) ?? null,
              // Without a run the due time was left out.
              runs: lastRuns.get(schedule.scheduleId) ?? [{ at: lastAt, jobId: null }],
              cancelled: cancelled.get(schedule.scheduleId) ?? null
            }))
          )}::text::json)
            AS x (tenant_id text, schedule_id uuid, next_at timestamptz, last_at timestamptz, last_job_id uuid, runs json,
                  cancelled text)
         WHERE s.tenant_id = x.tenant_id AND s.schedule_id = x.schedule_id
      `
      const enqueued = planned.reduce((sum, { times }) => sum + times.length, 0)
      return { enqueued, left, broken }
    }).pipe(transactionOf(sql)) satisfies Effect.Effect<Ran, unknown>

  const recordFailure = Effect.fnUntraced(function* (item: DueId, text: string) {
    const now = yield* Now.now
    yield* sql`
      UPDATE hm_job_scheduler
         SET failures = failures + 1, last_error = ${text}, failed_at = ${now},
             retry_at = ${now}::timestamptz
                        + least(${EachTenant.retrySecondsMax}::float8, 2 ^ least(20, failures)) * interval '1 second'
       WHERE tenant_id = ${item.tenantId} AND schedule_id = ${item.scheduleId}::uuid
    `
  })

  return Effect.gen(function* () {
    yield* AllTenants
    const now = yield* Now.now
    const endsAt = (yield* Clock.currentTimeMillis) + tickMillis
    const due = yield* dueAt(now)
    yield* Metric.update(waitingSchedules, due[0]?.due ?? 0)
    yield* Metric.update(lateSeconds, due[0]?.lateSeconds ?? 0)
    let waiting: ReadonlyArray<DueId> = due
    let enqueued = 0
    while (waiting.length > 0) {
      const results = yield* EachTenant.together({
        loop,
        items: waiting.slice(0, batchMax),
        run: (items) => runOf(items, now),
        failed: (item, { text }) => recordFailure(item, text)
      })
      for (const { item, cause } of results.flatMap(({ broken }) => broken)) {
        yield* EachTenant.report(loop, item.tenantId, cause)
        yield* recordFailure(item, FailureText.describe(cause))
      }
      enqueued += results.reduce((sum, result) => sum + result.enqueued, 0)
      // What was not planned in time keeps its turn.
      waiting = [...results.flatMap(({ left }) => left), ...waiting.slice(batchMax)]
      if ((yield* Clock.currentTimeMillis) >= endsAt) break
    }
    return enqueued
  }).pipe(Effect.provideService(SqlClient.SqlClient, sql), Effect.withSpan("JobSchedules.tick"))
}
