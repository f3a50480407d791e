/**
 * The state of a published event, for each queue that it went to. Imports no SQL.
 *
 * @since 0.1.0
 */
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * State of an event in one queue.
 *
 * `waiting` is not claimed, `running` is with a worker, `retrying` has failed and is tried again, `dead` is in the dead-letter
 * queue. `done` is completed, or was cancelled or discarded. `waiting-or-done` is one of the two, in a queue with more waiting
 * jobs than a look-up reads.
 *
 * @category schemas
 * @since 0.1.0
 */
export const HandlingState = Schema.Literals([
  "waiting",
  "running",
  "retrying",
  "dead",
  "done",
  "waiting-or-done"
])

/**
 * An event in one queue: that of a handler or a subscription.
 *
 * @category models
 * @since 0.1.0
 */
export const EventHandling = Schema.Struct({
  queue: Schema.String,
  jobId: Schema.String,
  state: HandlingState,
  /** Number of failed attempts; null when the state is not known, and after the job is done. */
  attempt: Schema.NullOr(Schema.Int),
  /** Earliest time of the next attempt of a job that is not due; null otherwise. */
  nextAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  /** The last error; null without one. */
  error: Schema.NullOr(Schema.String),
  /** Waiting jobs of the queue that the look-up did not read; 0 unless the state is `waiting-or-done`. */
  unsearched: Schema.Int
})

/**
 * @category models
 * @since 0.1.0
 */
export type EventHandling = typeof EventHandling.Type

/**
 * A published event and the queues that it went to. The list is empty when no handler and no subscription wanted it.
 *
 * @category models
 * @since 0.1.0
 */
export class EventState extends Schema.Class<EventState>("@hypermarket/events/EventState")({
  source: Schema.String,
  id: Schema.String,
  publishedAt: Schema.DateTimeUtcFromString,
  handlers: Schema.Array(EventHandling)
}) {}

/**
 * The fields that name an event; `source` is `/` when it is left out.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EventQuery = {
  id: Text.make({ max: 200 }),
  source: Schema.optionalKey(Text.make({ max: 500 }))
}

/**
 * The name of an event.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EventName = Schema.Struct(EventQuery)

/**
 * No event with this source and id was published within the last 30 days.
 *
 * @category errors
 * @since 0.1.0
 */
export class PublicationNotFound extends HttpApiError.Problem<PublicationNotFound>()(
  "PublicationNotFound",
  { type: "urn:hypermarket:problem:events:event-not-found", status: 404, title: "No such event" },
  { source: Schema.String, id: Schema.String }
) {}
