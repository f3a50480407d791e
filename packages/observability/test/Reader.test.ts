import { assert, describe, it } from "@effect/vitest"
import * as Reader from "@hypermarket/observability/internal/reader"
import type * as Reading from "@hypermarket/observability/internal/reading"
import { Deferred, Effect, Fiber, Logger } from "effect"
import type { Worker } from "node:worker_threads"
import { envelopeOf, eventOf, newEventId } from "./errorServer.ts"

const endingThread = new URL("endingThread.ts", import.meta.url)

const received = (value: string, tenantId = "acme"): Reading.Received => ({
  route: "envelope",
  body: new TextEncoder().encode(envelopeOf({}, [{ type: "event" }, eventOf({ value })])),
  context: {
    tenantId,
    projectId: 1,
    receivedAtMillis: 0,
    keepsAddresses: false,
    clientAddress: "",
    rules: [],
    newEventId: newEventId()
  },
  browser: { userAgent: "", release: null, environment: null }
})

const titlesOf = (answer: Reading.Answer | undefined) =>
  typeof answer === "object" ? answer.submission.events.map(({ title }) => title) : answer

/** A reader whose thread is ready: before it is, bodies are read without it. */
const ready = Effect.fnUntraced(function* (options: Parameters<typeof Reader.make>[0] = {}) {
  const isReady = yield* Deferred.make<void>()
  const onThread = (thread: Worker) => {
    thread.on("message", (message) => {
      if (message === "ready") Effect.runSync(Deferred.succeed(isReady, undefined))
    })
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("worker", onThread)),
    () => Effect.sync(() => process.off("worker", onThread))
  )
  const read = yield* Reader.make(options)
  // Read while the thread starts.
  assert.deepStrictEqual(titlesOf(yield* read(received("end the thread"))), ["TypeError: end the thread"])
  yield* Deferred.await(isReady)
  return read
})

describe("the thread that reads bodies", () => {
  for (const [what, value, options] of [
    ["ends", "end the thread", { thread: endingThread }],
    ["hangs", "hang the thread", { thread: endingThread, silentSecondsMax: 1 }]
  ] as const) {
    it.live(`${what} with one body: it is refused, and those that were read with it are read again`, () =>
      Effect.gen(function* () {
        const read = yield* ready(options)
        const values = ["a", "b", value, "c", "d"]
        const answers = yield* Effect.forEach(values, (value) => read(received(value)), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(answers.map(titlesOf), [
          ["TypeError: a"],
          ["TypeError: b"],
          undefined,
          ["TypeError: c"],
          ["TypeError: d"]
        ])
        assert.deepStrictEqual(titlesOf(yield* read(received("after"))), ["TypeError: after"])
      }).pipe(Effect.scoped)
    )
  }

  for (const name of ["constructor", "__proto__", "valueOf"]) {
    it.live(`takes the level and the type ${name} for ones that it does not know`, () =>
      Effect.gen(function* () {
        const read = yield* ready()
        const body = envelopeOf(
          {},
          [{ type: "event" }, eventOf({ event: { level: name } })],
          [{ type: name }, { some: "item" }]
        )
        const answer = yield* read({ ...received(""), body: new TextEncoder().encode(body) })
        if (typeof answer !== "object") return assert.fail(answer)
        const { counts, events } = answer.submission
        assert.deepStrictEqual(
          events.map(({ level }) => level),
          ["error"]
        )
        assert.deepStrictEqual(
          counts.map(({ category }) => category),
          ["unknown"]
        )
      }).pipe(Effect.scoped)
    )
  }

  it.live("reads bodies of any size without a thread that does not get ready", () =>
    Effect.gen(function* () {
      const read = yield* Reader.make({
        thread: new URL("data:text/javascript,setInterval(() => {}, 1000)"),
        startSecondsMax: 1
      })
      const large = "a".repeat(300_000)
      assert.deepStrictEqual(titlesOf(yield* read(received(large)))?.length, 1)
      assert.deepStrictEqual(titlesOf(yield* read(received("after"))), ["TypeError: after"])
    }).pipe(Effect.scoped)
  )

  it.live("refuses a body whose reading fails, and logs whose it was without what it has", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push([logLevel, message]))
      yield* Effect.gen(function* () {
        const read = yield* ready({ thread: endingThread })
        assert.isUndefined(yield* read(received("without context")))
        const here = yield* Reader.make()
        const { body, ...rest } = received("unreadable")
        const unreadable = new Proxy(body, {
          get: (target, name) =>
            name === "byteLength" ? target.byteLength : assert.fail("it cannot be read")
        })
        assert.isUndefined(yield* here({ ...rest, body: unreadable }))
        assert.deepStrictEqual(titlesOf(yield* read(received("after"))), ["TypeError: after"])
      }).pipe(Effect.provide(Logger.layer([logger])))
      const what = "A body cannot be read and is refused"
      assert.deepStrictEqual(
        lines,
        ["TypeError", "AssertionError"].map((detail) => [
          "Error",
          [what, { tenant_id: "acme", project_id: 1, detail }]
        ])
      )
    }).pipe(Effect.scoped)
  )

  it.live("reads bodies where there is no thread to start", () =>
    Effect.gen(function* () {
      const read = yield* Reader.make({ thread: new URL("missing.ts", import.meta.url) })
      let started = 0
      const onThread = () => started++
      yield* Effect.acquireRelease(
        Effect.sync(() => process.on("worker", onThread)),
        () => Effect.sync(() => process.off("worker", onThread))
      )
      assert.deepStrictEqual(titlesOf(yield* read(received("here"))), ["TypeError: here"])
      // A large body waits until the thread is known to be missing.
      assert.lengthOf(titlesOf(yield* read(received("x".repeat(300_000)))) ?? [], 1)
      assert.deepStrictEqual(titlesOf(yield* read(received("and here"))), ["TypeError: and here"])
      assert.strictEqual(started, 1)
    }).pipe(Effect.scoped)
  )

  it.live("has turns: a body of one tenant does not wait for the 1,000 that another sent before", () =>
    Effect.gen(function* () {
      const read = yield* ready()
      let before = 0
      const first = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 1_000 }),
          () => Effect.tap(read(received("many", "hostile")), () => Effect.sync(() => before++)),
          { concurrency: "unbounded", discard: true }
        ),
        { startImmediately: true }
      )
      assert.deepStrictEqual(titlesOf(yield* read(received("one", "good"))), ["TypeError: one"])
      assert.isAtMost(before, 100)
      yield* Fiber.join(first)
      assert.strictEqual(before, 1_000)
    }).pipe(Effect.scoped)
  )

  for (const [what, bytes, heldMax] of [
    ["small", 100, 16],
    ["large", 300_000, 1]
  ] as const) {
    it.live(
      `has at most ${heldMax} of the ${what} bodies of one tenant, and reads those of others beside`,
      () =>
        Effect.gen(function* () {
          const read = yield* ready({ thread: endingThread })
          const held = received(`hold the thread ${"x".repeat(bytes)}`, "hostile")
          yield* Effect.forEach(Array.from({ length: 100 }), () => read(held), {
            concurrency: "unbounded",
            discard: true
          }).pipe(Effect.forkChild({ startImmediately: true }))
          const answers = yield* Effect.forEach(Array.from({ length: 100 }), () =>
            read(received("count the held", "good"))
          )
          assert.deepStrictEqual(titlesOf(answers.at(-1)), [`TypeError: ${heldMax} held`])
        }).pipe(Effect.scoped)
    )
  }
})
