/**
 * A package's interest in events: handlers get them in batches, at least once, and must bear repetition.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { InputError } from "./InputErrors.ts"
import type { Event } from "./Outbox.ts"

/**
 * Fails a handler for the one event that it was called with. Of a batch, the handler returns {@link Rejection}s instead:
 * the rest of the batch commits.
 *
 * @category errors
 * @since 0.1.0
 */
export class Rejected extends Schema.TaggedError<Rejected>()("Rejected", {
  /** A constant of the handler in kebab case, by which rejections are counted. */
  reason: Schema.String,
  errors: Schema.Array(
    Schema.Struct({
      path: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
      message: Schema.String
    })
  )
}) {
  override get message(): string {
    const [first] = this.errors
    return first === undefined ? this.reason : `${this.reason}: ${first.path.join(".")}: ${first.message}`
  }
}

/**
 * An event that a handler cannot place, such as one that does not decode. It is kept in the handler's dead-letter queue with
 * its reason until it is redriven or discarded. A rejected event has no effect: the handler writes nothing for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rejection {
  /** An event of the call. */
  readonly event: Event
  readonly rejected: Rejected
}

/**
 * Returns the rejection of an event whose data does not decode.
 *
 * @category constructors
 * @since 0.1.0
 */
export const reject = (event: Event, reason: string, errors: ReadonlyArray<InputError>): Rejection => ({
  event,
  rejected: new Rejected({ reason, errors })
})

/**
 * @category models
 * @since 0.1.0
 */
export interface Subscription<out R> {
  /** `<domain>.<noun>`, stable for ever: positions are kept by it. */
  readonly name: string
  /** Exact event types. */
  readonly types: ReadonlyArray<string>
  /** The most events one call of the handler gets. */
  readonly batchMax: number
  /** Returns the events that it rejects, if any. */
  readonly handler: (
    events: ReadonlyArray<Event>
  ) => Effect.Effect<void | ReadonlyArray<Rejection>, unknown, R>
}

const batchMaxDefault = 500

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = <R = never>(options: {
  readonly name: string
  readonly types: ReadonlyArray<string>
  readonly batchMax?: number
  readonly handler: Subscription<R>["handler"]
}): Subscription<R> => ({
  name: options.name,
  types: options.types,
  batchMax: options.batchMax ?? batchMaxDefault,
  handler: options.handler
})
