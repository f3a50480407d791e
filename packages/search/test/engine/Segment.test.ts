import { assert, describe, it } from "@effect/vitest"
import { Segment, SegmentLoader } from "@hypermarket/search/internal/engine/Segment"
import { Worker } from "node:worker_threads"
import { segmentOf, version } from "./Shelf.ts"

describe("Segment", () => {
  it("refuses rows that are not the whole version", () => {
    const { columns, postings, summary } = version
    const load = (some: typeof postings, others: typeof columns) => () => {
      const loader = new SegmentLoader(summary)
      loader.postings(some)
      loader.columns(others)
      return loader.finish()
    }
    assert.throws(load(postings.slice(1), columns), RangeError)
    assert.throws(load([...postings, ...postings.slice(0, 1)], columns), RangeError)
    assert.throws(
      load(
        postings,
        columns.filter(({ name }) => name !== "price")
      ),
      RangeError
    )
    assert.throws(
      load(
        postings,
        columns.filter(({ part }) => part !== "dictionary")
      ),
      RangeError
    )
    assert.doesNotThrow(load(postings, columns))
  })

  it("has one copy of its bytes in all threads", async () => {
    const { shared } = segmentOf(version)
    const worker = new Worker("require('node:worker_threads').workerData.blocks.fill(7)", {
      eval: true,
      workerData: shared
    })
    const code = await new Promise((resolve) => worker.once("exit", resolve))
    assert.strictEqual(code, 0)
    assert.isTrue(shared.blocks.every((byte) => byte === 7))
    assert.isAbove(new Segment(shared).bytes.total, shared.blocks.length)
  })
})
