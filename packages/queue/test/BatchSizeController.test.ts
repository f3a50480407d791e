import { assert, describe, it } from "@effect/vitest"
import { BatchSizeController } from "@hypermarket/queue/internal/claiming/batchSizeController"

describe("The batch size of a queue", () => {
  it("grows to whole batches while they are short", () => {
    const size = new BatchSizeController(24, 500)
    assert.strictEqual(size.jobsMax, 24)
    for (const grown of [48, 96, 192, 384, 500, 500]) {
      size.record(size.jobsMax, 10)
      assert.strictEqual(size.jobsMax, grown)
    }
  })

  it("falls to about fifty milliseconds of work, and not below the concurrency of the handler", () => {
    const size = new BatchSizeController(24, 500)
    for (let n = 0; n < 5; n++) size.record(size.jobsMax, 10)
    size.record(500, 80)
    assert.strictEqual(size.jobsMax, 500)
    size.record(500, 250)
    assert.strictEqual(size.jobsMax, 100)
    size.record(100, 60_000)
    assert.strictEqual(size.jobsMax, 24)
  })

  it("ignores a batch that was small because the queue had no more jobs", () => {
    const size = new BatchSizeController(20, 500)
    size.record(3, 1)
    assert.strictEqual(size.jobsMax, 20)
  })

  it("never exceeds the maximum of a claim", () => {
    assert.strictEqual(new BatchSizeController(4_000, 500).jobsMax, 500)
    assert.strictEqual(new BatchSizeController(40, 10).jobsMax, 10)
  })

  it("never falls to zero", () => {
    const size = new BatchSizeController(0, 500)
    size.record(1, 60_000)
    assert.strictEqual(size.jobsMax, 1)
  })
})
