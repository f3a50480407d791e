/** Runs the function of a transaction, and sees that every call that it made has ended. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { TransactionEnded } from "../../CallError.ts"
import { atSite, type Place, type Site, Thrown, type TransactionCalls } from "./calls.ts"

const runBody = async <A>(
  transaction: TransactionCalls,
  site: Site,
  body: () => PromiseLike<A>
): Promise<A> => {
  let floating: string | undefined
  let result: A
  try {
    result = await body()
  } finally {
    transaction.isEnded = true
    floating = Array.from(transaction.running.values()).at(0)
    await Promise.allSettled(transaction.running.keys())
  }
  if (floating !== undefined) throw atSite(new TransactionEnded({ method: floating }), site)
  return result
}

/**
 * Runs a function in the transaction of the context. The place of its calls is that of the transaction; their `signal` and
 * `timeout` are set with `with`.
 */
export const inside = <A>(
  place: Place,
  site: Site,
  body: (place: Place) => PromiseLike<A>
): Effect.Effect<A, Thrown> =>
  Effect.flatMap(Effect.context(), (context: Context.Context<never>) => {
    const transaction: TransactionCalls = {
      isEnded: false,
      turn: Semaphore.makeUnsafe(1),
      running: new Map()
    }
    const within: Place = { ...place, context, signal: undefined, timeout: undefined, transaction }
    return Effect.tryPromise({
      try: () => runBody(transaction, site, async () => body(within)),
      catch: (error) => new Thrown(error)
    }).pipe(
      Effect.onExit(() =>
        Effect.sync(() => {
          transaction.isEnded = true
        })
      )
    )
  })
