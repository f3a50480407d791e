/**
 * Facts about secrets as they were last read of the database: keys and sessions. Each is read once at a time, remembered for
 * a bounded time and number, and read again in the background while it is in use.
 */
import * as Storage from "@hypermarket/core/Storage"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { SqlError } from "effect/sql/SqlError"

/** With the second that a read may take, what has ended is out within the promised 5 seconds. */
export const rememberedMillis = 3_000

/** A fact in use is read again from this age on. */
const refreshMillis = 1_500
export const readDeadline = "2 seconds"

interface Remembered<A> {
  readonly readAtMillis: number
  readonly fact: A
}

export interface RememberedReads<A> {
  /** Returns what was last read, however old, and its age. */
  readonly last: (id: string) => { readonly fact: A; readonly ageMillis: number } | undefined
  /** Returns what is remembered, and reads again in the background when that is due. Undefined when it is too old. */
  readonly current: (id: string) => Effect.Effect<A | undefined>
  /** Begins a read, or joins the one that runs. It outlives its caller. */
  readonly begin: (id: string) => Effect.Effect<Fiber.Fiber<A, SqlError | Storage.StorageUnavailable>>
  /** Reads, and fails as if the connection had been lost when that takes longer than 2 seconds. */
  readonly read: (id: string) => Effect.Effect<A, SqlError>
  readonly forget: (id: string) => void
}

/** `what` names the read in its failure. Unknown ids are remembered too; above `max` the oldest are forgotten first. */
export const make = <A>(options: {
  readonly what: string
  readonly max: number
  readonly query: (id: string) => Effect.Effect<A, SqlError>
}): Effect.Effect<RememberedReads<A>> =>
  Effect.map(Clock.Clock, (clock) => {
    const remembered = new Map<string, Remembered<A>>()
    const reading = new Map<string, Fiber.Fiber<A, SqlError | Storage.StorageUnavailable>>()
    const timedOut = Storage.tookTooLong(options.what)

    const remember = (id: string, readAtMillis: number, fact: A): A => {
      remembered.delete(id)
      remembered.set(id, { readAtMillis, fact })
      const [oldest] = remembered.keys()
      if (remembered.size > options.max && oldest !== undefined) remembered.delete(oldest)
      return fact
    }

    const begin: RememberedReads<A>["begin"] = (id) =>
      Effect.suspend(() => {
        const running = reading.get(id)
        if (running !== undefined) return Effect.succeed(running)
        const begunAtMillis = clock.currentTimeMillisUnsafe()
        return options.query(id).pipe(
          Effect.map((fact) => remember(id, begunAtMillis, fact)),
          Storage.within(readDeadline),
          Effect.ensuring(Effect.sync(() => reading.delete(id))),
          Effect.forkDetach,
          Effect.tap((fiber) => Effect.sync(() => reading.set(id, fiber)))
        )
      })

    const last: RememberedReads<A>["last"] = (id) => {
      const entry = remembered.get(id)
      return entry === undefined
        ? undefined
        : { fact: entry.fact, ageMillis: clock.currentTimeMillisUnsafe() - entry.readAtMillis }
    }

    return {
      last,
      begin,
      current: (id) =>
        Effect.suspend(() => {
          const entry = last(id)
          if (entry === undefined || entry.ageMillis >= rememberedMillis) return Effect.undefined
          return entry.ageMillis < refreshMillis
            ? Effect.succeed(entry.fact)
            : Effect.as(begin(id), entry.fact)
        }),
      read: (id) =>
        begin(id).pipe(
          Effect.flatMap(Fiber.join),
          Effect.catchTag("StorageUnavailable", () => Effect.fail(timedOut))
        ),
      forget: (id) => void remembered.delete(id)
    }
  })
