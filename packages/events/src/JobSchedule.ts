/**
 * A schedule: cron with a time zone, a fixed interval, or once. Schemas and errors; the service is `JobSchedules`.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Identifier from "@hypermarket/core/Identifier"
import { Instant } from "@hypermarket/core/Instant"
import * as Json from "@hypermarket/core/Json"
import { TimeZone } from "@hypermarket/core/Place"
import * as Text from "@hypermarket/core/Text"
import * as Withheld from "@hypermarket/core/Withheld"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { QueueName } from "./EventSubscription.ts"

/**
 * The id of a schedule, a UUIDv7.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ScheduleId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/events/ScheduleId"))

/**
 * @category models
 * @since 0.1.0
 */
export type ScheduleId = typeof ScheduleId.Type

const Name = Text.make({ max: 200 })
/** The largest payload, in bytes of JSON, as of every job. */
const payloadBytesMax = 256 * 1024
const CatchUp = Schema.Literals(["none", "one", "all"])
const Overlap = Schema.Literals(["skip", "queue", "cancel"])
/** Longest interval: a year of 365 days. */
const everySecondsMax = 31_536_000
const CatchUpSeconds = BoundedInt.make({ minimum: 60, maximum: 2_592_000 })
const JitterSeconds = BoundedInt.make({ minimum: 0, maximum: 3_600 })

/**
 * Maximum runs that `catchUp: "all"` enqueues for due times that passed while no worker ran. Older due times are skipped.
 *
 * `none` skips all of these times, `one` runs once for all of them. Times older than `catchUpSeconds`, a day by default,
 * are skipped in each case.
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
  everySeconds: Schema.NullOr(BoundedInt.make({ minimum: 1, maximum: everySecondsMax }))
}

/**
 * A schedule of a tenant.
 *
 * @category models
 * @since 0.1.0
 */
export class JobSchedule extends Schema.Class<JobSchedule>("@hypermarket/events/JobSchedule")({
  scheduleId: ScheduleId,
  name: Name,
  queue: QueueName,
  type: Name,
  payload: Schema.Json,
  ...Withheld.field,
  ...rhythm,
  overlap: Overlap,
  catchUp: CatchUp,
  catchUpSeconds: CatchUpSeconds,
  jitterSeconds: JitterSeconds,
  paused: Schema.Boolean,
  nextAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  lastAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** Due times in a row that could not be enqueued. The next attempt is up to 10 minutes later. */
  failures: Schema.Int,
  /** The reason of the last of these failures. */
  lastError: Schema.NullOr(Schema.String),
  failedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * Runs of a schedule that are remembered.
 *
 * @category limits
 * @since 0.1.0
 */
export const runsMax = 5

/**
 * A run of a schedule. `skipped` was due while the run before was not done, or too late; `cancelled` had not started when
 * the next one was due. A `dead` run that was redriven counts as `done`.
 *
 * @category models
 * @since 0.1.0
 */
export class ScheduleRun extends Schema.Class<ScheduleRun>("@hypermarket/events/ScheduleRun")({
  /** Its due time, or when it was asked for. */
  at: Schema.DateTimeUtcFromString,
  jobId: Schema.NullOr(Schema.String),
  outcome: Schema.Literals(["waiting", "running", "retrying", "done", "dead", "skipped", "cancelled"]),
  /** The last error of a run that is dead or tried again. */
  error: Schema.NullOr(Schema.String)
}) {}

/**
 * The fields of a new schedule: exactly one of `cron`, `everySeconds` and `runAt`.
 *
 * @category models
 * @since 0.1.0
 */
export const NewSchedule = Schema.Struct({
  name: Name,
  queue: QueueName,
  type: Name,
  payload: Schema.optionalKey(Json.make({ bytesMax: payloadBytesMax })),
  cron: Schema.optionalKey(Text.make({ max: 200 })),
  timeZone: Schema.optionalKey(TimeZone),
  everySeconds: Schema.optionalKey(BoundedInt.make({ minimum: 1, maximum: everySecondsMax })),
  runAt: Schema.optionalKey(Instant),
  /** `queue` by default. */
  overlap: Schema.optionalKey(Overlap),
  /** `one` by default. */
  catchUp: Schema.optionalKey(CatchUp),
  catchUpSeconds: Schema.optionalKey(CatchUpSeconds),
  /** Upper bound of the random delay of a run, in seconds; 0 by default. */
  jitterSeconds: Schema.optionalKey(JitterSeconds)
})

/**
 * The time zone, the cron expression or the choice between the three rhythms is not valid; `errors` names the field.
 *
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
 * The tenant has a schedule of this name already.
 *
 * @category errors
 * @since 0.1.0
 */
export class ScheduleExists extends HttpApiError.Problem<ScheduleExists>()(
  "ScheduleExists",
  { type: "urn:hypermarket:problem:events:schedule-exists", status: 409, title: "A schedule has this name" },
  { name: Schema.String }
) {}

/**
 * Maximum schedules of a tenant. Each may be due every second.
 *
 * @category limits
 * @since 0.1.0
 */
export const schedulesMax = 1_000

/**
 * The tenant has as many schedules as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class ScheduleLimit extends HttpApiError.Problem<ScheduleLimit>()(
  "ScheduleLimit",
  {
    type: "urn:hypermarket:problem:events:schedule-limit",
    status: 409,
    title: "The tenant has as many schedules as it may have: remove one"
  },
  { limit: Schema.Int }
) {}

/**
 * The tenant has no schedule with this id.
 *
 * @category errors
 * @since 0.1.0
 */
export class ScheduleNotFound extends HttpApiError.Problem<ScheduleNotFound>()(
  "ScheduleNotFound",
  { type: "urn:hypermarket:problem:events:schedule-not-found", status: 404, title: "No such schedule" },
  { scheduleId: Schema.String }
) {}
