/**
 * Background work of a package, run by the worker.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Reserved from "./Reserved.ts"

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
 * The name, schedule and limits of a job, without the code that runs it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Declared {
  /** `<domain>.<noun>.<verb>`. The name is permanent: it is stored in queues. */
  readonly name: string
  /** A `tenant` job runs with a `Tenant`, a `system` job with `AllTenants`. */
  readonly scope: "tenant" | "system"
  readonly retry: Retry
  /** Interval at which it starts by itself, in one worker at a time. Undefined: only when it is enqueued. */
  readonly every: Duration.Input | undefined
  /** Interrupts a run that takes longer and counts it as failed. */
  readonly deadline: Duration.Input
}

/**
 * A job as the worker runs it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Runnable<out R> extends Declared {
  /** Decodes the payload and runs the handler. */
  readonly run: (payload: unknown) => Effect.Effect<void, unknown, R>
}

/**
 * A job with its payload's type, for the code that enqueues it.
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

/**
 * A handler or a job that no worker can run.
 *
 * @category errors
 * @since 0.1.0
 */
export class RunSettingInvalid extends Schema.TaggedError<RunSettingInvalid>()("RunSettingInvalid", {
  /** The queue. */
  name: Schema.String,
  field: Schema.String,
  expected: Schema.String
}) {
  override get message(): string {
    return `${this.name}: ${this.field}: expected ${this.expected}`
  }
}

/** As many as a job's row holds. */
const attemptsMax = 1_000

/** `Duration` reads a number that is none as zero. */
const isDuration = (input: Duration.Input): boolean =>
  (typeof input !== "number" || Number.isFinite(input)) &&
  Option.match(Duration.fromInput(input), {
    onNone: () => false,
    onSome: (duration) => Duration.isFinite(duration) && Duration.toMillis(duration) >= 0
  })

const isQueue = Schema.is(Reserved.AnyQueueName)

/**
 * Checks what a worker reads only when a job is enqueued, fails or takes too long, so that a worker with a wrong setting ends
 * when it starts, and not at the first such job. `name` is the queue, which for a job is `job.` and its name.
 *
 * @category checks
 * @since 0.1.0
 */
export const checkRun = (
  name: string,
  settings: {
    readonly retry: Retry
    readonly deadline: Duration.Input
    readonly every?: Duration.Input | undefined
  }
): Effect.Effect<void, RunSettingInvalid> => {
  const { deadline, every, retry } = settings
  if (!isQueue(name)) {
    return Effect.fail(
      new RunSettingInvalid({ name, field: "queue", expected: "1 to 127 of a-z, 0-9, '.', '_' and '-'" })
    )
  }
  const durations: ReadonlyArray<readonly [field: string, input: Duration.Input]> = [
    ["retry.base", retry.base],
    ["retry.max", retry.max],
    ["deadline", deadline],
    ...(every === undefined ? [] : [["every", every] as const])
  ]
  const wrong = durations.find(([, input]) => !isDuration(input))
  if (wrong !== undefined) {
    return Effect.fail(
      new RunSettingInvalid({
        name,
        field: wrong[0],
        expected: "a duration such as 10 seconds or 100 millis"
      })
    )
  }
  return Number.isInteger(retry.attempts) && retry.attempts >= 1 && retry.attempts <= attemptsMax
    ? Effect.void
    : Effect.fail(
        new RunSettingInvalid({
          name,
          field: "retry.attempts",
          expected: `an integer from 1 to ${attemptsMax}`
        })
      )
}
