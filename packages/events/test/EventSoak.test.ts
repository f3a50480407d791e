/**
 * The short form of `pnpm soak events`: one printed seed, and proof that the harness sees what it is there for.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Run from "@hypermarket/soak/Run"
import * as Effect from "effect/Effect"
import * as Breaks from "../soak/events/breaks.ts"
import * as KillRun from "../soak/events/KillRun.ts"
import * as PublishRun from "../soak/events/PublishRun.ts"

const seed = process.pid

describe.concurrent("Events under kill -9 of workers and Postgres", { retry: 0 }, () => {
  it.live("lose nothing, keep the order of keys, acknowledge once, bury what takes workers down", () =>
    Effect.gen(function* () {
      yield* Run.say(`--seed ${seed}`)
      const report = yield* KillRun.run(seed, { jobs: 1_200, incidents: 4, poison: 1, workers: 3 })
      assert.deepStrictEqual(report.violations, [])
      assert.isAtLeast(report.counts.workerDeaths ?? 0, 4)
      assert.strictEqual(report.counts.postgresKills, 1)
    })
  )

  it.live("are handled once each when published in batches meanwhile", () =>
    Effect.gen(function* () {
      yield* Run.say(`--seed ${seed}`)
      const report = yield* PublishRun.run(seed, { jobs: 10_000, incidents: 3, poison: 0, workers: 3 })
      assert.deepStrictEqual(report.violations, [])
      assert.strictEqual(report.counts.handled, 10_000)
    })
  )
})

// One at a time: five clusters at once starve each other of processor until leases are lost.
describe("The harness", { retry: 0 }, () => {
  it.live("finds effects that happen twice when fencing is taken out", () =>
    Effect.map(Breaks.check("fencing", seed), (found) => assert.isNotEmpty(found))
  )

  it.live("finds nothing when only the notice before the fence is taken out: the fence is enough", () =>
    Effect.map(Breaks.check("notice", seed), (found) => assert.isEmpty(found))
  )

  it.live("finds jobs out of order when the order of keys is taken out", () =>
    Effect.map(Breaks.check("order", seed), (found) => assert.isNotEmpty(found))
  )
})
