/**
 * The short form of `pnpm soak errors`: one printed seed.
 */
import { assert, it } from "@effect/vitest"
import * as Run from "@hypermarket/soak/Run"
import * as Effect from "effect/Effect"
import * as ErrorRun from "../soak/errors/ErrorRun.ts"

const seed = process.pid

it.live(
  "Acknowledged errors are stored once and counted, with kill -9 of API, worker and Postgres and the spool in use, and no answer is 5xx",
  () =>
    Effect.gen(function* () {
      yield* Run.say(`--seed ${seed}`)
      const report = yield* ErrorRun.run(seed, { rounds: 1, senders: 6, outageSeconds: 4 })
      assert.deepStrictEqual(report.violations, [])
      assert.isAtLeast(report.counts.acknowledged ?? 0, 100)
      assert.isAbove(report.counts.spooledBytesMax ?? 0, 0)
    }),
  { retry: 0 }
)
