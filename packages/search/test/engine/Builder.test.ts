import { assert, describe, it } from "@effect/vitest"
import { Builder, typoColumn } from "@hypermarket/search/internal/engine/Builder"
import * as Columns from "@hypermarket/search/internal/engine/Columns"
import { compareTerms } from "@hypermarket/search/internal/engine/Dictionary"
import * as EngineSettings from "@hypermarket/search/internal/engine/EngineSettings"
import * as settingsHash from "@hypermarket/search/internal/engine/settingsHash"
import type { IndexDocument } from "@hypermarket/search/internal/engine/IndexDocument"
import { Searcher } from "@hypermarket/search/internal/engine/Searcher"
import * as SearchRequest from "@hypermarket/search/internal/engine/SearchRequest"
import { SegmentLoader } from "@hypermarket/search/internal/engine/Segment"
import * as Typo from "@hypermarket/search/internal/engine/Typo"
import { VersionSummary } from "@hypermarket/search/internal/engine/VersionSummary"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { documentsOf, settings, vocabularyOf } from "./Catalogue.ts"

const build = (documents: ReadonlyArray<IndexDocument>) => {
  const builder = new Builder(settings)
  for (const document of documents) Result.getOrThrow(builder.add(document))
  const built = builder.finish()
  const postings = [...built.postings()]
  return { postings, columns: [...built.columns()], summary: built.summary() }
}

const camera: IndexDocument = {
  docId: "camera",
  text: { title: "Camera" },
  keywords: {},
  numbers: {},
  popularity: 0.5
}

const reasonOf = (document: IndexDocument) => {
  const builder = new Builder(settings)
  Result.getOrThrow(builder.add(camera))
  const added = builder.add(document)
  return Result.isFailure(added) ? added.failure.reason : undefined
}

const documents = documentsOf(vocabularyOf(300), 500, 4)

describe("Builder", () => {
  it("gives the same bytes for the same documents", () => {
    assert.deepStrictEqual(build(documents), build(documents))
  })

  it("writes terms in the order of their bytes, each with as many postings as it says", () => {
    const { postings, summary } = build(documents)
    const terms = [...new Set(postings.map(({ term }) => term))]
    assert.deepStrictEqual(
      terms,
      terms.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    )
    assert.strictEqual(terms.length, summary.termCount)
    assert.strictEqual(
      postings.filter(({ chunk }) => chunk === 0).reduce((sum, { df }) => sum + df, 0),
      summary.postingCount
    )
  })

  it("counts each document of a word once, however many other words came in between", () => {
    // More words than an analyser remembers.
    const wordsPerDocument = 9_000
    const count = 24
    const { columns, postings } = build(
      Array.from({ length: count }, (_, document) => ({
        ...camera,
        docId: `d${document}`,
        text: {
          title: `camera ${Array.from({ length: wordsPerDocument }, (_, n) => `x${document}n${n}`).join(" ")} cameras`
        }
      }))
    )
    const cameras = postings.filter(({ term }) => term === "camera")
    assert.strictEqual(cameras[0]?.df, count)
    const [written] = columns.filter(({ name, part }) => name === typoColumn && part === "dictionary")
    assert.deepStrictEqual(
      Typo.decodeBucket(written?.data ?? new Uint8Array()).map(({ df, term }) => [term, df]),
      [
        ["camera", count],
        ["cameras", count]
      ]
    )
  })

  it("orders terms as UTF-8 does where UTF-16 does not", () => {
    const terms = ["\u{1d49c}", "\uff21", "a", "ab", "", "é", "\u{10ffff}", "\ue000"]
    assert.deepStrictEqual(
      terms.toSorted(compareTerms),
      terms.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    )
  })

  it("keeps every value of every column", () => {
    const { columns, summary } = build(documents)
    const loaded = Columns.Columns.load(summary, columns.toReversed())
    for (const { kind, name } of settings.columns) {
      const column = loaded.get(name)
      documents.forEach((document, ordinal) => {
        if (column?.kind === "keyword") {
          assert.deepStrictEqual(Columns.keywordsAt(column, ordinal), document.keywords[name] ?? [])
        } else if (column !== undefined) {
          assert.deepStrictEqual(Columns.numberAt(column, ordinal), document.numbers[name] ?? Number.NaN)
        }
      })
      assert.strictEqual(column?.kind, kind)
    }
    assert.deepStrictEqual(
      summary.columns.map((column) => (column.kind === "number" ? column.width : column.isMulti)),
      [false, true, "int32", "float64"]
    )
  })

  it("refuses a document whose numbers would order nothing, and one out of order", () => {
    assert.match(reasonOf({ ...camera, popularity: Number.NaN }) ?? "", /popularity/)
    assert.match(reasonOf({ ...camera, popularity: 1.5 }) ?? "", /popularity/)
    assert.match(reasonOf({ ...camera, numbers: { price: Number.POSITIVE_INFINITY } }) ?? "", /price/)
    assert.match(reasonOf({ ...camera, popularity: 0.51 }) ?? "", /highest first/)
    assert.match(reasonOf({ ...camera, docId: "" }) ?? "", /id/)
    assert.match(reasonOf({ ...camera, keywords: { brand: ["x".repeat(501)] } }) ?? "", /brand/)
    assert.match(
      reasonOf({ ...camera, keywords: { categories: Array.from({ length: 101 }, String) } }) ?? "",
      /categories/
    )
    assert.strictEqual(reasonOf(camera), undefined)
  })

  it("refuses settings that are not finite or do not fit", () => {
    const [title] = settings.fields
    const bad: ReadonlyArray<EngineSettings.EngineSettings> = [
      { ...settings, k1: Number.NaN },
      { ...settings, popularityWeight: 2 },
      { ...settings, fields: [] },
      { ...settings, fields: [{ name: "title", weight: 0, b: 0 }] },
      { ...settings, fields: [{ name: "title", weight: 1, b: 1.1 }] },
      { ...settings, fields: title === undefined ? [] : [title, title] },
      { ...settings, columns: [{ name: "$typo", kind: "keyword" }] }
    ]
    for (const one of bad) assert.throws(() => new Builder(one), RangeError)
    assert.strictEqual(EngineSettings.problemOf(settings), undefined)
  })

  it("makes a summary only when all postings have been read, and one that survives JSON", () => {
    const builder = new Builder(settings)
    Result.getOrThrow(builder.add(camera))
    const built = builder.finish()
    assert.throws(() => built.summary(), RangeError)
    assert.strictEqual([...built.postings()].length, 1)
    const text = JSON.stringify(built.summary())
    const decoded = Schema.decodeUnknownSync(Schema.fromJsonString(VersionSummary))(text)
    assert.deepStrictEqual(decoded, built.summary())
  })

  it("counts fields that are longer than the limit, and finds what is within", () => {
    const { postings, summary } = build([
      { ...camera, text: { title: `first ${"word ".repeat(20_000)} last` } }
    ])
    assert.strictEqual(summary.truncatedFields, 1)
    assert.deepStrictEqual(
      postings.map(({ term }) => term),
      ["first", "word"]
    )
  })

  it("makes a version of nothing, in which nothing is found", () => {
    const { columns, postings, summary } = build([])
    const loader = new SegmentLoader(summary)
    loader.postings(postings)
    loader.columns(columns)
    const searcher = new Searcher(summary)
    const request = {
      ...SearchRequest.defaults,
      facets: [{ column: "brand", valuesMax: 10 }],
      sort: [{ column: "price", direction: "ascending" as const }]
    }
    for (const query of ["", "camera", "camera 17 in"]) {
      const answer = Result.getOrThrow(searcher.resident(loader.finish(), { ...request, query }))
      assert.deepStrictEqual([answer.hits, answer.nbHits, answer.facets[0]?.values], [[], 0, []])
    }
  })
})

describe("EngineSettings", () => {
  it("have another hash for everything that a version stores otherwise", () => {
    const variants: ReadonlyArray<EngineSettings.EngineSettings> = [
      settings,
      { ...settings, k1: 1 },
      { ...settings, synonyms: [] },
      { ...settings, columns: settings.columns.slice(1) },
      { ...settings, fields: settings.fields.map((field) => ({ ...field, b: 0.5 })) },
      { ...settings, analyser: { ...settings.analyser, stemming: "none" } }
    ]
    assert.strictEqual(new Set(variants.map(settingsHash.hash)).size, variants.length)
    assert.strictEqual(settingsHash.hash(settings), settingsHash.hash({ ...settings }))
  })
})
