import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Layer } from "effect"
import type { Worker } from "node:worker_threads"
import { envelopeOf, eventOf, issuesOf, layerServer, newEventId, post, projectOf } from "./errorServer.ts"

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

const events = 200

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("The intake of errors", (it) => {
  it.effect("whose reading thread ends twice acknowledges, stores and counts each event once", () =>
    Effect.gen(function* () {
      const started = yield* threads
      const project = yield* projectOf("acme")
      const isBegun = yield* Deferred.make<void>()
      let answered = 0
      const client = () =>
        Effect.gen(function* () {
          const body = envelopeOf({ event_id: newEventId() }, [{ type: "event" }, eventOf({})])
          const { status, text } = yield* post(project, body, { tenant: "acme" })
          assert.strictEqual(status, 200, text)
          answered++
          if (answered === 20) yield* Deferred.succeed(isBegun, undefined)
        })
      const clients = Effect.forEach(Array.from({ length: events }), client, {
        concurrency: 50,
        discard: true
      })
      const end = Effect.suspend(() => Effect.promise(async () => started.at(-1)?.terminate()))
      const ended = Effect.gen(function* () {
        yield* Deferred.await(isBegun)
        yield* end
        while (started.length < 2) yield* Effect.sleep("5 millis")
        yield* end
      })
      yield* Effect.all([clients, ended], { concurrency: 2, discard: true })
      assert.isAtLeast(started.length, 2)
      const [issue, ...others] = yield* issuesOf("acme")
      assert.isEmpty(others)
      assert.strictEqual(issue?.eventCount, events)
    }).pipe(Effect.scoped)
  )
})
