/**
 * Runs requests of one key together: the first one runs at once, and those that come meanwhile share the next run. A lone caller
 * waits for no other, and many callers share a transaction and its write to disk.
 */
import * as Storage from "@hypermarket/core/Storage"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { isSqlError } from "effect/sql/SqlError"

/** Requests per run. More would let the first of them wait for a long statement. */
const requestsMax = 200

interface Waiting<Request, Answer, E> {
  readonly request: Request
  readonly answer: Deferred.Deferred<Answer, E>
  /** Set when the caller has gone: a request that has not begun is left out. */
  isAbandoned: boolean
}

interface Line<Request, Answer, E> {
  waiting: Array<Waiting<Request, Answer, E>>
  running: ReadonlyArray<Waiting<Request, Answer, E>>
}

/** True when one of the requests may be the reason, as one whose key no column takes. */
const isOfOne = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some(
    (reason) => reason._tag === "Fail" && isSqlError(reason.error) && !Storage.isRetryable(reason.error)
  )

/**
 * Returns how to ask. `run` answers its requests in their order, in one transaction: when it fails, none of them has happened. It
 * runs with the services of the caller who came first, whose key is that of all.
 */
export const make = Effect.fnUntraced(function* <Request, Answer, E, R>(
  run: (requests: NonEmptyReadonlyArray<Request>) => Effect.Effect<ReadonlyArray<Exit.Exit<Answer, E>>, E, R>
) {
  const scope = yield* Effect.scope
  const lines = new Map<string, Line<Request, Answer, E>>()

  const finish = (
    waiting: ReadonlyArray<Waiting<Request, Answer, E>>,
    exit: Exit.Exit<ReadonlyArray<Exit.Exit<Answer, E>>, E>
  ) => {
    for (const [index, { answer }] of waiting.entries()) {
      const own = Exit.isSuccess(exit) ? exit.value[index] : Exit.failCause(exit.cause)
      Deferred.doneUnsafe(answer, own ?? Exit.die(new TypeError("a request without an answer")))
    }
  }

  const runAlone = (waiting: Waiting<Request, Answer, E>) =>
    Effect.map(Effect.exit(run([waiting.request])), (exit) => finish([waiting], exit))

  const runAll = Effect.fnUntraced(function* (requests: NonEmptyReadonlyArray<Waiting<Request, Answer, E>>) {
    const [first, ...others] = requests
    if (others.length === 0) return yield* runAlone(first)
    const exit = yield* Effect.exit(run([first.request, ...others.map(({ request }) => request)]))
    if (isOfOne(exit)) return yield* Effect.forEach(requests, runAlone, { discard: true })
    finish(requests, exit)
  })

  const work = Effect.fnUntraced(function* (key: string, line: Line<Request, Answer, E>) {
    for (;;) {
      const taken = line.waiting.slice(0, requestsMax)
      line.waiting = line.waiting.slice(requestsMax)
      line.running = taken
      const [first, ...others] = taken.filter(({ isAbandoned }) => !isAbandoned)
      if (first !== undefined) yield* runAll([first, ...others])
      if (line.waiting.length > 0) continue
      lines.delete(key)
      return
    }
  })

  /** Callers of a line that has ended are not left waiting: the services of the process have been closed. */
  const end = (key: string, line: Line<Request, Answer, E>) => {
    if (lines.get(key) === line) lines.delete(key)
    for (const { answer } of [...line.running, ...line.waiting]) Deferred.doneUnsafe(answer, Exit.interrupt())
  }

  return (key: string, request: Request): Effect.Effect<Answer, E, R> =>
    Effect.uninterruptibleMask((restore) => {
      const waiting = { request, answer: Deferred.makeUnsafe<Answer, E>(), isAbandoned: false }
      const answered = restore(Deferred.await(waiting.answer)).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            waiting.isAbandoned = true
          })
        )
      )
      const existing = lines.get(key)
      if (existing !== undefined) {
        existing.waiting.push(waiting)
        return answered
      }
      const line: Line<Request, Answer, E> = { waiting: [waiting], running: [] }
      lines.set(key, line)
      return Effect.forkIn(work(key, line), scope).pipe(
        Effect.tap((fiber) => Effect.sync(() => fiber.addObserver(() => end(key, line)))),
        Effect.andThen(answered)
      )
    })
})
