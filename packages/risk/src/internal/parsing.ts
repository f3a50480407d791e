/**
 * Parses expressions in a separate thread, so that the event loop serves others meanwhile.
 *
 * An expression has 250 ms of the thread's processor time. Past it the thread is terminated, and the next expression starts
 * another one.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import * as Ast from "../cel/Ast.ts"
import * as Parser from "../cel/Parser.ts"

/** Processor time of one expression: the bounds of the parser keep every known text below it. */
const parseMillisMax = 250

/** A starved thread gets at most this long by the clock. */
const parseClockMillisMax = 5_000

/** A thread that does not start by then is not there, as in a bundle without its file. */
const startMillisMax = 10_000

const microsPerMilli = 1_000

/** A tree of 500 nodes takes less than a megabyte. */
const resourceLimits = { maxOldGenerationSizeMb: 64, stackSizeMb: 4 }

const tooLong = (text: string): Parser.Parsed => ({
  ok: false,
  issue: Ast.issueAt(text, 0, "The expression takes too long to parse")
})

/** Its own package finds the module both in the sources and in the build. */
const threadUrl = Effect.try(() =>
  pathToFileURL(createRequire(import.meta.url).resolve("@hypermarket/risk/internal/parserThread"))
)

/** Processor time of the thread so far; undefined before Node 24.6 and of a thread that ended: the clock decides alone. */
const processorMillis = (thread: Worker) =>
  "cpuUsage" in thread
    ? Effect.tryPromise(() => thread.cpuUsage()).pipe(
        Effect.map(({ system, user }) => (system + user) / microsPerMilli),
        Effect.orElseSucceed(() => undefined)
      )
    : Effect.succeed(undefined)

/** Waits for the thread's next message; undefined when the thread ends instead. */
const messageOf = <A>(thread: Worker) =>
  Effect.callback<A | undefined>((resume) => {
    const stop = () => thread.off("message", onMessage).off("error", onEnd).off("exit", onEnd)
    const onMessage = (message: A) => {
      stop()
      resume(Effect.succeed(message))
    }
    const onEnd = () => {
      stop()
      resume(Effect.succeed(undefined))
    }
    thread.once("message", onMessage).once("error", onEnd).once("exit", onEnd)
    return Effect.sync(stop)
  })

const terminate = (thread: Worker) => Effect.promise(() => thread.terminate())

/** Starts a thread. `onReady` gets it when it answers, and `onEnd` when it ends. One that does not answer in time is terminated. */
const start = (onReady: (thread: Worker) => void, onEnd: (thread: Worker) => void) =>
  Effect.gen(function* () {
    const url = yield* threadUrl
    const thread = yield* Effect.try(() => new Worker(url, { resourceLimits }))
    let isReady = false
    // Without a listener for errors one of the thread would end the process.
    const ended = () => onEnd(thread)
    thread.on("error", ended).on("exit", ended).unref()
    yield* messageOf<string>(thread).pipe(
      Effect.timeoutOrElse({ duration: startMillisMax, orElse: () => Effect.succeed(undefined) }),
      Effect.tap((message) =>
        Effect.sync(() => {
          if (message === undefined) return
          isReady = true
          onReady(thread)
        })
      ),
      Effect.ensuring(Effect.suspend(() => (isReady ? Effect.void : terminate(thread))))
    )
  }).pipe(Effect.ignore)

/** Returns when the thread has worked on an expression for too long. */
const overTime = Effect.fnUntraced(function* (thread: Worker) {
  const before = yield* processorMillis(thread)
  for (let waited = 0; waited < parseClockMillisMax; waited += parseMillisMax) {
    yield* Effect.sleep(parseMillisMax)
    const now = yield* processorMillis(thread)
    if (now === undefined || before === undefined || now - before >= parseMillisMax) return
  }
})

/** The thread starts with the first expression, and ends with the scope. */
export const make = Effect.gen(function* () {
  const turn = Semaphore.makeUnsafe(1)
  let thread: Worker | undefined
  const stop = Effect.suspend(() => {
    const current = thread
    thread = undefined
    return current === undefined ? Effect.void : terminate(current)
  })
  const startOne = start(
    (ready) => (thread = ready),
    (ended) => {
      if (thread === ended) thread = undefined
    }
  )
  yield* Effect.addFinalizer(() => stop)

  /** Where no thread can be started, the bounds of the parser alone hold: at most 200 ms. */
  const parse = (text: string): Effect.Effect<Parser.Parsed> =>
    Effect.gen(function* () {
      if (thread === undefined) yield* startOne
      const current: Worker | undefined = thread
      if (current === undefined) return Parser.parse(text)
      let isDone = false
      return yield* Effect.sync(() => current.postMessage(text, [])).pipe(
        Effect.andThen(messageOf<Parser.Parsed>(current)),
        Effect.tap(() => Effect.sync(() => (isDone = true))),
        Effect.raceFirst(Effect.as(overTime(current), undefined)),
        Effect.map((parsed) => parsed ?? tooLong(text)),
        // A thread that goes on would answer the next expression with this one.
        Effect.ensuring(Effect.suspend(() => (isDone ? Effect.void : stop)))
      )
    }).pipe(turn.withPermits(1))

  return { parse }
})
