/**
 * Background work of a package, run by the worker.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * How a failed run is repeated: `attempts` runs in all, 1 for none again; between them exponential backoff from `base`,
 * doubling up to `max`, or always `base`. Each wait is shortened by up to half at random, so that the retries of a burst
 * spread out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Retry {
  readonly attempts: number
  readonly base: Duration.Input
  readonly max: Duration.Input
  /** `exponential` by default. */
  readonly backoff?: "exponential" | "fixed"
}

/**
 * Twenty-five attempts from one second to one hour: about eighteen hours in all, so that a night's outage is survived.
 *
 * @category constants
 * @since 0.1.0
 */
export const retryDefault: Retry = { attempts: 25, base: "1 second", max: "1 hour" }

const deadlineDefault = "60 seconds"

/**
 * What the worker needs of a job: its name and how to run a stored payload.
 *
 * @category models
 * @since 0.1.0
 */
export interface Runnable<out R> {
  /** `<domain>.<noun>.<verb>`, stable for ever: it stands in queues. */
  readonly name: string
  /** A `tenant` job runs with a `Tenant`, a `system` job with `AllTenants`. */
  readonly scope: "tenant" | "system"
  readonly retry: Retry
  /** When it starts by itself: every so often, in one worker at a time. */
  readonly every: Duration.Input | undefined
  /** A run that takes longer is interrupted and counts as failed. */
  readonly deadline: Duration.Input
  /** Decodes the payload and runs the handler. */
  readonly run: (payload: unknown) => Effect.Effect<void, unknown, R>
}

/**
 * A job with its payload's type, for whoever enqueues it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Job<in Payload, out R> extends Runnable<R> {
  readonly encode: (payload: Payload) => Effect.Effect<Schema.Json>
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = <Payload, R = never>(options: {
  readonly name: string
  readonly scope: "tenant" | "system"
  readonly payload: Schema.Codec<Payload, Schema.Json>
  readonly retry?: Retry
  readonly every?: Duration.Input
  readonly deadline?: Duration.Input
  readonly handler: (payload: Payload) => Effect.Effect<void, unknown, R>
}): Job<Payload, R> => {
  const decode = Schema.decodeUnknownEffect(options.payload)
  const encode = Schema.encodeEffect(options.payload)
  return {
    name: options.name,
    scope: options.scope,
    retry: options.retry ?? retryDefault,
    every: options.every,
    deadline: options.deadline ?? deadlineDefault,
    encode: (payload) => Effect.orDie(encode(payload)),
    run: (payload) => Effect.flatMap(decode(payload), options.handler)
  }
}

/**
 * A job over all tenants without a payload, which starts by itself.
 *
 * @category constructors
 * @since 0.1.0
 */
export const scheduled = <R = never>(options: {
  readonly name: string
  readonly every: Duration.Input
  readonly deadline?: Duration.Input
  readonly run: Effect.Effect<void, unknown, R>
}): Job<null, R> =>
  make({
    ...options,
    scope: "system",
    payload: Schema.Null,
    handler: () => options.run
  })
