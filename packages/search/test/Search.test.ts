import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import { provide } from "@hypermarket/core/Tenant"
import { IndexName } from "@hypermarket/search/SearchIndex"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import { Search } from "@hypermarket/search/Search"
import { Deferred, Effect, Fiber } from "effect"
import {
  acme,
  activate,
  buildVersion,
  compare,
  globex,
  ids,
  layerOf,
  makeIndex,
  product,
  products,
  remove,
  search,
  shop,
  upsert
} from "./support.ts"

layer(layerOf(), { excludeTestServices: true })("Search", (it) => {
  it.effect("finds a document in the next search, before any version was built", () =>
    Effect.gen(function* () {
      const index = IndexName.make("fresh")
      yield* makeIndex(index)
      assert.deepStrictEqual(ids(yield* search({ query: "lamp" }, index)), [])
      yield* upsert([{ id: "a", fields: { title: "Desk lamp" } }], index)
      assert.deepStrictEqual(ids(yield* search({ query: "lamps" }, index)), ["a"])
      yield* upsert([{ id: "a", fields: { title: "Desk chair" } }], index)
      assert.deepStrictEqual(ids(yield* search({ query: "lamp" }, index)), [])
      yield* remove(["a"], index)
      assert.deepStrictEqual(ids(yield* search({ query: "chair" }, index)), [])
    })
  )

  it.effect("builds a version whose gates pass, and answers alike before and after it is activated", () =>
    Effect.gen(function* () {
      yield* makeIndex(shop)
      yield* upsert(products(1_000))
      const before = yield* search({ query: "wireless printer", facets: [{ column: "brand" }] })
      const built = yield* buildVersion()
      assert.strictEqual(built.status, "ready", JSON.stringify(built))
      assert.strictEqual(built.documents, 1_000)
      yield* activate(built.versionId)
      const after = yield* search({ query: "wireless printer", facets: [{ column: "brand" }] })
      assert.strictEqual(after.indexVersion, built.versionId)
      assert.notStrictEqual(before.indexVersion, after.indexVersion)
      assert.strictEqual(after.found, before.found)
      assert.deepStrictEqual(after.facets, before.facets)
      assert.strictEqual(after.hits.length, before.hits.length)
      const all = yield* compare()
      assert.deepInclude(all, { documents: 1_000, indexedDocuments: 1_000, changes: 0 })
      assert.strictEqual(all.checksum, all.indexedChecksum)
      yield* upsert([{ id: "p5", fields: { title: "unheard gramophone" } }])
      yield* remove(["p6"])
      const { changes } = yield* compare()
      assert.strictEqual(changes, 2)
      assert.deepStrictEqual(ids(yield* search({ query: "gramophone" })), ["p5"])
      assert.deepStrictEqual(ids(yield* search({ query: "x6" })), [])
      assert.deepStrictEqual(ids(yield* search({ query: "x7" })), ["p7"])
    })
  )

  it.effect("shows a transaction its own changes, and nobody else, whether it commits or not", () =>
    Effect.gen(function* () {
      const seen = yield* Effect.gen(function* () {
        yield* upsert([{ id: "own", fields: { title: "zeppelin" } }])
        yield* remove(["p8"])
        const inside = yield* search({ query: "zeppelin" })
        const gone = yield* search({ query: "x8" })
        return yield* Effect.fail({ _tag: "Undone" as const, inside: ids(inside), gone: ids(gone) })
      }).pipe(Database.transaction, Effect.catchTag("Undone", Effect.succeed))
      assert.deepStrictEqual(seen.inside, ["own"])
      assert.deepStrictEqual(seen.gone, [])
      assert.deepStrictEqual(ids(yield* search({ query: "zeppelin" })), [])
      assert.deepStrictEqual(ids(yield* search({ query: "x8" })), ["p8"])
    })
  )

  it.effect("finds a change that commits late, after changes that began later were found", () =>
    Effect.gen(function* () {
      const isWritten = yield* Deferred.make<void>()
      const mayCommit = yield* Deferred.make<void>()
      const late = yield* Effect.gen(function* () {
        yield* upsert([{ id: "late", fields: { title: "bandoneon" } }])
        yield* Deferred.succeed(isWritten, undefined)
        yield* Deferred.await(mayCommit)
      }).pipe(Database.transaction, Effect.forkChild)
      yield* Deferred.await(isWritten)
      yield* upsert([{ id: "early", fields: { title: "bandoneon and more" } }])
      assert.deepStrictEqual(ids(yield* search({ query: "bandoneon" })), ["early"])
      yield* Deferred.succeed(mayCommit, undefined)
      yield* Fiber.join(late)
      assert.sameMembers([...ids(yield* search({ query: "bandoneon" }))], ["early", "late"])
      yield* remove(["early", "late"])
      assert.deepStrictEqual(ids(yield* search({ query: "bandoneon" })), [])
    })
  )

  it.effect("goes back to the version before", () =>
    Effect.gen(function* () {
      const versions = yield* SearchIndexVersions
      const first = yield* search({ query: "lamp" })
      const built = yield* buildVersion()
      yield* activate(built.versionId)
      yield* upsert([product(9_999)])
      assert.strictEqual((yield* search({ query: "x9999" })).indexVersion, built.versionId)
      const back = yield* versions.rollBack(shop).pipe(provide(acme))
      assert.strictEqual(back.versionId, first.indexVersion)
      const found = yield* search({ query: "x9999" })
      assert.strictEqual(found.indexVersion, first.indexVersion)
      assert.deepStrictEqual(ids(found), ["p9999"])
    })
  )

  it.effect("knows nothing of another tenant's index", () =>
    Effect.gen(function* () {
      const one = yield* Search
      const error = yield* one.search(shop, { query: "lamp" }).pipe(provide(globex), Effect.flip)
      assert.strictEqual(error._tag, "SearchIndexNotFound")
    })
  )
})
