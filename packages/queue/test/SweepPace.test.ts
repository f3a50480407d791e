import { assert, describe, it } from "@effect/vitest"
import * as SweepPace from "@hypermarket/queue/internal/claiming/sweepPace"

const waitOf = (sweep: { readonly found: number; readonly handled: number }): number => {
  const waitAfter = SweepPace.make(40)
  const waits = [26, 31, 29].map((tookMillis) => waitAfter({ ...sweep, tookMillis }))
  return waits.at(-1) ?? 0
}

describe("The loop of sweeps", () => {
  it("uses a tenth of the time, and a hundredth while more than a thousand flows have no handler here", () => {
    assert.strictEqual(waitOf({ found: 0, handled: 0 }), 260)
    assert.strictEqual(waitOf({ found: 950, handled: 0 }), 260)
    assert.strictEqual(waitOf({ found: 30_000, handled: 30_000 }), 260)
    assert.strictEqual(waitOf({ found: 30_000, handled: 14_700 }), 260)
    assert.strictEqual(waitOf({ found: 1_100, handled: 12 }), 2_600)
    assert.strictEqual(waitOf({ found: 30_000, handled: 3 }), 2_600)
  })

  it("goes by the shortest of three sweeps, and waits its interval after one that failed", () => {
    const waitAfter = SweepPace.make(40)
    const sweep = (tookMillis: number) => waitAfter({ found: 7, handled: 7, tookMillis })
    assert.deepStrictEqual([sweep(900), sweep(8), sweep(700)], [40, 40, 80])
    assert.deepStrictEqual([sweep(650), waitAfter(undefined)], [80, 40])
  })
})
