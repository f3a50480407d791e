import { assert, describe, it } from "@effect/vitest"
import * as Parsing from "@hypermarket/risk/internal/parsing"
import { Effect, Fiber } from "effect"
import type { Worker } from "node:worker_threads"

/** The threads that this process starts meanwhile. */
const threads = Effect.acquireRelease(
  Effect.sync(() => {
    const started: Array<Worker> = []
    const listener = (thread: Worker) => started.push(thread)
    process.on("worker", listener)
    return { started, listener }
  }),
  ({ listener }) => Effect.sync(() => process.off("worker", listener))
).pipe(Effect.map(({ started }) => started))

const untilEnded = (thread: Worker) =>
  Effect.callback<void>((resume) => {
    if (thread.threadId === -1) resume(Effect.void)
    else thread.once("exit", () => resume(Effect.void))
  })

describe("the parser's thread", () => {
  it.live("that has ended is replaced, and the next expression is parsed", () =>
    Effect.gen(function* () {
      const started = yield* threads
      const { parse } = yield* Parsing.make
      assert.isTrue((yield* parse("result == 'declined'")).ok)
      for (let index = 0; index < 3; index++) {
        yield* Effect.promise(async () => started.at(-1)?.terminate())
        assert.isTrue((yield* parse(`amount > ${index}`)).ok)
      }
      assert.lengthOf(started, 4)
    }).pipe(Effect.scoped)
  )

  it.live("that its caller does not wait for is not left behind", () =>
    Effect.gen(function* () {
      const started = yield* threads
      const { parse } = yield* Parsing.make
      const waiting = yield* Effect.forkChild(parse("true"))
      while (started.length === 0) yield* Effect.yieldNow
      yield* Fiber.interrupt(waiting)
      const [abandoned] = started
      if (abandoned !== undefined) yield* untilEnded(abandoned)
      assert.isTrue((yield* parse("false")).ok)
      assert.lengthOf(started, 2)
    }).pipe(Effect.scoped)
  )
})
