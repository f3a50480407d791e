import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Exit, Layer } from "effect"
import type { Worker } from "node:worker_threads"
import { envelopeOf, eventOf, issuesOf, layerServer, newEventId, post, projectOf } from "./errorServer.ts"

/** The threads that this process starts meanwhile. The first is ended as soon as it has the twentieth body. */
const threads = Effect.acquireRelease(
  Effect.sync(() => {
    const started: Array<Worker> = []
    const isReady = Deferred.makeUnsafe<void>()
    const listener = (thread: Worker) => {
      started.push(thread)
      if (started.length > 1) return
      thread.once("message", () => Deferred.doneUnsafe(isReady, Exit.void))
      const send = thread.postMessage.bind(thread)
      let bodies = 0
      thread.postMessage = (value: unknown, transferred?: Parameters<Worker["postMessage"]>[1]) => {
        send(value, transferred)
        if (++bodies === 20) void thread.terminate()
      }
    }
    process.on("worker", listener)
    return { started, listener, isReady: Deferred.await(isReady) }
  }),
  ({ listener }) => Effect.sync(() => process.off("worker", listener))
)

const events = 200

layer(layerServer.pipe(Layer.orDie), { excludeTestServices: true })("The intake of errors", (it) => {
  it.effect("whose reading thread ends acknowledges, stores and counts each event once", () =>
    Effect.gen(function* () {
      const { isReady, started } = yield* threads
      const project = yield* projectOf("acme")
      const client = () =>
        Effect.gen(function* () {
          const body = envelopeOf({ event_id: newEventId() }, [{ type: "event" }, eventOf({})])
          const { status, text } = yield* post(project, body, { tenant: "acme" })
          assert.strictEqual(status, 200, text)
        })
      yield* client()
      yield* isReady
      yield* Effect.forEach(Array.from({ length: events - 1 }), client, { concurrency: 50, discard: true })
      assert.lengthOf(started, 2)
      const [issue, ...others] = yield* issuesOf("acme")
      assert.isEmpty(others)
      assert.strictEqual(issue?.eventCount, events)
    }).pipe(Effect.scoped)
  )
})
