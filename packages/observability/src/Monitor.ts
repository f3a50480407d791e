/**
 * A monitor, a task that reports its runs with check-ins: schemas and errors. The service is `Monitors`.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { ProjectId } from "./ErrorProject.ts"

/**
 * @category schemas
 * @since 0.1.0
 */
export const MonitorSlug = Text.make({ max: 200 })

/**
 * @category schemas
 * @since 0.1.0
 */
export const MonitorEnvironment = Text.make({ max: 200 })

/**
 * The state of a monitor. `late`: the last run came after its margin. `missed`: a run did not come. `timed-out`: a run takes
 * longer than it may.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MonitorStatus = Schema.Literals(["ok", "missed", "late", "error", "timed-out"])

/**
 * The schedule that the SDK sent: `cron` with `timeZone`, or `intervalMillis`.
 *
 * @category models
 * @since 0.1.0
 */
export const MonitorSchedule = Schema.Struct({
  cron: Schema.NullOr(Schema.String),
  timeZone: Schema.String,
  intervalMillis: Schema.NullOr(Schema.Int),
  marginMillis: Schema.Int,
  runtimeMillis: Schema.Int
})

/**
 * @category models
 * @since 0.1.0
 */
export class Monitor extends Schema.Class<Monitor>("@hypermarket/observability/Monitor")({
  projectId: ProjectId,
  slug: MonitorSlug,
  environment: MonitorEnvironment,
  /** Null for a task whose SDK sends none: it is judged by its check-ins alone. */
  schedule: Schema.NullOr(MonitorSchedule),
  status: MonitorStatus,
  /** The instant from which it has this status. */
  since: Schema.DateTimeUtcFromString,
  lastCheckIn: Schema.NullOr(Schema.DateTimeUtcFromString),
  nextDue: Schema.NullOr(Schema.DateTimeUtcFromString),
  recordedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * A run of a monitor, or one that did not come.
 *
 * @category models
 * @since 0.1.0
 */
export class MonitorCheckIn extends Schema.Class<MonitorCheckIn>("@hypermarket/observability/MonitorCheckIn")(
  {
    checkInId: Identifier.Uuid,
    status: Schema.Literals(["running", "ok", "error", "missed", "timed-out"]),
    isLate: Schema.Boolean,
    /** The due time that the run belongs to. */
    dueAt: Schema.NullOr(Schema.DateTimeUtcFromString),
    startedAt: Schema.DateTimeUtcFromString,
    endedAt: Schema.NullOr(Schema.DateTimeUtcFromString)
  }
) {}

/**
 * The name of a monitor within its project.
 *
 * @category models
 * @since 0.1.0
 */
export const MonitorName = Schema.Struct({ slug: MonitorSlug, environment: MonitorEnvironment })

/**
 * @category models
 * @since 0.1.0
 */
export type MonitorName = typeof MonitorName.Type

/**
 * @category errors
 * @since 0.1.0
 */
export class MonitorNotFound extends HttpApiError.Problem<MonitorNotFound>()(
  "MonitorNotFound",
  { type: "urn:hypermarket:problem:observability:monitor-not-found", status: 404, title: "No such monitor" },
  { slug: Schema.String, environment: Schema.String }
) {}
