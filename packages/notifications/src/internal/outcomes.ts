/** Runs the sends of a group at once, and writes their outcomes together. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"

/** Outcomes wait this long to be written in one commit. A worker that dies by then leaves them in doubt. */
const delayMillis = 200

/** A commit has the outcomes of a group, but for one that is slow: it holds the others up for a moment only. */
export const collect = Effect.fnUntraced(function* <A, Outcome, Change, E, R, E2, R2>(
  group: ReadonlyArray<A>,
  send: (item: A) => Effect.Effect<{ readonly outcome: Outcome; readonly change: Change }, E, R>,
  write: (changes: ReadonlyArray<Change>) => Effect.Effect<void, E2, R2>
): Effect.fn.Return<ReadonlyArray<Exit.Exit<Outcome, E | E2>>, never, R | R2> {
  const unwritten: Array<Change> = []
  const ended = yield* Deferred.make<void>()
  let inFlight = group.length
  const flush = Effect.suspend(() => write(unwritten.splice(0)))
  const leave = Effect.suspend(() => (--inFlight === 0 ? Deferred.succeed(ended, undefined) : Effect.void))
  const sendOne = Effect.fnUntraced(function* (item: A) {
    const sent = yield* send(item).pipe(
      Effect.map((result) => ({ ...result, isFirst: unwritten.push(result.change) === 1 })),
      Effect.ensuring(leave)
    )
    if (sent.isFirst) {
      yield* Effect.timeoutOption(Deferred.await(ended), delayMillis)
      yield* flush
    }
    return sent.outcome
  })
  // One that fails interrupts no other.
  return yield* Effect.forEach(group, (item) => Effect.exit(sendOne(item)), { concurrency: "unbounded" })
})
