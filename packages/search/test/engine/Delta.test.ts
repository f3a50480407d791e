import { assert, describe, it } from "@effect/vitest"
import { Delta } from "@hypermarket/search/internal/engine/Delta"
import { ids, productOf, version } from "./Shelf.ts"

describe("Delta", () => {
  const cheap = productOf("slr", "Camera compact", { numbers: { price: 10 } })

  it("replaces, adds and removes documents for those who search with it", () => {
    const delta = new Delta(version.summary)
    const refusals = delta.apply([
      { docId: "slr", ordinal: 0, document: cheap },
      { docId: "new", ordinal: undefined, document: productOf("new", "Camera zoomer") },
      { docId: "bag", ordinal: 1, document: undefined },
      { docId: "book", ordinal: 2, document: productOf("book", "Notebook", { popularity: Number.NaN }) }
    ])
    assert.deepStrictEqual(ids({ query: "camera" }, delta).toSorted(), ["new", "slr"])
    assert.deepStrictEqual(ids({ query: "digital" }, delta), [])
    assert.deepStrictEqual(ids({ query: "zoomer" }, delta), ["new"])
    assert.deepStrictEqual(ids({ query: "zoo", prefix: true }, delta), ["new"])
    assert.deepStrictEqual(ids({ query: "notebook" }, delta), [])
    assert.deepStrictEqual(
      refusals.map(({ docId }) => docId),
      ["book"]
    )
    assert.deepStrictEqual(ids({ query: "camera" }).toSorted(), ["bag", "slr"])
  })

  it("changes nothing when a change comes again, and finds the last of several", () => {
    const delta = new Delta(version.summary)
    const change = { docId: "slr", ordinal: 0, document: cheap }
    for (let n = 0; n < 3; n++) delta.apply([change, change])
    assert.strictEqual(delta.size, 1)
    assert.deepStrictEqual(ids({ query: "compact" }, delta), ["slr"])
    delta.apply([{ ...change, document: productOf("slr", "Lens") }])
    assert.deepStrictEqual(ids({ query: "compact" }, delta), [])
    assert.deepStrictEqual(ids({ query: "lens" }, delta), ["slr"])
  })

  it("shows an overlay's changes to nobody else", () => {
    const delta = new Delta(version.summary)
    delta.apply([{ docId: "new", ordinal: undefined, document: productOf("new", "Zoomer") }])
    const overlay = delta.overlay([{ docId: "new", ordinal: undefined, document: undefined }])
    assert.deepStrictEqual(ids({ query: "zoomer" }, overlay), [])
    assert.deepStrictEqual(ids({ query: "zoomer" }, delta), ["new"])
    delta.apply([{ docId: "late", ordinal: undefined, document: productOf("late", "Zoomer late") }])
    assert.deepStrictEqual(ids({ query: "zoomer" }, overlay), ["late"])
  })
})
