import { assert, describe, it } from "@effect/vitest"
import * as Outcomes from "@hypermarket/notifications/internal/outcomes"
import { Deferred, Effect, Exit, Fiber } from "effect"

describe("Outcomes of a group", () => {
  it.live("are left to the next commit, and are written before a slow send has ended", () =>
    Effect.gen(function* () {
      const slow = yield* Deferred.make<void>()
      const commits: Array<ReadonlyArray<string>> = []
      const send = (name: string) =>
        Effect.as(name === "slow" ? Deferred.await(slow) : Effect.void, { outcome: name, change: name })
      const write = (changes: ReadonlyArray<string>) => Effect.sync(() => void commits.push(changes))
      const quick = yield* Outcomes.collect(["a", "b", "c"], send, write)
      assert.deepStrictEqual(commits, [])
      assert.deepStrictEqual(quick, {
        exits: [Exit.succeed("a"), Exit.succeed("b"), Exit.succeed("c")],
        unwritten: ["a", "b", "c"]
      })
      const held = yield* Effect.forkChild(
        Effect.uninterruptible(Outcomes.collect(["a", "slow", "b"], send, write))
      )
      yield* Effect.repeat(Effect.sleep("10 millis"), { until: () => commits.length > 0 })
      assert.deepStrictEqual(commits, [["a", "b"]])
      yield* Deferred.succeed(slow, undefined)
      const { unwritten } = yield* Fiber.join(held)
      assert.deepStrictEqual(commits, [["a", "b"]])
      assert.deepStrictEqual(unwritten, ["slow"])
    })
  )

  it.live("are kept of the others when one send fails", () =>
    Effect.gen(function* () {
      const { exits, unwritten } = yield* Outcomes.collect(
        ["a", "bad", "b"],
        (name) => (name === "bad" ? Effect.fail("bad") : Effect.succeed({ outcome: name, change: name })),
        () => Effect.void
      )
      assert.deepStrictEqual(exits, [Exit.succeed("a"), Exit.fail("bad"), Exit.succeed("b")])
      assert.deepStrictEqual(unwritten, ["a", "b"])
    })
  )
})
