import { assert, describe, it } from "@effect/vitest"
import { Signal } from "@hypermarket/queue/internal/claiming/signal"
import { Effect, Fiber } from "effect"

/** Returns how many of the waiting fibers have been woken. */
const woken = (fibers: ReadonlyArray<Fiber.Fiber<void>>) =>
  Effect.map(Effect.yieldNow, () => fibers.filter((fiber) => fiber.pollUnsafe() !== undefined).length)

const waiters = (signal: Signal) =>
  Effect.forEach(Array.from({ length: 3 }), () => Effect.forkChild(signal.wait, { startImmediately: true }))

describe("A signal", () => {
  it.effect("wakes one fiber per notification, and all fibers for all", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      const fibers = yield* waiters(signal)
      assert.strictEqual(yield* woken(fibers), 0)
      signal.notify()
      assert.strictEqual(yield* woken(fibers), 1)
      signal.notifyAll()
      assert.strictEqual(yield* woken(fibers), 3)
    })
  )

  it.effect("keeps a notification without a waiting fiber until it is reset", () =>
    Effect.gen(function* () {
      const signal = new Signal()
      signal.notify()
      yield* signal.wait
      signal.reset()
      const fibers = yield* waiters(signal)
      assert.strictEqual(yield* woken(fibers), 0)
      yield* Fiber.interruptAll(fibers)
      // An interrupted fiber does not consume a notification.
      signal.notify()
      yield* signal.wait
    })
  )
})
