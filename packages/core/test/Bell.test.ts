import { assert, describe, it } from "@effect/vitest"
import { Bell } from "@hypermarket/core/internal/workQueue/bell"
import { Effect, Fiber } from "effect"

/** How many of the waiting have been woken. */
const woken = (fibers: ReadonlyArray<Fiber.Fiber<void>>) =>
  Effect.map(Effect.yieldNow, () => fibers.filter((fiber) => fiber.pollUnsafe() !== undefined).length)

const waiters = (bell: Bell) =>
  Effect.forEach(Array.from({ length: 3 }), () => Effect.forkChild(bell.rung, { startImmediately: true }))

describe("Bell", () => {
  it.effect("wakes one a ring, and all for all", () =>
    Effect.gen(function* () {
      const bell = new Bell()
      const fibers = yield* waiters(bell)
      assert.strictEqual(yield* woken(fibers), 0)
      bell.ring()
      assert.strictEqual(yield* woken(fibers), 1)
      bell.ringForAll()
      assert.strictEqual(yield* woken(fibers), 3)
    })
  )

  it.effect("keeps a ring that nobody heard, until somebody looks", () =>
    Effect.gen(function* () {
      const bell = new Bell()
      bell.ring()
      yield* bell.rung
      bell.hush()
      const fibers = yield* waiters(bell)
      assert.strictEqual(yield* woken(fibers), 0)
      yield* Fiber.interruptAll(fibers)
      // Who does not wait any more takes no ring from those that come.
      bell.ring()
      yield* bell.rung
    })
  )
})
