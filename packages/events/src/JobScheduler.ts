/**
 * Schedules: cron with a time zone, a fixed interval, or once. Each due time enqueues exactly once, with any number of
 * workers: the job and the schedule's next time commit together.
 *
 * The runs of a schedule share an ordering key: two of them never run at the same time, in whichever workers. `overlap`
 * says what happens when a run is due while the one before is not done: `skip` leaves it out, `queue` has it wait, `cancel`
 * takes back the one before if it has not started, and else waits.
 *
 * Daylight saving: see {@link nextAfter}.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Identifier from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import { AllTenants, Tenant, TenantId } from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/core/WorkQueue"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Cron from "effect/Cron"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { prefix } from "./internal/prefix.ts"
import { QueueName } from "./EventSubscription.ts"

/**
 * @category schemas
 * @since 0.1.0
 */
export const ScheduleId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/events/ScheduleId"))

/**
 * @category models
 * @since 0.1.0
 */
export type ScheduleId = typeof ScheduleId.Type

const Name = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))
const CatchUp = Schema.Literals(["none", "one", "all"])
const Overlap = Schema.Literals(["skip", "queue", "cancel"])
const everySecondsMax = 31_536_000
const catchUpSecondsDefault = 86_400
const CatchUpSeconds = Schema.Int.check(Schema.isBetween({ minimum: 60, maximum: 2_592_000 }))
const JitterSeconds = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3_600 }))

/**
 * After an absence: `none` skips the times that passed, `one` runs once for all of them, `all` once for each of the last
 * {@link catchUpMax}; of times that are not older than `catchUpSeconds`, a day by default.
 *
 * @category limits
 * @since 0.1.0
 */
export const catchUpMax = 1_000

const rhythm = {
  /** Five fields, or six with seconds first. */
  cron: Schema.NullOr(Schema.String),
  /** IANA; UTC by default. */
  timeZone: Schema.String,
  everySeconds: Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: everySecondsMax })))
}

/**
 * @category models
 * @since 0.1.0
 */
export class JobSchedule extends Schema.Class<JobSchedule>("@hypermarket/events/JobSchedule")({
  scheduleId: ScheduleId,
  name: Name,
  queue: QueueName,
  type: Name,
  payload: Schema.Json,
  ...rhythm,
  overlap: Overlap,
  catchUp: CatchUp,
  catchUpSeconds: CatchUpSeconds,
  jitterSeconds: JitterSeconds,
  paused: Schema.Boolean,
  nextAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  lastAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * One of `cron`, `everySeconds` and `runAt`.
 *
 * @category models
 * @since 0.1.0
 */
export const NewSchedule = Schema.Struct({
  name: Name,
  queue: QueueName,
  type: Name,
  payload: Schema.optionalKey(Schema.Json),
  cron: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(200))),
  timeZone: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(64))),
  everySeconds: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: everySecondsMax }))
  ),
  runAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  /** `queue` by default. */
  overlap: Schema.optionalKey(Overlap),
  /** `one` by default. */
  catchUp: Schema.optionalKey(CatchUp),
  catchUpSeconds: Schema.optionalKey(CatchUpSeconds),
  /** A run starts up to so many seconds after its time, by chance; 0 by default. */
  jitterSeconds: Schema.optionalKey(JitterSeconds)
})

/**
 * @category errors
 * @since 0.1.0
 */
export class ScheduleInvalid extends HttpApiError.Problem<ScheduleInvalid>()(
  "ScheduleInvalid",
  {
    type: "urn:hypermarket:problem:events:schedule-invalid",
    status: 400,
    title: "The schedule is not valid"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class ScheduleExists extends HttpApiError.Problem<ScheduleExists>()(
  "ScheduleExists",
  { type: "urn:hypermarket:problem:events:schedule-exists", status: 409, title: "A schedule has this name" },
  { name: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class ScheduleNotFound extends HttpApiError.Problem<ScheduleNotFound>()(
  "ScheduleNotFound",
  { type: "urn:hypermarket:problem:events:schedule-not-found", status: 404, title: "No such schedule" },
  { scheduleId: Schema.String }
) {}

const invalid = (field: string, message: string) =>
  new ScheduleInvalid({ errors: [{ path: ["payload", field], message }] })

interface Rhythm {
  readonly cron: string | null
  readonly timeZone: string
  readonly everySeconds: number | null
}

const searchYears = 8
const yearMillis = 366 * 24 * 60 * 60 * 1000

/**
 * The first due time after an instant; undefined when there is none within eight years (29 February is one).
 *
 * A cron's fields are local times of its zone. A local time that daylight saving skips runs once, later by what was
 * skipped; one that comes twice runs once, at its first coming. An interval counts elapsed seconds and knows no zone.
 *
 * @category due times
 * @since 0.1.0
 */
export const nextAfter = (of: Rhythm, after: Date): Date | undefined => {
  if (of.everySeconds !== null) return new Date(after.getTime() + of.everySeconds * 1000)
  if (of.cron === null) return undefined
  const found = Result.try(() => Cron.next(Cron.parseUnsafe(of.cron ?? "", of.timeZone), after))
  if (Result.isFailure(found)) return undefined
  return found.success.getTime() - after.getTime() > searchYears * yearMillis ? undefined : found.success
}

const checkRhythm = Effect.fnUntraced(function* (schedule: typeof NewSchedule.Type, moment: Date) {
  const given = [schedule.cron, schedule.everySeconds, schedule.runAt].filter((value) => value !== undefined)
  if (given.length !== 1) return yield* invalid("cron", "Expected one of cron, everySeconds and runAt")
  const timeZone = schedule.timeZone ?? "UTC"
  if (Option.isNone(DateTime.zoneMakeNamed(timeZone)))
    return yield* invalid("timeZone", "Expected an IANA time zone")
  if (schedule.runAt !== undefined) {
    return { cron: null, timeZone, everySeconds: null, nextAt: DateTime.toDateUtc(schedule.runAt) }
  }
  if (schedule.cron !== undefined && Result.isFailure(Cron.parse(schedule.cron, timeZone))) {
    return yield* invalid("cron", "Expected five fields, or six with seconds first")
  }
  const of = { cron: schedule.cron ?? null, timeZone, everySeconds: schedule.everySeconds ?? null }
  const nextAt = nextAfter(of, moment)
  if (nextAt === undefined) return yield* invalid("cron", "This never comes")
  return { ...of, nextAt }
})

const columns = `
  schedule_id::text AS "scheduleId", name, queue, type, payload, cron, time_zone AS "timeZone",
  every_seconds AS "everySeconds", overlap, catch_up AS "catchUp", catch_up_seconds AS "catchUpSeconds",
  jitter_seconds AS "jitterSeconds", paused, next_at AS "nextAt", last_at AS "lastAt", version,
  recorded_at AS "recordedAt", updated_at AS "updatedAt"
`

const Row = Schema.Struct({
  ...JobSchedule.fields,
  queue: Schema.String,
  nextAt: Schema.NullOr(Column.Timestamp),
  lastAt: Schema.NullOr(Column.Timestamp),
  recordedAt: Column.Timestamp,
  updatedAt: Column.Timestamp
})

interface Due extends Rhythm {
  readonly tenantId: string
  readonly scheduleId: string
  readonly queue: string
  readonly type: string
  readonly payload: string
  readonly overlap: "skip" | "queue" | "cancel"
  readonly catchUp: "none" | "one" | "all"
  readonly catchUpSeconds: number
  readonly jitterSeconds: number
  readonly nextAt: Date
  readonly lastJobId: string | null
  /** Runs that are not done. */
  readonly pending: number
}

const pages = Page.make({
  key: Schema.Tuple([ScheduleId]),
  keyOf: (schedule: JobSchedule) => [schedule.scheduleId] as const
})

const beforeAll = "00000000-0000-0000-0000-000000000000"
/** Due schedules that one tick takes: a transaction of milliseconds. */
const tickMax = 200
/** A due time that is found this late counts as missed: ticks come every second. */
const missedAfterMillis = 60_000

interface Planned {
  /** The due times that run now. */
  readonly times: ReadonlyArray<Date>
  /** The last due time that has passed, whether it runs or not. */
  readonly lastAt: Date
  readonly nextAt: Date | undefined
}

/** Walks back from now, so that an absence of years costs no more than the times that are to run. */
const planOf = (due: Due, moment: Date): Planned => {
  const timesMax = due.catchUp === "all" ? catchUpMax : 1
  const tooOld = (at: Date) =>
    moment.getTime() - at.getTime() > (due.catchUp === "none" ? missedAfterMillis : due.catchUpSeconds * 1000)
  const passed: Array<Date> = []
  let nextAt: Date | undefined
  if (due.everySeconds !== null) {
    const stepMillis = due.everySeconds * 1000
    const steps = Math.floor((moment.getTime() - due.nextAt.getTime()) / stepMillis)
    for (let step = steps; step >= 0 && passed.length < timesMax; step--) {
      passed.unshift(new Date(due.nextAt.getTime() + step * stepMillis))
    }
    nextAt = new Date(due.nextAt.getTime() + (steps + 1) * stepMillis)
  } else if (due.cron !== null) {
    const cron = Cron.parseUnsafe(due.cron, due.timeZone)
    // `prev` gives what lies before: a due time of this very millisecond counts.
    let at = Cron.prev(cron, new Date(moment.getTime() + 1))
    while (at >= due.nextAt && passed.length < timesMax) {
      passed.unshift(at)
      at = Cron.prev(cron, at)
    }
    nextAt = nextAfter(due, moment)
  }
  const lastAt = passed.at(-1) ?? due.nextAt
  const times = (passed.length === 0 ? [due.nextAt] : passed).filter((at) => !tooOld(at))
  return { times: due.overlap === "skip" ? (due.pending > 0 ? [] : times.slice(-1)) : times, lastAt, nextAt }
}

/** The runs of a schedule run one at a time. */
const orderingKeyOf = (scheduleId: string): string => `schedule ${scheduleId}`

type Stale = ScheduleNotFound | VersionStale

/**
 * @category services
 * @since 0.1.0
 */
export class JobSchedules extends Context.Service<
  JobSchedules,
  {
    readonly create: (
      schedule: typeof NewSchedule.Type
    ) => Effect.Effect<JobSchedule, ScheduleInvalid | ScheduleExists | SqlError, Tenant>
    readonly get: (id: ScheduleId) => Effect.Effect<JobSchedule, ScheduleNotFound | SqlError, Tenant>
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<JobSchedule>, Page.CursorInvalid | SqlError, Tenant>
    /** A paused schedule's times are skipped; resumed, it goes on with the next one. */
    readonly setPaused: (
      id: ScheduleId,
      version: number,
      paused: boolean
    ) => Effect.Effect<JobSchedule, Stale | SqlError, Tenant>
    readonly remove: (id: ScheduleId, version: number) => Effect.Effect<void, Stale | SqlError, Tenant>
    /** Enqueues a run now, beside its rhythm; it waits while another run of the schedule is not done. */
    readonly runNow: (
      id: ScheduleId
    ) => Effect.Effect<void, ScheduleNotFound | WorkQueue.QueueOverloaded | SqlError, Tenant>
    /** Enqueues what is due, over all tenants. Tells how many jobs. Called by workers every second. */
    readonly tick: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/events/JobSchedules") {
  static readonly layer: Layer.Layer<JobSchedules, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
    JobSchedules,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const workQueue = yield* WorkQueue.make({ prefix })
      const returned = sql.literal(columns)
      const decode = Schema.decodeUnknownEffect(Row)
      const toSchedule = (row: unknown) =>
        Effect.orDie(Effect.map(decode(row), (decoded) => new JobSchedule(decoded)))

      const create = Effect.fn("JobSchedules.create")(function* (schedule: typeof NewSchedule.Type) {
        const tenant = yield* Tenant
        const moment = yield* now
        const of = yield* checkRhythm(schedule, moment)
        const [row] = yield* sql`
          INSERT INTO hm_job_scheduler (tenant_id, schedule_id, name, queue, type, payload, cron, time_zone, every_seconds,
                                        overlap, catch_up, catch_up_seconds, jitter_seconds, next_at, recorded_at,
                                        updated_at)
          VALUES (${tenant.id}, ${yield* Identifier.next}::uuid, ${schedule.name}, ${schedule.queue}, ${schedule.type},
                  ${JSON.stringify(schedule.payload ?? null)}::text::json, ${of.cron}, ${of.timeZone}, ${of.everySeconds},
                  ${schedule.overlap ?? "queue"}, ${schedule.catchUp ?? "one"},
                  ${schedule.catchUpSeconds ?? catchUpSecondsDefault}, ${schedule.jitterSeconds ?? 0}, ${of.nextAt},
                  ${moment}, ${moment})
              ON CONFLICT (tenant_id, name) DO NOTHING
          RETURNING ${returned}
        `
        if (row === undefined) return yield* new ScheduleExists({ name: schedule.name })
        return yield* toSchedule(row)
      })

      const get = Effect.fn("JobSchedules.get")(function* (scheduleId: ScheduleId) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${returned} FROM hm_job_scheduler
           WHERE tenant_id = ${tenant.id} AND schedule_id = ${scheduleId}::uuid
        `
        if (row === undefined) return yield* new ScheduleNotFound({ scheduleId })
        return yield* toSchedule(row)
      })

      const list = Effect.fn("JobSchedules.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => [beforeAll] as const)
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
        const moment = yield* now
        const current = yield* get(scheduleId)
        // What passed during a pause is skipped.
        const nextAt =
          paused || (current.cron === null && current.everySeconds === null)
            ? null
            : (nextAfter(current, moment) ?? null)
        const [row] = yield* sql`
          UPDATE hm_job_scheduler
             SET paused = ${paused}, next_at = coalesce(${nextAt}::timestamptz, next_at), version = version + 1,
                 updated_at = ${moment}
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
        const schedule = yield* get(scheduleId)
        yield* workQueue
          .enqueue([
            {
              queue: schedule.queue,
              type: schedule.type,
              payload: schedule.payload,
              orderingKey: orderingKeyOf(scheduleId)
            }
          ])
          .pipe(checkedBefore)
      })

      const tick = Effect.gen(function* () {
        yield* AllTenants
        const moment = yield* now
        const due = yield* sql<Due>`
          SELECT s.tenant_id AS "tenantId", s.schedule_id::text AS "scheduleId", s.queue, s.type, s.payload::text AS payload,
                 s.cron, s.time_zone AS "timeZone", s.every_seconds AS "everySeconds", s.overlap, s.catch_up AS "catchUp",
                 s.catch_up_seconds AS "catchUpSeconds", s.jitter_seconds AS "jitterSeconds", s.next_at AS "nextAt",
                 s.last_job_id::text AS "lastJobId", coalesce(k.pending, 0) AS pending
            FROM hm_job_scheduler s
            LEFT JOIN hm_event_key k ON k.tenant_id = s.tenant_id AND k.queue = s.queue
                                    AND k.ordering_key = 'schedule ' || s.schedule_id::text
           WHERE NOT s.paused AND s.next_at <= ${moment}
           ORDER BY s.next_at
           LIMIT ${tickMax}
             FOR UPDATE OF s SKIP LOCKED
        `
        if (due.length === 0) return 0
        const planned = due.map((one) => ({ one, ...planOf(one, moment) }))
        for (const { one, times } of planned) {
          if (one.overlap !== "cancel" || one.pending === 0 || one.lastJobId === null || times.length === 0)
            continue
          yield* workQueue.statements.cancel(one.tenantId, one.queue, one.lastJobId)
        }
        const lastJobs = new Map<string, string>()
        const byTenant = Map.groupBy(planned, ({ one }) => one.tenantId)
        for (const [tenantId, schedules] of byTenant) {
          const runs = schedules.flatMap(({ one, times }) => times.map((at) => ({ one, at })))
          const jobs = yield* Effect.forEach(runs, ({ at, one }) => toJob(one, at))
          const jobIds = yield* Effect.forEach(
            Arr.chunksOf(jobs, WorkQueue.enqueueMax),
            workQueue.enqueue
          ).pipe(
            Effect.map(Arr.flatten),
            checkedBefore,
            // Inside a transaction nothing waits, and nothing is shed.
            Effect.catchTag("QueueOverloaded", Effect.die),
            // Rows of the installation's own schedules belong to a tenant that no tenant can be.
            Effect.provideService(Tenant, { id: TenantId.make(tenantId, { disableChecks: true }) })
          )
          runs.forEach(({ one }, index) => lastJobs.set(one.scheduleId, jobIds[index] ?? ""))
        }
        yield* sql`
          UPDATE hm_job_scheduler s
             SET next_at = x.next_at, last_at = x.last_at, last_job_id = coalesce(x.last_job_id, s.last_job_id)
            FROM json_to_recordset(${JSON.stringify(
              planned.map(({ lastAt, nextAt, one }) => ({
                tenant_id: one.tenantId,
                schedule_id: one.scheduleId,
                next_at: nextAt ?? null,
                last_at: lastAt,
                last_job_id: lastJobs.get(one.scheduleId) ?? null
              }))
            )}::text::json)
              AS x (tenant_id text, schedule_id uuid, next_at timestamptz, last_at timestamptz, last_job_id uuid)
           WHERE s.tenant_id = x.tenant_id AND s.schedule_id = x.schedule_id
        `
        return planned.reduce((sum, { times }) => sum + times.length, 0)
      }).pipe(transactionOf(sql), Effect.withSpan("JobSchedules.tick"))

      return JobSchedules.of({ create, get, list, setPaused, remove, runNow, tick })
    })
  )
}

const toJob = (due: Due, at: Date): Effect.Effect<WorkQueue.NewJob> =>
  Effect.map(Random.next, (chance) => ({
    queue: due.queue,
    type: due.type,
    payload: JSON.parse(due.payload),
    orderingKey: orderingKeyOf(due.scheduleId),
    headers: { "scheduled-at": at.toISOString() },
    ...(due.jitterSeconds === 0 ? {} : { runAt: new Date(at.getTime() + chance * due.jitterSeconds * 1000) })
  }))

/** The job was checked when its schedule was made. */
const checkedBefore = <A, E, R>(self: Effect.Effect<A, E | WorkQueue.JobInvalid, R>) =>
  Effect.catchTag(self, "JobInvalid", Effect.die)
