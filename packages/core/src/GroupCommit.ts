/**
 * Group commit: concurrent calls of one tenant share a transaction and its write to disk.
 *
 * The first call runs at once, with those that come in the same turn of the event loop. While it runs the next ones wait, and
 * then share one run. So a lone caller waits for no other, and a tenant holds one connection per key.
 *
 * A run happens in whole or not at all. When one request may be the reason that it failed, its halves run again, until the bad
 * request has failed alone. So a request may run several times, in transactions of which at most one commits.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"
import * as Storage from "./Storage.ts"
import { Tenant } from "./Tenant.ts"
import { isOpen } from "./Transaction.ts"

interface Call<Request, Answer, E, R> {
  readonly request: Request
  /** The services of the caller. */
  readonly context: Context.Context<R>
  readonly resume: (exit: Exit.Exit<Answer, E>) => void
  /** Set when the caller has gone: a request that has not begun is left out. */
  isAbandoned: boolean
}

interface Line<Request, Answer, E, R> {
  waiting: Array<Call<Request, Answer, E, R>>
  running: ReadonlyArray<Call<Request, Answer, E, R>>
}

/**
 * True when one request may be the reason, such as one whose key no column takes, or one whose row does not decode. An
 * unavailable server fails all requests, and so does an error that `run` returns for what they have in common.
 */
const isOfOne = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.every((reason) => {
    if (reason._tag === "Fail") return isSqlError(reason.error) && !Storage.isRetryable(reason.error)
    return reason._tag === "Die"
  })

const tooFewAnswers = Exit.die(new TypeError("A run returned too few answers"))

/**
 * Returns a function that runs a request with others of its tenant and key, and ends when their run has ended.
 *
 * - In a transaction of the caller, a request runs alone, as part of it.
 * - A run has the services of its first caller. All requests have the same tenant and key.
 * - A caller that is interrupted before its run leaves it. One that is interrupted later does not stop the run.
 * - When the scope closes, calls that wait or run are interrupted.
 *
 * The number of calls that wait is not bounded here: each is a fiber of a caller, who bounds them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <Request, Answer, E, R>(options: {
  /** The client on which `run` has its transaction. */
  readonly sql: SqlClient.SqlClient
  /** Runs the requests in one transaction, or one statement, and returns their answers in their order. */
  readonly run: (
    requests: Arr.NonEmptyReadonlyArray<Request>
  ) => Effect.Effect<ReadonlyArray<Answer>, E, R | Tenant>
  /** Requests per run. More wait for the next one: with too many the first waits for a long statement. */
  readonly max: number
  /**
   * Requests of a tenant with different keys run beside each other.
   *
   * @default all requests of a tenant have one key
   */
  readonly keyOf?: (request: Request) => string
}): Effect.fn.Return<(request: Request) => Effect.Effect<Answer, E, R | Tenant>, never, Scope.Scope> {
  const { keyOf, max, run, sql } = options
  // Not in the fiber of a caller: its end must not stop a run of others.
  const fork = yield* FiberSet.makeRuntime()
  const lines = new Map<string, Line<Request, Answer, E, R | Tenant>>()

  const settle = (
    calls: ReadonlyArray<Call<Request, Answer, E, R | Tenant>>,
    exit: Exit.Exit<ReadonlyArray<Answer>, E>
  ) => {
    const answers = Exit.isSuccess(exit) ? exit.value : []
    for (const [index, answer] of answers.entries()) calls[index]?.resume(Exit.succeed(answer))
    const failed = Exit.isSuccess(exit) ? tooFewAnswers : Exit.failCause(exit.cause)
    for (const { resume } of calls.slice(answers.length)) resume(failed)
  }

  const runAll = (calls: ReadonlyArray<Call<Request, Answer, E, R | Tenant>>): Effect.Effect<void> => {
    const [first, ...others] = calls
    if (first === undefined) return Effect.void
    const requests = [first.request, ...others.map(({ request }) => request)] as const
    return Effect.flatMap(Effect.exit(Effect.provideContext(run(requests), first.context)), (exit) => {
      if (others.length > 0 && Exit.isFailure(exit) && isOfOne(exit.cause)) {
        const half = Math.floor(calls.length / 2)
        return Effect.andThen(runAll(calls.slice(0, half)), runAll(calls.slice(half)))
      }
      return Effect.sync(() => settle(calls, exit))
    })
  }

  const work = Effect.fnUntraced(function* (key: string, line: Line<Request, Answer, E, R | Tenant>) {
    // Callers that run now join the first run.
    yield* Effect.yieldNow
    while (line.waiting.length > 0) {
      const waiting = line.waiting.filter(({ isAbandoned }) => !isAbandoned)
      line.running = waiting.slice(0, max)
      line.waiting = waiting.slice(max)
      yield* runAll(line.running)
    }
    lines.delete(key)
  })

  const begin = (key: string, call: Call<Request, Answer, E, R | Tenant>) => {
    const line: Line<Request, Answer, E, R | Tenant> = { waiting: [call], running: [] }
    lines.set(key, line)
    // Also when the scope has closed, which ends the fiber before it begins.
    fork(work(key, line)).addObserver(() => {
      if (lines.get(key) === line) lines.delete(key)
      for (const { resume } of [...line.running, ...line.waiting]) resume(Exit.interrupt())
    })
  }

  const share = (request: Request, context: Context.Context<R | Tenant>): Effect.Effect<Answer, E> =>
    Effect.callback((resume) => {
      const key = `${Context.get(context, Tenant).id}\n${keyOf?.(request) ?? ""}`
      const call = { request, context, resume, isAbandoned: false }
      const line = lines.get(key)
      if (line === undefined) begin(key, call)
      else line.waiting.push(call)
      return Effect.sync(() => {
        call.isAbandoned = true
      })
    })

  const runAlone = (request: Request) =>
    Effect.flatMap(run([request]), (answers): Exit.Exit<Answer> =>
      Arr.isReadonlyArrayNonEmpty(answers) ? Exit.succeed(answers[0]) : tooFewAnswers
    )

  return (request) =>
    Effect.flatMap(isOpen(sql), (open) =>
      open
        ? runAlone(request)
        : Effect.contextWith((context: Context.Context<R | Tenant>) => share(request, context))
    )
})
