/** Rate limits under load while Postgres hangs or is stopped: a twelfth of the 20 s of `pnpm soak quotas`. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as OutageRun from "../soak/quotas/OutageRun.ts"

const seed = process.pid
const outageMillis = 1_700

for (const [how, outage] of [
  ["hangs", "frozen"],
  ["is stopped", "shutDown"]
] as const) {
  it.live(
    `while Postgres ${how} under load each policy fails as it says, within its deadline, the metric counts it, and no process admits more than burst + rate x time`,
    () =>
      Effect.gen(function* () {
        const { counts, violations } = yield* OutageRun.run(seed, outage, outageMillis)
        assert.deepStrictEqual(violations, [])
        // Most requests do not wait for the deadline.
        const { alone = 0, waited = 0 } = counts
        assert.isBelow(waited, alone / 2)
      })
  )
}
