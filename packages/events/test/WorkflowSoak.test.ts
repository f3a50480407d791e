/** The short form of `pnpm soak workflows`: one printed seed, and proof that the harness sees what it is there for. */
import { assert, describe, it } from "@effect/vitest"
import * as BrokenBuild from "@hypermarket/soak/BrokenBuild"
import * as Run from "@hypermarket/soak/Run"
import * as Effect from "effect/Effect"
import { wake } from "../soak/workflows/breaks.ts"
import * as WorkflowRun from "../soak/workflows/WorkflowRun.ts"

const seed = process.pid
/** A machine of CI may be busy; a lost wake would be later than any of this. */
const lateMillisMax = 60_000

describe("Executions under kill -9 of workers and Postgres", { retry: 0 }, () => {
  it.live("all finish, run no recorded activity again, and compensate in reverse", () =>
    Effect.gen(function* () {
      yield* Run.say(`--seed ${seed}`)
      const report = yield* WorkflowRun.run(seed, {
        executions: 70,
        incidents: 5,
        workers: 2,
        pauseMillisMax: 2_500,
        lateMillisMax
      })
      assert.deepStrictEqual(report.violations, [])
      assert.strictEqual(report.counts["postgresKills"], 1)
      assert.strictEqual(report.counts["postgresStops"], 1)
      assert.strictEqual(report.counts["postgresFreezes"], 1)
      assert.isAtLeast(report.counts["workerDeaths"] ?? 0, 1)
    })
  )

  it.live("do not finish when the job of a wake-up is enqueued after its transaction", () =>
    Effect.gen(function* () {
      // A kill has to hit the second between commit and wake-up. Few runs have no such kill.
      let tries = 0
      const found = yield* Effect.retry(
        Effect.suspend(() => BrokenBuild.check("wake", wake, seed + tries++)),
        { times: 3 }
      )
      assert.isNotEmpty(found)
    })
  )
})
