/**
 * Executions of workflows and their tasks: models, requests and errors. Imports no SQL; the service is
 * `WorkflowExecutions`.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import { Instant } from "@hypermarket/core/Instant"
import * as Json from "@hypermarket/core/Json"
import * as Page from "@hypermarket/core/Page"
import * as Text from "@hypermarket/core/Text"
import * as Withheld from "@hypermarket/core/Withheld"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The id of an execution: a hash of the workflow's name and the execution's key, as in Effect.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ExecutionId = Schema.String.check(
  Schema.isPattern(/^[A-Za-z0-9_-]{1,100}$/, { message: "Expected 1 to 100 of A-Z, a-z, 0-9, - and _" })
)

/**
 * The name of a workflow.
 *
 * @category schemas
 * @since 0.1.0
 */
export const WorkflowName = Text.make({ max: 200 })

/**
 * The version of a workflow's code.
 *
 * @category schemas
 * @since 0.1.0
 */
export const WorkflowVersion = BoundedInt.make({ minimum: 1, maximum: 1_000_000 })

/** Maximum payload of an execution, in bytes of JSON. */
const payloadBytesMax = 256 * 1024
/** Maximum value of a signal, in bytes of JSON. */
const signalBytesMax = 256 * 1024

/**
 * State of an execution.
 *
 * - `expected`: a signal has arrived before the start.
 * - `ready`: waits for a worker that has its version.
 * - `running`: a worker runs it.
 * - `suspended`: waits for a clock, a signal, a child or a resume.
 * - `succeeded`, `failed`, `cancelled`, `killed`: finished.
 *
 * @category schemas
 * @since 0.1.0
 */
export const WorkflowState = Schema.Literals([
  "expected",
  "ready",
  "running",
  "suspended",
  "succeeded",
  "failed",
  "cancelled",
  "killed"
])

const OptionalTime = Schema.NullOr(Schema.DateTimeUtcFromString)

/**
 * An execution of a workflow.
 *
 * @category models
 * @since 0.1.0
 */
export class WorkflowExecution extends Schema.Class<WorkflowExecution>(
  "@hypermarket/events/WorkflowExecution"
)({
  executionId: Schema.String,
  name: Schema.String,
  /** 0 until it is started. */
  version: Schema.Int,
  state: WorkflowState,
  /** The cancellation takes effect where the run would wait; a worker then runs the compensations. */
  cancelRequested: Schema.Boolean,
  /** Suspended by a failure: a resume runs it again. */
  needsResume: Schema.Boolean,
  /** Compensations have run, or began to: a retry is refused. */
  compensated: Schema.Boolean,
  /** Number of runs. A run ends when the execution waits or finishes, or when its worker ends. */
  runs: Schema.Int,
  /** The reason of a failure, or of a suspension by one. */
  error: Schema.NullOr(Schema.String),
  /** The execution that started it. */
  parentId: Schema.NullOr(Schema.String),
  /** At most 20 recorded activities that the last run did not ask for: its code may have diverged, or a race was lost. */
  unasked: Schema.Array(Schema.String),
  recordedAt: Schema.DateTimeUtcFromString,
  startedAt: OptionalTime,
  updatedAt: Schema.DateTimeUtcFromString,
  finishedAt: OptionalTime
}) {}

/**
 * An execution with its payload and its result.
 *
 * @category models
 * @since 0.1.0
 */
export class WorkflowInspection extends Schema.Class<WorkflowInspection>(
  "@hypermarket/events/WorkflowInspection"
)({
  execution: WorkflowExecution,
  payload: Schema.Json,
  /** The value of a success, null otherwise. */
  result: Schema.Json,
  ...Withheld.field
}) {}

/**
 * Maximum size of a task's result in a list, in bytes of JSON. A larger one is null there.
 *
 * @category limits
 * @since 0.1.0
 */
export const listedResultBytesMax = 16 * 1024

/**
 * A recorded activity, a clock, a signal or a child of an execution.
 *
 * @category models
 * @since 0.1.0
 */
export class WorkflowTask extends Schema.Class<WorkflowTask>("@hypermarket/events/WorkflowTask")({
  kind: Schema.Literals(["activity", "clock", "signal", "child"]),
  name: Schema.String,
  attempt: Schema.Int,
  /** Null while a clock or a child is pending. */
  outcome: Schema.NullOr(Schema.Literals(["succeeded", "failed"])),
  /** The value of a success of at most 16 KiB, null otherwise. */
  result: Schema.Json,
  /** Bytes of the stored result. */
  resultBytes: Schema.Int,
  error: Schema.NullOr(Schema.String),
  /** When a clock ends. */
  dueAt: OptionalTime,
  childId: Schema.NullOr(Schema.String),
  recordedAt: Schema.DateTimeUtcFromString,
  finishedAt: OptionalTime,
  ...Withheld.field
}) {}

/**
 * The fields of a start. The same name and key is the same execution, whatever the payload.
 *
 * @category models
 * @since 0.1.0
 */
export const NewExecution = Schema.Struct({
  name: WorkflowName,
  /** 1 by default. */
  version: Schema.optionalKey(WorkflowVersion),
  /** The idempotency key, for example the id of the order. */
  key: Text.make({ max: 500 }),
  payload: Json.make({ bytesMax: payloadBytesMax })
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewExecution = typeof NewExecution.Type

/**
 * A value that an execution waits for, or will wait for. The first value of a name counts.
 *
 * @category models
 * @since 0.1.0
 */
export const NewSignal = Schema.Struct({
  /** The name of the `DurableDeferred`, or of `step.signal`. */
  name: Text.make({ max: 500 }),
  value: Schema.optionalKey(Json.make({ bytesMax: signalBytesMax }))
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewSignal = typeof NewSignal.Type

/**
 * The activity that an execution runs again from.
 *
 * @category models
 * @since 0.1.0
 */
export const WorkflowRetry = Schema.Struct({
  /** The name of a recorded activity, or of a step. With all of its attempts. */
  activity: Text.make({ max: 500 })
})

/**
 * @category models
 * @since 0.1.0
 */
export type WorkflowRetry = typeof WorkflowRetry.Type

const filters = {
  name: Schema.optionalKey(WorkflowName),
  state: Schema.optionalKey(WorkflowState),
  /** Of the start: this time and later. */
  since: Schema.optionalKey(Instant),
  /** Of the start: before this time. */
  until: Schema.optionalKey(Instant)
}

/**
 * Filters and page of a list over HTTP.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Query = {
  ...filters,
  version: Schema.optionalKey(BoundedInt.fromText({ minimum: 1, maximum: 1_000_000 })),
  ...Page.Query
}

/**
 * Filters and page of a list.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ListRequest = Schema.Struct({
  ...filters,
  version: Schema.optionalKey(WorkflowVersion),
  ...Page.Request.fields
})

/**
 * @category models
 * @since 0.1.0
 */
export type ListRequest = typeof ListRequest.Type

/**
 * The tenant has no execution with this id.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkflowNotFound extends HttpApiError.Problem<WorkflowNotFound>()(
  "WorkflowNotFound",
  {
    type: "urn:hypermarket:problem:events:workflow-not-found",
    status: 404,
    title: "No such execution"
  },
  { executionId: Schema.String }
) {}

/**
 * The execution is finished.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkflowFinished extends HttpApiError.Problem<WorkflowFinished>()(
  "WorkflowFinished",
  {
    type: "urn:hypermarket:problem:events:workflow-finished",
    status: 409,
    title: "The execution is finished"
  },
  { executionId: Schema.String, state: WorkflowState }
) {}

/**
 * The execution has no recorded activity with this name.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkflowActivityNotFound extends HttpApiError.Problem<WorkflowActivityNotFound>()(
  "WorkflowActivityNotFound",
  {
    type: "urn:hypermarket:problem:events:workflow-activity-not-found",
    status: 404,
    title: "No such recorded activity"
  },
  { executionId: Schema.String, activity: Schema.String }
) {}

/**
 * The execution has undone its steps, or began to.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkflowCompensated extends HttpApiError.Problem<WorkflowCompensated>()(
  "WorkflowCompensated",
  {
    type: "urn:hypermarket:problem:events:workflow-compensated",
    status: 409,
    title: "The execution has run its compensations"
  },
  { executionId: Schema.String }
) {}
