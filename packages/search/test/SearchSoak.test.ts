/**
 * The short form of `pnpm soak search`: one printed seed each.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Run from "@hypermarket/soak/Run"
import * as Effect from "effect/Effect"
import * as KilledBuilds from "../soak/search/KilledBuilds.ts"
import * as SearchRun from "../soak/search/SearchRun.ts"
import * as TornRun from "../soak/search/TornRun.ts"

const seed = process.pid

describe.concurrent("An index", { retry: 0 }, () => {
  it.live("equals the catalogue after changes, removals, switches and kill -9 of builders and Postgres", () =>
    Effect.gen(function* () {
      yield* Run.say(`--mode kill --seed ${seed}`)
      const report = yield* SearchRun.run(seed, {
        products: 1_500,
        searches: 50,
        clients: 4,
        writers: 2,
        incidents: 3,
        switches: 2
      })
      assert.deepStrictEqual(report.violations, [])
      assert.strictEqual(report.counts.windowsKilledIn, KilledBuilds.windows.length)
      assert.isAtLeast(report.counts.kills ?? 0, 3 + KilledBuilds.windows.length)
      assert.isAtLeast((report.counts.commits ?? 0) + (report.counts.rollbacks ?? 0), 1)
    })
  )

  it.live(
    "answers 32 clients, without fail, from one version each while versions are built, activated and rolled back",
    () =>
      Effect.gen(function* () {
        yield* Run.say(`--mode switch --seed ${seed}`)
        const report = yield* SearchRun.run(seed, {
          products: 2_000,
          searches: 50,
          clients: 32,
          writers: 0,
          incidents: 0,
          switches: 2
        })
        assert.deepStrictEqual(report.violations, [])
        assert.strictEqual(report.counts.switches, 2)
        assert.strictEqual(report.counts.refusedInOutages, 0)
        assert.isAbove(report.counts.answersCompared ?? 0, 100)
      })
  )

  it.live(
    "shows hits with the fields that were searched, and whole transactions, while documents change",
    () =>
      Effect.gen(function* () {
        yield* Run.say(`--mode torn --seed ${seed}`)
        const report = yield* TornRun.run(seed, {
          products: 300,
          searches: 60,
          clients: 4,
          writers: 2,
          incidents: 0,
          switches: 1
        })
        assert.deepStrictEqual(report.violations, [])
        assert.strictEqual(report.counts.switches, 1)
        assert.isAbove(report.counts.commits ?? 0, 1)
      })
  )
})
