/**
 * A subscription of a tenant: matching events go to one of the tenant's queues, or start or signal executions. Schemas and errors; the service is
 * `EventSubscriptions`.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Reserved from "@hypermarket/core/Reserved"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import * as EventFilter from "./EventFilter.ts"
import { WorkflowName, WorkflowVersion } from "./WorkflowExecution.ts"

/**
 * The id of a subscription, a UUIDv7.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SubscriptionId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/events/SubscriptionId"))

/**
 * @category models
 * @since 0.1.0
 */
export type SubscriptionId = typeof SubscriptionId.Type

/**
 * The name of a tenant's queue. Names that begin with `handler.` and `job.` belong to the installation.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QueueName = Reserved.QueueName

/**
 * The name of a subscription.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SubscriptionName = Text.make({ max: 200 })

const Name = SubscriptionName
const { Filters } = EventFilter
const Status = Schema.Literals(["active", "paused"])

/** An attribute, or a path of at most eight names into `data`. */
const keyPattern = /^(?:[a-z0-9]{1,40}|data(?:\.[A-Za-z0-9_-]{1,64}){1,8})$/

/**
 * Starts an execution with the event's `data` as its payload, or sends `data` to it as a signal.
 *
 * @category schemas
 * @since 0.1.0
 */
export const WorkflowSink = Schema.Struct({
  /** The name of the workflow. */
  name: WorkflowName,
  /** Of an execution that is started; 1 by default. */
  version: Schema.optionalKey(WorkflowVersion),
  /** Where the event has the key of the execution: an attribute, or a field of its data; `subject` by default. */
  key: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(keyPattern, {
        message: "Expected an attribute such as subject, or a field such as data.orderId"
      })
    )
  ),
  /** The name of the signal. Without it the event starts the execution. */
  signal: Schema.optionalKey(Text.make({ max: 500 }))
}).check(
  Schema.makeFilter(({ signal, version }) =>
    signal === undefined || version === undefined
      ? undefined
      : { path: ["version"], issue: "Expected no version with a signal, which keeps that of its execution" }
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type WorkflowSink = typeof WorkflowSink.Type

const sink = {
  queue: Schema.optionalKey(QueueName),
  workflow: Schema.optionalKey(WorkflowSink),
  ordered: Schema.optionalKey(Schema.Boolean)
}

/** Exactly one sink. Executions have no order to keep: a start and a signal may come in any. */
const hasOneSink = Schema.makeFilter(
  ({
    ordered,
    queue,
    workflow
  }: {
    readonly ordered?: boolean
    readonly queue?: string
    readonly workflow?: object
  }) => {
    if ((queue === undefined) === (workflow === undefined))
      return { path: ["queue"], issue: "Expected either queue or workflow" }
    return ordered === true && workflow !== undefined
      ? { path: ["ordered"], issue: "Expected no order with workflow" }
      : undefined
  }
)

/**
 * A subscription of a tenant.
 *
 * @category models
 * @since 0.1.0
 */
export class EventSubscription extends Schema.Class<EventSubscription>(
  "@hypermarket/events/EventSubscription"
)({
  subscriptionId: SubscriptionId,
  name: Name,
  status: Status,
  /** An event must match every filter; without filters every event matches. */
  filters: Filters,
  /** Null when the events go to executions. */
  queue: Schema.NullOr(QueueName),
  workflow: Schema.NullOr(WorkflowSink),
  /** Events of one subject run one at a time, in the order of publishing; events without a subject in any order. */
  ordered: Schema.Boolean,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * The fields of a new subscription: exactly one of `queue` and `workflow`; `ordered` is false by default.
 *
 * @category models
 * @since 0.1.0
 */
export const NewSubscription = Schema.Struct({
  name: Name,
  filters: Filters,
  ...sink
}).check(hasOneSink)

/**
 * A subscription as `ensure` wants it, without its name. Without `filters` every event matches; `ordered` is false by
 * default.
 *
 * @category models
 * @since 0.1.0
 */
export const WantedSubscription = Schema.Struct({
  ...sink,
  filters: Schema.optionalKey(Filters)
}).check(hasOneSink)

/**
 * The fields that can change; an absent field keeps its value. Events that are published during a pause are never
 * delivered to the paused subscription.
 *
 * @category models
 * @since 0.1.0
 */
export const SubscriptionChange = Schema.Struct({
  name: Schema.optionalKey(Name),
  status: Schema.optionalKey(Status),
  filters: Schema.optionalKey(Filters),
  ordered: Schema.optionalKey(Schema.Boolean)
})

/**
 * The tenant has no subscription with this id.
 *
 * @category errors
 * @since 0.1.0
 */
export class SubscriptionNotFound extends HttpApiError.Problem<SubscriptionNotFound>()(
  "SubscriptionNotFound",
  {
    type: "urn:hypermarket:problem:events:subscription-not-found",
    status: 404,
    title: "No such subscription"
  },
  { subscriptionId: Schema.String }
) {}
