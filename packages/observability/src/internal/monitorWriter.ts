/**
 * Records check-ins and runs that did not come. The caller holds the lock of the project, so that each change of a monitor's
 * state is published once.
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Outbox from "@hypermarket/core/Outbox"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { CheckIn } from "./checkIn.ts"
import * as Columns from "./columns.ts"
import * as MonitorSchedule from "./monitorSchedule.ts"

/** Monitors of a project. Check-ins of further ones are stored as items alone. */
const monitorsMax = 1_000
/** Runs of one monitor that one round notes as missed; older ones are skipped after an outage of the worker. */
const missedMax = 20

export type Status = "ok" | "missed" | "late" | "error" | "timed-out"

export interface Monitor {
  readonly slug: string
  readonly environment: string
  readonly schedule: MonitorSchedule.Schedule | null
  readonly status: Status
  readonly nextDue: Date | null
}

interface Row extends Omit<Monitor, "schedule"> {
  readonly schedule: unknown
}

interface Place {
  readonly tenantId: string
  readonly projectId: number
}

const decodeSchedule = Schema.decodeUnknownOption(MonitorSchedule.Schedule)

const monitorOf = ({ schedule, ...row }: Row): Monitor => ({
  ...row,
  schedule: Option.getOrNull(decodeSchedule(Columns.jsonOf(schedule)))
})

/**
 * The condition of a monitor whose margin has passed. A margin that is no number, or out of bounds, is none: the turn of the
 * tenant reads the row, and no row fails the statement over all tenants.
 */
export const isOverdue = (sql: SqlClient.SqlClient, now: Date) => sql`
  next_due < ${now}::timestamptz
             - CASE WHEN jsonb_typeof(schedule -> 'marginMillis') IS DISTINCT FROM 'number' THEN 0
                    WHEN (schedule ->> 'marginMillis')::numeric NOT BETWEEN 0 AND ${MonitorSchedule.marginMillisMax}::int4 THEN 0
                    ELSE (schedule ->> 'marginMillis')::float8
               END * interval '1 millisecond'
`

export const make = (sql: SqlClient.SqlClient) => {
  const publish = Effect.fnUntraced(function* (
    { projectId, tenantId }: Place,
    { environment, slug, status }: Monitor,
    next: Status,
    at: Date
  ) {
    const isOk = (state: Status) => state === "ok" || state === "late"
    if (status === next || (isOk(status) && isOk(next))) return
    const outbox = yield* Outbox.Outbox
    const event = yield* Outbox.event({
      domain: "observability",
      name: isOk(next) ? "monitor.recovered" : "monitor.failed",
      subject: slug,
      time: at,
      data: { projectId, slug, environment, status: next }
    })
    yield* outbox.publish([event]).pipe(provide(TenantId.make(tenantId, { disableChecks: true })))
  })

  const save = Effect.fnUntraced(function* (
    place: Place,
    monitor: Monitor,
    next: { readonly status: Status; readonly nextDue: Date | null; readonly lastCheckIn: Date | null },
    at: Date
  ) {
    yield* sql`
      UPDATE hm_error_monitor
         SET status = ${next.status},
             since = CASE WHEN status = ${next.status} THEN since ELSE ${at} END,
             next_due = ${next.nextDue},
             last_check_in = coalesce(${next.lastCheckIn}, last_check_in),
             updated_at = ${at}
       WHERE tenant_id = ${place.tenantId}
         AND project_id = ${place.projectId}
         AND slug = ${monitor.slug}
         AND environment = ${monitor.environment}
    `
    yield* publish(place, monitor, next.status, at)
  })

  const find = (place: Place, slug: string, environment: string) =>
    Effect.map(
      sql<Row>`
        SELECT slug, environment, schedule, status, next_due AS "nextDue"
          FROM hm_error_monitor
         WHERE tenant_id = ${place.tenantId}
           AND project_id = ${place.projectId}
           AND slug = ${slug}
           AND environment = ${environment}
      `,
      ([row]) => (row === undefined ? undefined : monitorOf(row))
    )

  /** Makes the monitor of a check-in, or gives it the schedule that came with it. */
  const ensure = Effect.fnUntraced(function* (
    place: Place,
    { environment, receivedAtMillis, schedule, slug }: CheckIn
  ) {
    const at = new Date(receivedAtMillis)
    const text = schedule === null ? null : JSON.stringify(schedule)
    yield* sql`
      INSERT INTO hm_error_monitor AS m (tenant_id, project_id, slug, environment, schedule, status, since, recorded_at, updated_at)
      SELECT ${place.tenantId}, ${place.projectId}::int4, ${slug}, ${environment}, ${text}::jsonb, 'ok', ${at}, ${at}, ${at}
       WHERE (
             SELECT count(*)
               FROM hm_error_monitor
              WHERE tenant_id = ${place.tenantId} AND project_id = ${place.projectId}
             ) < ${monitorsMax}
          OR EXISTS (
             SELECT
               FROM hm_error_monitor
              WHERE tenant_id = ${place.tenantId}
                AND project_id = ${place.projectId}
                AND slug = ${slug}
                AND environment = ${environment}
             )
          ON CONFLICT (tenant_id, project_id, slug, environment)
          DO UPDATE SET schedule = coalesce(excluded.schedule, m.schedule)
    `
    return yield* find(place, slug, environment)
  })

  /** After a run that did not come, a late one may be that run. */
  const dueOf = (schedule: MonitorSchedule.Schedule, { nextDue, status }: Monitor, startedAt: Date) => {
    const { intervalMillis } = schedule
    const missed =
      status === "missed" && intervalMillis !== null && nextDue !== null
        ? new Date(nextDue.getTime() - intervalMillis)
        : null
    const isMissed =
      missed !== null &&
      nextDue !== null &&
      startedAt.getTime() - missed.getTime() <= nextDue.getTime() - startedAt.getTime()
    return MonitorSchedule.nearestDue(schedule, startedAt, isMissed ? missed : nextDue)
  }

  const record = Effect.fnUntraced(function* (place: Place, checkIn: CheckIn) {
    const monitor = yield* ensure(place, checkIn)
    if (monitor === undefined) return
    const { checkInId, durationMillis, receivedAtMillis, status } = checkIn
    const { environment, schedule, slug } = monitor
    const at = new Date(receivedAtMillis)
    const startedAt = status === "running" ? at : new Date(receivedAtMillis - (durationMillis ?? 0))
    const [run] = yield* sql<{ readonly status: string; readonly startedAt: Date; readonly isLate: boolean }>`
      SELECT status, started_at AS "startedAt", is_late AS "isLate"
        FROM hm_error_check_in
       WHERE tenant_id = ${place.tenantId} AND project_id = ${place.projectId} AND check_in_id = ${checkInId}::uuid
    `
    // An envelope that is sent again, or a beginning that comes after the end.
    if (run !== undefined && (run.status !== "running" || status === "running")) return
    const due = schedule === null ? null : dueOf(schedule, monitor, startedAt)
    const isLate =
      run?.isLate ??
      // The first run shows when the task was deployed.
      (schedule !== null &&
        due !== null &&
        monitor.nextDue !== null &&
        startedAt.getTime() > due.getTime() + schedule.marginMillis)
    const endsBy =
      status === "running" ? new Date(receivedAtMillis + (schedule?.runtimeMillis ?? 30 * 60_000)) : null
    yield* sql`
      INSERT INTO hm_error_check_in AS c (tenant_id, project_id, check_in_id, slug, environment, status, is_late, due_at,
                                          started_at, ended_at, ends_by)
      VALUES (${place.tenantId}, ${place.projectId}, ${checkInId}::uuid, ${slug}, ${environment}, ${status}, ${isLate},
              ${due}, ${startedAt}, ${status === "running" ? null : at}, ${endsBy})
          ON CONFLICT (tenant_id, project_id, check_in_id)
          DO UPDATE SET status = excluded.status, ended_at = excluded.ended_at, ends_by = excluded.ends_by
    `
    if (isLate && due !== null) {
      // The run that was noted as missed has come after all.
      yield* sql`
        DELETE FROM hm_error_check_in
         WHERE tenant_id = ${place.tenantId}
           AND project_id = ${place.projectId}
           AND slug = ${slug}
           AND environment = ${environment}
           AND status = 'missed'
           AND due_at = ${due}
      `
    }
    const isBegin = run === undefined
    const after = due !== null && due > startedAt && schedule?.cron !== null ? due : startedAt
    const nextDue =
      schedule === null
        ? null
        : isBegin || monitor.nextDue === null
          ? MonitorSchedule.nextDue(schedule, after)
          : monitor.nextDue
    // A run that has begun in time says nothing yet about one that failed before.
    const next: Status =
      status === "error"
        ? "error"
        : isLate
          ? "late"
          : status === "running" && monitor.status !== "missed"
            ? monitor.status
            : "ok"
    yield* save(place, monitor, { status: next, nextDue, lastCheckIn: at }, at)
  })

  /** Notes runs that did not come within their margin. */
  const miss = Effect.fnUntraced(function* (place: Place, monitor: Monitor, now: Date) {
    const { environment, schedule, slug } = monitor
    if (schedule === null) return
    let due = monitor.nextDue
    for (let noted = 0; due !== null && due.getTime() + schedule.marginMillis < now.getTime(); noted++) {
      if (noted < missedMax) {
        yield* sql`
          INSERT INTO hm_error_check_in (tenant_id, project_id, check_in_id, slug, environment, status, is_late, due_at,
                                         started_at, ended_at)
          VALUES (${place.tenantId}, ${place.projectId}, ${yield* Identifier.next}::uuid, ${slug}, ${environment}, 'missed',
                  false, ${due}, ${due}, ${due})
        `
      }
      // After a long outage the schedule goes on from now.
      due = MonitorSchedule.nextDue(schedule, noted < missedMax ? due : now)
    }
    yield* save(place, monitor, { status: "missed", nextDue: due, lastCheckIn: null }, now)
  })

  /** Ends runs that take longer than they may. */
  const timeOut = Effect.fnUntraced(function* (place: Place, now: Date) {
    const ended = yield* sql<{ readonly slug: string; readonly environment: string }>`
      UPDATE hm_error_check_in
         SET status = 'timed-out', ended_at = ends_by, ends_by = NULL
       WHERE tenant_id = ${place.tenantId} AND project_id = ${place.projectId} AND ends_by < ${now}
      RETURNING slug, environment
    `
    for (const { environment, slug } of ended) {
      const monitor = yield* find(place, slug, environment)
      if (monitor === undefined) continue
      yield* save(place, monitor, { status: "timed-out", nextDue: monitor.nextDue, lastCheckIn: null }, now)
    }
    return ended.length
  })

  const overdue = (place: Place, now: Date) =>
    Effect.map(
      sql<Row>`
        SELECT slug, environment, schedule, status, next_due AS "nextDue"
          FROM hm_error_monitor
         WHERE tenant_id = ${place.tenantId}
           AND project_id = ${place.projectId}
           AND ${isOverdue(sql, now)}
      `,
      (rows) => rows.map(monitorOf)
    )

  return { record, miss, timeOut, overdue }
}
