/**
 * Telling that there is something to do: the own process without a detour, others by `NOTIFY`, after the commit and on
 * another connection, at once but not more often than every 20 ms. A NOTIFY inside the caller's transaction would serialise
 * all commits. What is lost is found by polling.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as FailureLog from "./FailureLog.ts"
import * as Identifier from "./Identifier.ts"
import * as Storage from "./Storage.ts"
import { hash } from "node:crypto"

/**
 * @category models
 * @since 0.1.0
 */
export interface Signal {
  readonly channel: string
  readonly payload: string
}

/**
 * @category services
 * @since 0.1.0
 */
export class Wakeup extends Context.Service<
  Wakeup,
  {
    /** Once the caller's transaction has committed; at once outside of one. Never fails, and may be lost. */
    readonly signal: (channel: string, payload: string) => Effect.Effect<void>
    /** Every signal of any process from now on. `undefined` after a lost connection: anything may have been missed. */
    readonly signals: Effect.Effect<PubSub.Subscription<Signal | undefined>, never, Scope.Scope>
  }
>()("@hypermarket/core/Wakeup") {}

/** With the 16 digits 24 bytes; Postgres cuts names off after 63. */
const channelPrefix = "hm_wake_"
const digestDigits = 16

/**
 * Returns the channel of an installation: two in two schemas of one database do not wake each other.
 *
 * @category channels
 * @since 0.1.0
 */
export const channelOf = (schema: string): string =>
  `${channelPrefix}${hash("sha256", schema).slice(0, digestDigits)}`

/** The same in SQL, of a schema's name as text. */
const channelIn = (schema: string): string =>
  `'${channelPrefix}' || left(encode(sha256(convert_to(${schema}, 'UTF8')), 'hex'), ${digestDigits})`
const gatherFor = "20 millis"
/** Postgres refuses payloads of 8,000 bytes and more. */
const payloadBytesMax = 7_000
/** A slow reader misses the oldest: it polls. */
const backlogMax = 1_024
const sendDeadline = "2 seconds"
const reconnectDelay = "1 second"

const separator = "\u0001"

/** Returns payloads of NOTIFY: the sender, the channel and the payload of each signal. */
const wordsOf = (origin: string, signals: ReadonlyArray<string>): ReadonlyArray<string> =>
  signals.map((signal) => origin + separator + signal)

/** No listener's: what another driver's transaction signals is heard by everybody. */
const anyOrigin = ""

const signalOf = (signal: string): Signal => {
  const [channel = "", ...rest] = signal.split(separator)
  return { channel, payload: rest.join(separator) }
}

/**
 * Sends without listening, for processes that only publish.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSend: Layer.Layer<Wakeup, never, SqlClient.SqlClient> = Layer.effect(
  Wakeup,
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const signal = yield* makeSignal(sql, anyOrigin, () => Effect.void)
    const never = yield* PubSub.sliding<Signal | undefined>(1)
    return { signal, signals: PubSub.subscribe(never) }
  })
)

/** Signals of committed transactions that are still to be sent. */
class Waiting {
  readonly #signals = new Set<string>()
  readonly #onSignal: () => void

  constructor(onSignal: () => void = () => undefined) {
    this.#onSignal = onSignal
  }

  signal(sql: SqlClient.SqlClient, channel: string, payload: string): Effect.Effect<void> {
    return payload.length > payloadBytesMax
      ? Effect.void
      : sql.afterCommit(
          Effect.sync(() => {
            this.#signals.add(channel + separator + payload)
            this.#onSignal()
          })
        )
  }

  take(): ReadonlyArray<string> {
    const signals = Array.from(this.#signals)
    this.#signals.clear()
    return signals
  }
}

const makeSignal = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  origin: string,
  /** Publishes to this process, which does not wait for the database. */
  tell: (signals: ReadonlyArray<string>) => Effect.Effect<unknown>
) {
  const some = yield* Latch.make(false)
  const waiting = new Waiting(() => some.openUnsafe())
  const flush = Effect.suspend(() => {
    some.closeUnsafe()
    const signals = waiting.take()
    // A NOTIFY writes a commit record, which is useless after a crash: waiting for the disk would only delay the wake-up.
    const notify = sql`
      SELECT pg_notify(${sql.literal(channelIn("current_schema()"))}, s)::text, set_config('synchronous_commit', 'off', true)
        FROM unnest(${wordsOf(origin, signals)}::text[]) AS s
    `
    return Effect.andThen(tell(signals), notify.pipe(Storage.within(sendDeadline), Effect.ignore))
  })
  // The first goes out at once, what comes within the next moment together.
  yield* some.await.pipe(
    Effect.andThen(flush),
    Effect.andThen(Effect.sleep(gatherFor)),
    Effect.forever,
    Effect.forkScoped
  )
  return (channel: string, payload: string) => waiting.signal(sql, channel, payload)
})

/**
 * Keeps the signals of one transaction of another driver until the caller sends them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const gather = (
  /** Where the tables are; without it, in the first schema of the search path of the connection that sends. */
  schema?: string
): {
  readonly wakeup: (sql: SqlClient.SqlClient) => Effect.Effect<Wakeup["Service"]>
  /** Sends what was signalled since the last call, on any connection outside of the transaction. */
  readonly take: () => { readonly text: string; readonly signals: ReadonlyArray<string> } | undefined
} => {
  const waiting = new Waiting()
  return {
    wakeup: (sql) =>
      Effect.map(PubSub.sliding<Signal | undefined>(1), (never) => ({
        signal: (channel, payload) => waiting.signal(sql, channel, payload),
        signals: PubSub.subscribe(never)
      })),
    take: () => {
      const signals = waiting.take()
      return signals.length === 0
        ? undefined
        : {
            text: `SELECT pg_notify(${schema === undefined ? channelIn("current_schema()") : `'${channelOf(schema)}'`}, s)::text FROM unnest($1::text[]) AS s`,
            signals: wordsOf(anyOrigin, signals)
          }
    }
  }
}

/**
 * Opens a `LISTEN` for the channel of the schema on a dedicated connection, and returns its notifications.
 * `Database.listen` makes one.
 *
 * @category models
 * @since 0.1.0
 */
export type Listen = Effect.Effect<Queue.Dequeue<{ readonly payload: string }, unknown>, unknown, Scope.Scope>

/**
 * Sends, and listens on one dedicated connection. A signal reaches its own process at once, also while that connection is
 * lost.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (listen: Listen): Layer.Layer<Wakeup, never, SqlClient.SqlClient> =>
  Layer.effect(
    Wakeup,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const origin = yield* Identifier.next
      const failures = yield* FailureLog.make
      const heard = yield* PubSub.sliding<Signal | undefined>(backlogMax)
      const signal = yield* makeSignal(sql, origin, (signals) =>
        PubSub.publishAll(heard, signals.map(signalOf))
      )
      const listenOnce = Effect.gen(function* () {
        const notifications = yield* listen
        yield* PubSub.publish(heard, undefined)
        return yield* Queue.take(notifications).pipe(
          Effect.flatMap(({ payload }) => {
            const end = payload.indexOf(separator)
            // The signals of this process have been published to it already.
            if (payload.slice(0, end) === origin) return Effect.void
            return PubSub.publish(heard, signalOf(payload.slice(end + separator.length)))
          }),
          Effect.forever
        )
      }).pipe(Effect.scoped)
      yield* listenOnce.pipe(
        Effect.catchCause((cause) => failures.warn("The connection that listens was lost", cause)),
        Effect.andThen(PubSub.publish(heard, undefined)),
        Effect.repeat(Schedule.spaced(reconnectDelay)),
        Effect.forkScoped
      )
      return { signal, signals: PubSub.subscribe(heard) }
    })
  )

/**
 * Sends no signal: consumers find everything by polling.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSilent: Layer.Layer<Wakeup> = Layer.effect(
  Wakeup,
  Effect.map(PubSub.sliding<Signal | undefined>(1), (never) => ({
    signal: () => Effect.void,
    signals: PubSub.subscribe(never)
  }))
)
