/**
 * The service of schedules. Each due time enqueues exactly once, with any number of workers: the job and the schedule's
 * next time commit together.
 *
 * The runs of a schedule share an ordering key: two of them never run at the same time, in any worker. `overlap` decides
 * when a run is due while the previous one is not done. `skip` drops the run and `queue` enqueues it behind. `cancel` cancels
 * the previous run if it has not started, and otherwise enqueues the run behind it.
 *
 * Daylight saving: see {@link nextAfter}.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { type AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as QueueControl from "@hypermarket/queue/QueueControl"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as DuePlan from "./internal/duePlan.ts"
import { prefix } from "./internal/prefix.ts"
import * as ScheduleRuns from "./internal/scheduleRuns.ts"
import * as ScheduleTick from "./internal/scheduleTick.ts"
import {
  JobSchedule,
  type NewSchedule,
  ScheduleExists,
  ScheduleId,
  type ScheduleInvalid,
  ScheduleLimit,
  ScheduleNotFound,
  type ScheduleRun,
  schedulesMax
} from "./JobSchedule.ts"

export {
  /**
   * Returns the first due time of a rhythm after an instant.
   *
   * @category due times
   * @since 0.1.0
   */
  nextAfter
} from "./internal/duePlan.ts"

/** Age up to which missed due times are caught up when the caller names none: one day. */
const catchUpSecondsDefault = 86_400

const columns = `
  schedule_id::text AS "scheduleId", name, queue, type, payload, cron, time_zone AS "timeZone",
  every_seconds AS "everySeconds", overlap, catch_up AS "catchUp", catch_up_seconds AS "catchUpSeconds",
  jitter_seconds AS "jitterSeconds", paused, next_at AS "nextAt", last_at AS "lastAt", failures,
  last_error AS "lastError", failed_at AS "failedAt", version,
  recorded_at AS "recordedAt", updated_at AS "updatedAt"
`

const Row = Schema.Struct({
  ...JobSchedule.fields,
  queue: Schema.String,
  nextAt: Schema.NullOr(Column.Timestamp),
  lastAt: Schema.NullOr(Column.Timestamp),
  failedAt: Schema.NullOr(Column.Timestamp),
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

const pages = Page.make({
  list: "events.schedules",
  key: Schema.Tuple([ScheduleId]),
  keyOf: (schedule: JobSchedule) => [schedule.scheduleId] as const
})

type Stale = ScheduleNotFound | VersionStale

/**
 * Creates, reads and changes schedules, and enqueues their runs.
 *
 * @category services
 * @since 0.1.0
 */
export class JobSchedules extends Context.Service<
  JobSchedules,
  {
    /** Creates a schedule. A tenant has at most {@link schedulesMax}. */
    readonly create: (
      schedule: typeof NewSchedule.Type
    ) => Effect.Effect<JobSchedule, ScheduleInvalid | ScheduleExists | ScheduleLimit | SqlError, Tenant>
    readonly get: (id: ScheduleId) => Effect.Effect<JobSchedule, ScheduleNotFound | SqlError, Tenant>
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<JobSchedule>, Page.CursorInvalid | SqlError, Tenant>
    /** Pauses or resumes a schedule. Due times during a pause are skipped. */
    readonly setPaused: (
      id: ScheduleId,
      version: number,
      paused: boolean
    ) => Effect.Effect<JobSchedule, Stale | SqlError, Tenant>
    readonly remove: (id: ScheduleId, version: number) => Effect.Effect<void, Stale | SqlError, Tenant>
    /** Returns the last runs of a schedule with their outcomes, newest first; five at most. */
    readonly runs: (
      id: ScheduleId
    ) => Effect.Effect<ReadonlyArray<ScheduleRun>, ScheduleNotFound | SqlError, Tenant>
    /** Enqueues an additional run now. It waits until the other runs of the schedule are done. */
    readonly runNow: (
      id: ScheduleId
    ) => Effect.Effect<void, ScheduleNotFound | QueueJob.QueueOverloaded | SqlError, Tenant>
    /**
     * Enqueues the due runs of all tenants and returns the count. Workers call it every second. Tenants are served in turn
     * for up to five seconds. A schedule that fails is recorded on its row, and tried again after 1 s up to 10 minutes.
     */
    readonly tick: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/events/JobSchedules") {
  static readonly layer: Layer.Layer<JobSchedules, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
    JobSchedules,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const workQueue = yield* WorkQueue.make({ prefix })
      const control = yield* QueueControl.make({ prefix })
      const returned = sql.literal(columns)
      const decode = Schema.decodeUnknownEffect(Row)
      const toSchedule = (row: unknown) =>
        Effect.orDie(Effect.map(decode(row), (decoded) => new JobSchedule(decoded)))

      /** Counts under a lock: two requests at once create no schedule more than the limit. */
      const checkLimit = Effect.fnUntraced(function* (tenantId: string) {
        yield* sql`
          SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(' ', current_schema(), 'schedules', ${tenantId}::text), 0))::text
        `
        const [row] = yield* sql<{ readonly count: number }>`
          SELECT count(*)::int AS count
            FROM hm_job_scheduler
           WHERE tenant_id = ${tenantId}
        `
        if ((row?.count ?? 0) >= schedulesMax) return yield* new ScheduleLimit({ limit: schedulesMax })
      })

      const createIn = Effect.fnUntraced(function* (schedule: typeof NewSchedule.Type) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const rhythm = yield* DuePlan.checkRhythm(schedule, now)
        yield* checkLimit(tenant.id)
        const [row] = yield* sql`
          INSERT INTO hm_job_scheduler (tenant_id, schedule_id, name, queue, type, payload, cron, time_zone, every_seconds,
                                        overlap, catch_up, catch_up_seconds, jitter_seconds, next_at, recorded_at,
                                        updated_at)
          VALUES (${tenant.id}, ${yield* Identifier.next}::uuid, ${schedule.name}, ${schedule.queue}, ${schedule.type},
                  ${JSON.stringify(schedule.payload ?? null)}::text::json, ${rhythm.cron}, ${rhythm.timeZone}, ${rhythm.everySeconds},
                  ${schedule.overlap ?? "queue"}, ${schedule.catchUp ?? "one"},
                  ${schedule.catchUpSeconds ?? catchUpSecondsDefault}, ${schedule.jitterSeconds ?? 0}, ${rhythm.nextAt},
                  ${now}, ${now})
              ON CONFLICT (tenant_id, name) DO NOTHING
          RETURNING ${returned}
        `
        if (row === undefined) return yield* new ScheduleExists({ name: schedule.name })
        return yield* toSchedule(row)
      })

      const create = Effect.fn("JobSchedules.create")((schedule: typeof NewSchedule.Type) =>
        transactionOf(sql)(createIn(schedule))
      )

      const get = Effect.fn("JobSchedules.get")(function* (scheduleId: ScheduleId) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${returned}
            FROM hm_job_scheduler
           WHERE tenant_id = ${tenant.id} AND schedule_id = ${scheduleId}::uuid
        `
        if (row === undefined) return yield* new ScheduleNotFound({ scheduleId })
        return yield* toSchedule(row)
      })

      const list = Effect.fn("JobSchedules.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => [Page.firstUuid] as const)
        const rows = yield* sql`
          SELECT ${returned}
            FROM hm_job_scheduler
           WHERE tenant_id = ${tenant.id} AND schedule_id > ${after}::uuid
           ORDER BY schedule_id
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* Effect.forEach(rows, toSchedule), request)
      })

      const whyMissed = (scheduleId: ScheduleId) =>
        Effect.flatMap(get(scheduleId), (current) =>
          Effect.fail(new VersionStale({ currentVersion: current.version }))
        )

      const setPaused = Effect.fn("JobSchedules.setPaused")(function* (
        scheduleId: ScheduleId,
        version: number,
        paused: boolean
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const current = yield* get(scheduleId)
        // Due times during the pause are skipped.
        const nextAt =
          paused || (current.cron === null && current.everySeconds === null)
            ? null
            : (DuePlan.nextAfter(current, now) ?? null)
        const [row] = yield* sql`
          UPDATE hm_job_scheduler
             SET paused = ${paused}, next_at = coalesce(${nextAt}::timestamptz, next_at), failures = 0,
                 last_error = NULL, failed_at = NULL, retry_at = NULL, version = version + 1, updated_at = ${now}
           WHERE tenant_id = ${tenant.id} AND schedule_id = ${scheduleId}::uuid AND version = ${version}
          RETURNING ${returned}
        `
        return row === undefined ? yield* whyMissed(scheduleId) : yield* toSchedule(row)
      })

      const remove = Effect.fn("JobSchedules.remove")(function* (scheduleId: ScheduleId, version: number) {
        const tenant = yield* Tenant
        const rows = yield* sql`
          DELETE FROM hm_job_scheduler
           WHERE tenant_id = ${tenant.id} AND schedule_id = ${scheduleId}::uuid AND version = ${version}
          RETURNING 1
        `
        if (rows.length === 0) return yield* whyMissed(scheduleId)
      })

      const runNow = Effect.fn("JobSchedules.runNow")(function* (scheduleId: ScheduleId) {
        const tenant = yield* Tenant
        const schedule = yield* get(scheduleId)
        const [jobId = ""] = yield* workQueue
          .enqueue([
            {
              queue: schedule.queue,
              type: schedule.type,
              payload: schedule.payload,
              orderingKey: ScheduleTick.orderingKeyOf(scheduleId)
            }
          ])
          .pipe(checkedBefore)
        const run = JSON.stringify([{ at: yield* Now.now, jobId }])
        yield* sql`
          UPDATE hm_job_scheduler s
             SET runs = ${ScheduleRuns.remembered(sql)}
            FROM (SELECT ${run}::text::json AS runs, NULL::text AS cancelled) x
           WHERE s.tenant_id = ${tenant.id} AND s.schedule_id = ${scheduleId}::uuid
        `
      })

      const runs = Effect.fn("JobSchedules.runs")(function* (scheduleId: ScheduleId) {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly queue: string; readonly runs: unknown }>`
          SELECT queue, runs
            FROM hm_job_scheduler
           WHERE tenant_id = ${tenant.id} AND schedule_id = ${scheduleId}::uuid
        `
        if (row === undefined) return yield* new ScheduleNotFound({ scheduleId })
        return yield* ScheduleRuns.outcomesOf(
          control,
          row.queue,
          ScheduleTick.orderingKeyOf(scheduleId),
          row.runs
        )
      })

      const tick = ScheduleTick.make(sql, workQueue, control)

      const targetOf = ({ scheduleId }: { readonly scheduleId: string }) => ({
        type: "schedule",
        id: scheduleId
      })

      return JobSchedules.of({
        create: (schedule) =>
          AuditedChange.change(sql, create(schedule), {
            action: "schedule.created",
            target: targetOf,
            after: logged
          }),
        get,
        list,
        runs,
        setPaused: (scheduleId, version, paused) =>
          AuditedChange.change(sql, setPaused(scheduleId, version, paused), {
            action: "schedule.changed",
            target: targetOf,
            before: Effect.map(get(scheduleId), logged),
            after: logged
          }),
        remove: (scheduleId, version) =>
          AuditedChange.change(sql, remove(scheduleId, version), {
            action: "schedule.removed",
            target: targetOf({ scheduleId }),
            before: Effect.map(get(scheduleId), logged)
          }),
        runNow: (scheduleId) =>
          AuditedChange.change(sql, runNow(scheduleId), {
            action: "schedule.run",
            target: targetOf({ scheduleId })
          }),
        tick
      })
    })
  )
}

/** A payload may hold data of customers, and the audit log is read by keys without the scope for payloads. */
const logged = ({ payload: _payload, ...schedule }: JobSchedule) => schedule

/** The job was checked when its schedule was made. */
const checkedBefore = <A, E, R>(self: Effect.Effect<A, E | QueueJob.JobInvalid, R>) =>
  Effect.catchTag(self, "JobInvalid", Effect.die)
