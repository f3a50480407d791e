/** The short form of `pnpm soak analytics`: one printed seed. */
import { assert, describe, it } from "@effect/vitest"
import * as Run from "@hypermarket/soak/Run"
import * as Effect from "effect/Effect"
import * as OrderRun from "../soak/analytics/OrderRun.ts"

const seed = process.pid

describe("Summaries under kill -9 of merging processes, sessions and Postgres", { retry: 0 }, () => {
  it.live(
    "equal the facts in the end and whenever they are looked at, and the facts are the highest versions",
    () =>
      Effect.gen(function* () {
        yield* Run.say(`--seed ${seed}`)
        const report = yield* OrderRun.run(seed, 3_000)
        assert.deepStrictEqual(report.violations, [])
        assert.isAtLeast(report.counts.changes ?? 0, 3_000)
      })
  )
})
