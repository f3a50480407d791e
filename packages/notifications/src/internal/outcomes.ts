/** Runs the sends of a group at once, and writes the outcomes of those that end before a slow one. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"

/** Outcomes wait this long for the others of their group. A worker that dies by then leaves them in doubt. */
const delayMillis = 200

export interface Collected<Outcome, Change, E> {
  readonly exits: ReadonlyArray<Exit.Exit<Outcome, E>>
  /** Changes that are not written yet: the caller writes them in its next commit. */
  readonly unwritten: ReadonlyArray<Change>
}

/** A group that ends in time costs no commit here. One that is slow holds the others up for a moment only. */
export const collect = Effect.fnUntraced(function* <A, Outcome, Change, E, R, E2, R2>(
  group: ReadonlyArray<A>,
  send: (item: A) => Effect.Effect<{ readonly outcome: Outcome; readonly change: Change }, E, R>,
  write: (changes: ReadonlyArray<Change>) => Effect.Effect<void, E2, R2>
): Effect.fn.Return<Collected<Outcome, Change, E | E2>, never, R | R2> {
  const unwritten: Array<Change> = []
  const ended = yield* Deferred.make<void>()
  let inFlight = group.length
  const leave = Effect.suspend(() => (--inFlight === 0 ? Deferred.succeed(ended, undefined) : Effect.void))
  const sendOne = Effect.fnUntraced(function* (item: A) {
    const sent = yield* send(item).pipe(
      Effect.map((result) => ({ ...result, isFirst: unwritten.push(result.change) === 1 })),
      Effect.ensuring(leave)
    )
    if (sent.isFirst) {
      const isOver = yield* Effect.timeoutOption(Deferred.await(ended), delayMillis)
      if (Option.isNone(isOver)) yield* write(unwritten.splice(0))
    }
    return sent.outcome
  })
  // One that fails interrupts no other.
  const exits = yield* Effect.forEach(group, (item) => Effect.exit(sendOne(item)), {
    concurrency: "unbounded"
  })
  return { exits, unwritten }
})
