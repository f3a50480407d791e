/**
 * Schedules: cron with a time zone, a fixed interval, or once. Each due time enqueues exactly once, with any number of
 * workers: the job and the schedule's next time commit together.
 *
 * Daylight saving, as Effect's `Cron` defines it: a local time that the change skips runs at the moment of the change;
 * one that comes twice runs at its first coming.
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
import * as Context from "effect/Context"
import * as Cron from "effect/Cron"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { prefix } from "./Events.ts"
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
const everySecondsMax = 31_536_000

/**
 * After an absence: `none` skips the times that passed, `one` runs once for all of them, `all` once for each of the last
 * {@link catchUpMax}.
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
  catchUp: CatchUp,
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
  catchUp: Schema.optionalKey(CatchUp)
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

/** The first due time after an instant; undefined when there is none within eight years (29 February is one). */
const nextAfter = (of: Rhythm, after: Date): Date | undefined => {
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
  every_seconds AS "everySeconds", catch_up AS "catchUp", paused, next_at AS "nextAt", last_at AS "lastAt", version,
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
  readonly catchUp: "none" | "one" | "all"
  readonly nextAt: Date
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

/** The due times up to an instant that are to run, and the next one. */
const dueTimes = (
  due: Due,
  moment: Date
): { readonly times: ReadonlyArray<Date>; readonly nextAt: Date | undefined } => {
  const times: Array<Date> = [due.nextAt]
  let nextAt = nextAfter(due, due.nextAt)
  while (nextAt !== undefined && nextAt <= moment) {
    times.push(nextAt)
    if (times.length > catchUpMax) times.shift()
    nextAt = nextAfter(due, nextAt)
  }
  const last = times[times.length - 1]
  if (due.catchUp === "all" || last === undefined) return { times, nextAt }
  if (due.catchUp === "one") return { times: [last], nextAt }
  return { times: moment.getTime() - last.getTime() > missedAfterMillis ? [] : [last], nextAt }
}

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
    /** Enqueues the job now, beside its rhythm. */
    readonly runNow: (id: ScheduleId) => Effect.Effect<void, ScheduleNotFound | SqlError, Tenant>
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
                                        catch_up, next_at, recorded_at, updated_at)
          VALUES (${tenant.id}, ${yield* Identifier.next}::uuid, ${schedule.name}, ${schedule.queue}, ${schedule.type},
                  ${JSON.stringify(schedule.payload ?? null)}::text::json, ${of.cron}, ${of.timeZone}, ${of.everySeconds},
                  ${schedule.catchUp ?? "one"}, ${of.nextAt}, ${moment}, ${moment})
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
        yield* (
          workQueue
            .enqueue([{ queue: schedule.queue, type: schedule.type, payload: schedule.payload }])
            // It was checked when the schedule was made.
            .pipe(Effect.catchTag("JobInvalid", Effect.die))
        )
      })

      const tick = Effect.gen(function* () {
        yield* AllTenants
        const moment = yield* now
        const due = yield* sql<Due>`
          SELECT tenant_id AS "tenantId", schedule_id::text AS "scheduleId", queue, type, payload::text AS payload, cron,
                 time_zone AS "timeZone", every_seconds AS "everySeconds", catch_up AS "catchUp", next_at AS "nextAt"
            FROM hm_job_scheduler
           WHERE NOT paused AND next_at <= ${moment}
           ORDER BY next_at
           LIMIT ${tickMax}
             FOR UPDATE SKIP LOCKED
        `
        if (due.length === 0) return 0
        const planned = due.map((one) => ({ one, ...dueTimes(one, moment) }))
        yield* sql`
          UPDATE hm_job_scheduler s
             SET next_at = u.next_at, last_at = coalesce(u.last_at, s.last_at)
            FROM unnest(${due.map((one) => one.tenantId)}::text[], ${due.map((one) => one.scheduleId)}::uuid[],
                        ${planned.map(({ nextAt }) => nextAt?.toISOString() ?? "")}::text[],
                        ${planned.map(({ times }) => times[times.length - 1]?.toISOString() ?? "")}::text[])
                 AS x (tenant_id, schedule_id, next_text, last_text)
            CROSS JOIN LATERAL (SELECT nullif(x.next_text, '')::timestamptz AS next_at,
                                       nullif(x.last_text, '')::timestamptz AS last_at) u
           WHERE s.tenant_id = x.tenant_id AND s.schedule_id = x.schedule_id
        `
        const byTenant = Map.groupBy(planned, ({ one }) => one.tenantId)
        for (const [tenantId, schedules] of byTenant) {
          const jobs = schedules.flatMap(({ one, times }) =>
            times.map((at) => ({
              queue: one.queue,
              type: one.type,
              payload: JSON.parse(one.payload),
              headers: { "scheduled-at": at.toISOString() }
            }))
          )
          yield* workQueue.enqueue(jobs).pipe(
            Effect.catchTag("JobInvalid", Effect.die),
            // Rows of the installation's own schedules belong to a tenant that no tenant can be.
            Effect.provideService(Tenant, { id: TenantId.make(tenantId, { disableChecks: true }) })
          )
        }
        return planned.reduce((sum, { times }) => sum + times.length, 0)
      }).pipe(transactionOf(sql), Effect.withSpan("JobSchedules.tick"))

      return JobSchedules.of({ create, get, list, setPaused, remove, runNow, tick })
    })
  )
}
