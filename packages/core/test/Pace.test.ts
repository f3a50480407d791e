import { assert, describe, it } from "@effect/vitest"
import { Pace } from "@hypermarket/core/internal/workQueue/pace"

describe("The pace of a queue", () => {
  it("grows to whole batches while they are short", () => {
    const pace = new Pace(24, 500)
    assert.strictEqual(pace.jobsMax, 64)
    for (const grown of [128, 256, 500, 500]) {
      pace.note(pace.jobsMax, 10)
      assert.strictEqual(pace.jobsMax, grown)
    }
  })

  it("falls to some fifty milliseconds of work, and not below what runs at the same time", () => {
    const pace = new Pace(24, 500)
    for (let n = 0; n < 3; n++) pace.note(pace.jobsMax, 10)
    pace.note(500, 80)
    assert.strictEqual(pace.jobsMax, 500)
    pace.note(500, 250)
    assert.strictEqual(pace.jobsMax, 100)
    pace.note(100, 60_000)
    assert.strictEqual(pace.jobsMax, 24)
  })

  it("says nothing about a batch that was small because there was no more", () => {
    const pace = new Pace(1, 500)
    pace.note(3, 1)
    assert.strictEqual(pace.jobsMax, 64)
  })

  it("never exceeds a claim", () => {
    assert.strictEqual(new Pace(4_000, 500).jobsMax, 500)
    assert.strictEqual(new Pace(4, 10).jobsMax, 10)
  })

  it("never stands still", () => {
    const pace = new Pace(0, 500)
    pace.note(1, 60_000)
    assert.strictEqual(pace.jobsMax, 1)
  })
})
