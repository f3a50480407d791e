import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import { provide } from "@hypermarket/core/Tenant"
import { IndexName, VersionId } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import * as SearchSettings from "@hypermarket/search/SearchSettings"
import type { SearchQuery, SearchResult } from "@hypermarket/search/SearchQuery"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import { Search } from "@hypermarket/search/Search"
import { Deferred, Effect, Fiber } from "effect"
import { SqlClient } from "effect/sql"
import {
  acme,
  activate,
  buildActive,
  buildVersion,
  compare,
  globex,
  ids,
  layerOf,
  makeIndex,
  product,
  remove,
  search,
  stocked,
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

  it.effect("indexes documents that lack a column of a name that every object has", () =>
    Effect.gen(function* () {
      const index = IndexName.make("named")
      const { version } = yield* makeIndex(index)
      const names = ["constructor", "toString"]
      const settings = {
        ...SearchSettings.defaults,
        columns: names.map((name) => ({ name, kind: "keyword" as const }))
      }
      yield* Effect.flatMap(SearchIndexes, (indexes) => indexes.change(index, version, { settings })).pipe(
        provide(acme)
      )
      yield* upsert(
        [
          { id: "a", fields: { title: "Desk lamp", constructor: "Oak", toString: ["x", "y"] } },
          { id: "b", fields: { title: "Floor lamp" } }
        ],
        index
      )
      yield* buildActive(index)
      yield* upsert([{ id: "c", fields: { title: "Wall lamp" } }], index)
      const found = yield* search({ query: "lamp", facets: names.map((column) => ({ column })) }, index)
      assert.deepStrictEqual(ids(found).toSorted(), ["a", "b", "c"])
      assert.deepStrictEqual(ids(yield* search({ query: "lamp", filter: `constructor = "Oak"` }, index)), [
        "a"
      ])
    })
  )

  it.effect("builds a version whose gates pass, and answers alike before and after it is activated", () =>
    Effect.gen(function* () {
      const index = yield* stocked("built", 1_000)
      const before = yield* search({ query: "wireless printer", facets: [{ column: "brand" }] }, index)
      const built = yield* buildVersion(index)
      assert.strictEqual(built.status, "ready", JSON.stringify(built))
      assert.strictEqual(built.documents, 1_000)
      yield* activate(built.versionId, index)
      const after = yield* search({ query: "wireless printer", facets: [{ column: "brand" }] }, index)
      assert.strictEqual(after.indexVersion, built.versionId)
      assert.notStrictEqual(before.indexVersion, after.indexVersion)
      assert.strictEqual(after.found, before.found)
      assert.deepStrictEqual(after.facets, before.facets)
      assert.strictEqual(after.hits.length, before.hits.length)
      const all = yield* compare(index)
      assert.deepInclude(all, { documents: 1_000, indexedDocuments: 1_000, changes: 0 })
      assert.strictEqual(all.checksum, all.indexedChecksum)
      yield* upsert([{ id: "p5", fields: { title: "unheard gramophone" } }], index)
      yield* remove(["p6"], index)
      const { changes } = yield* compare(index)
      assert.strictEqual(changes, 2)
      assert.deepStrictEqual(ids(yield* search({ query: "gramophone" }, index)), ["p5"])
      assert.deepStrictEqual(ids(yield* search({ query: "x6" }, index)), [])
      assert.deepStrictEqual(ids(yield* search({ query: "x7" }, index)), ["p7"])
    })
  )

  it.effect("shows a transaction its own changes, and nobody else, whether it commits or not", () =>
    Effect.gen(function* () {
      const index = yield* stocked("transacted", 100)
      const seen = yield* Effect.gen(function* () {
        yield* upsert([{ id: "own", fields: { title: "zeppelin" } }], index)
        yield* remove(["p8"], index)
        const inside = yield* search({ query: "zeppelin" }, index)
        const gone = yield* search({ query: "x8" }, index)
        return yield* Effect.fail({ _tag: "Undone" as const, inside: ids(inside), gone: ids(gone) })
      }).pipe(Database.transaction, Effect.catchTag("Undone", Effect.succeed))
      assert.deepStrictEqual(seen.inside, ["own"])
      assert.deepStrictEqual(seen.gone, [])
      assert.deepStrictEqual(ids(yield* search({ query: "zeppelin" }, index)), [])
      assert.deepStrictEqual(ids(yield* search({ query: "x8" }, index)), ["p8"])
    })
  )

  it.effect("finds inside a transaction what it finds outside, in a process that searched before", () =>
    Effect.gen(function* () {
      const index = yield* stocked("warm", 300)
      const built = yield* buildVersion(index)
      yield* activate(built.versionId, index)
      yield* upsert([{ id: "since", fields: { title: "black lamp since the build" } }], index)
      yield* upsert([{ id: "p10", fields: { title: "nothing of the kind" } }], index)
      yield* remove(["p0", "p100"], index)
      for (const query of ["black lamp", "lamp", "since", "kind", ""]) {
        const outside = yield* search({ query, limit: 200 }, index)
        const inside = yield* search({ query, limit: 200 }, index).pipe(Database.transaction)
        assert.deepStrictEqual(ids(inside), ids(outside), query)
        assert.strictEqual(inside.found, outside.found, query)
        assert.notInclude(ids(inside), "p0")
      }
      const removed = yield* Effect.gen(function* () {
        yield* remove(["since", "p20"], index)
        return yield* search({ query: "", limit: 1 }, index)
      }).pipe(Database.transaction)
      assert.strictEqual(removed.found, 297)
      assert.strictEqual((yield* search({ query: "" }, index).pipe(Database.transaction)).found, 297)
    })
  )

  it.effect("finds a change that commits late, after changes that began later were found", () =>
    Effect.gen(function* () {
      const index = yield* stocked("late", 100)
      const isWritten = yield* Deferred.make<void>()
      const mayCommit = yield* Deferred.make<void>()
      const late = yield* Effect.gen(function* () {
        yield* upsert([{ id: "late", fields: { title: "bandoneon" } }], index)
        yield* Deferred.succeed(isWritten, undefined)
        yield* Deferred.await(mayCommit)
      }).pipe(Database.transaction, Effect.forkChild)
      yield* Deferred.await(isWritten)
      yield* upsert([{ id: "early", fields: { title: "bandoneon and more" } }], index)
      assert.deepStrictEqual(ids(yield* search({ query: "bandoneon" }, index)), ["early"])
      yield* Deferred.succeed(mayCommit, undefined)
      yield* Fiber.join(late)
      assert.sameMembers([...ids(yield* search({ query: "bandoneon" }, index))], ["early", "late"])
      yield* remove(["early", "late"], index)
      assert.deepStrictEqual(ids(yield* search({ query: "bandoneon" }, index)), [])
    })
  )

  it.effect("shows no hit whose fields are not those that were searched, while documents change", () =>
    Effect.gen(function* () {
      const index = yield* stocked("torn", 0)
      const batch = (price: number) =>
        Array.from({ length: 60 }, (_, n) => ({ id: `l${n}`, fields: { title: "lamp", price } }))
      yield* upsert(batch(100), index)
      let isOver = false
      let written = 0
      const writing = yield* Effect.suspend(() => upsert(batch(written++ % 2 === 0 ? 900 : 100), index)).pipe(
        Effect.repeat({ while: () => !isOver }),
        Effect.forkChild
      )
      const query = { query: "lamp", filter: "price < 500", facets: [{ column: "price" }], limit: 200 }
      const read = Effect.gen(function* () {
        const { facets, found, hits } = yield* search(query, index)
        assert.strictEqual(hits.length, found)
        assert.deepStrictEqual(
          hits.filter(({ fields }) => fields["price"] !== 100),
          []
        )
        assert.deepStrictEqual(facets[0]?.values, found === 0 ? [] : [{ value: 100, count: found }])
        return found
      })
      // One batch is one transaction: a snapshot has all of its documents or none.
      const whole = Effect.map(read, (found) => assert.include([0, 60], found))
      yield* Effect.all(
        [
          Effect.repeat(whole, { times: 40 }),
          Effect.repeat(Database.transaction(read), { times: 20 }),
          Effect.repeat(
            Effect.gen(function* () {
              const sql = yield* SqlClient.SqlClient
              yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
              const first = yield* read
              yield* Effect.sleep("10 millis")
              assert.strictEqual(yield* read, first)
            }).pipe(Database.transaction),
            { times: 10 }
          )
        ],
        { concurrency: "unbounded", discard: true }
      )
      isOver = true
      yield* Fiber.join(writing)
      assert.isAbove(written, 2)
    })
  )

  it.effect("goes back to the version before", () =>
    Effect.gen(function* () {
      const index = yield* stocked("returned", 100)
      const versions = yield* SearchIndexVersions
      const first = yield* search({ query: "lamp" }, index)
      const built = yield* buildVersion(index)
      yield* activate(built.versionId, index)
      yield* upsert([product(9_999)], index)
      assert.strictEqual((yield* search({ query: "x9999" }, index)).indexVersion, built.versionId)
      const back = yield* versions.rollBack(index).pipe(provide(acme))
      assert.strictEqual(back.versionId, first.indexVersion)
      const found = yield* search({ query: "x9999" }, index)
      assert.strictEqual(found.indexVersion, first.indexVersion)
      assert.deepStrictEqual(ids(found), ["p9999"])
    })
  )

  it.effect("knows nothing of another tenant's index", () =>
    Effect.gen(function* () {
      const index = yield* stocked("hidden", 10)
      const service = yield* Search
      const error = yield* service.search(index, { query: "lamp" }).pipe(provide(globex), Effect.flip)
      assert.strictEqual(error._tag, "SearchIndexNotFound")
    })
  )

  it.effect("searches a ready version that is not active, with the documents as they are now", () =>
    Effect.gen(function* () {
      const index = yield* stocked("previewed", 100)
      const indexes = yield* SearchIndexes
      const before = yield* buildVersion(index)
      yield* activate(before.versionId, index)
      const { settings, version } = yield* indexes.get(index).pipe(provide(acme))
      const synonyms = [{ kind: "one-way" as const, from: "torch", to: ["lamp"] }]
      yield* indexes.change(index, version, { settings: { ...settings, synonyms } }).pipe(provide(acme))
      const { versionId } = yield* buildVersion(index)
      yield* upsert([{ id: "since", fields: { title: "lamp since the build" } }], index)
      const active = yield* search({ query: "torch" }, index)
      const preview = yield* search({ query: "torch", versionId }, index)
      assert.deepStrictEqual([active.found, active.indexVersion], [0, before.versionId])
      assert.strictEqual(preview.indexVersion, versionId)
      assert.include(ids(preview), "since")
      assert.strictEqual(preview.found, (yield* search({ query: "lamp" }, index)).found)
      const within = Effect.gen(function* () {
        yield* remove(["since"], index)
        return ids(yield* search({ query: "torch", versionId }, index))
      })
      assert.notInclude(yield* Database.transaction(within), "since")
      const missing = yield* search({ versionId: VersionId.make("123456789") }, index).pipe(Effect.flip)
      assert.strictEqual(missing._tag, "SearchVersionNotFound")
      const versions = yield* SearchIndexVersions
      yield* versions.retire(index, versionId).pipe(provide(acme))
      const retired = yield* search({ versionId }, index).pipe(Effect.flip)
      assert.strictEqual(retired._tag, "SearchVersionState")
    })
  )

  it.effect("explains a product that is asked for by its id, found or not, and says why", () =>
    Effect.gen(function* () {
      const index = yield* stocked("explained", 100)
      yield* activate((yield* buildVersion(index)).versionId, index)
      yield* upsert([{ id: "p7", fields: { title: "smart lamp red changed" } }], index)
      yield* remove(["p8"], index)
      const explain = (productId: string, query: SearchQuery) =>
        Effect.map(search({ ...query, productId }, index), ({ hits, product }) => ({
          ...product,
          shown: hits.findIndex(({ id }) => id === productId) + 1
        }))
      const found = yield* explain("p1", { query: "steel lamp", explain: true, limit: 100 })
      assert.deepInclude(found, { outcome: "found", position: found.shown, missingWords: 1 })
      const { hits } = yield* search({ query: "steel lamp", explain: true, limit: 100 }, index)
      assert.deepStrictEqual(found.explanation, hits.find(({ id }) => id === "p1")?.explanation)
      // A page that ends before it does not change its position.
      const short = yield* explain("p1", { query: "steel lamp", limit: 1 })
      assert.strictEqual(short.position, found.position)
      const outcomes = {
        p7: { query: "lamp" },
        p8: { query: "lamp" },
        nowhere: { query: "lamp" },
        p1: { query: "lamp", filter: "price < 0" },
        p2: { query: "lamp -compact" },
        p4: { query: 'lamp "steel"' },
        p5: { query: "steel lamp", match: "all" },
        p6: { query: "chair", refinements: [{ column: "brand", values: ["Canon"] }] }
      } satisfies Record<string, SearchQuery>
      const said = yield* Effect.forEach(Object.entries(outcomes), ([id, query]) =>
        Effect.map(explain(id, query), ({ explanation, outcome }) => [id, outcome, explanation !== null])
      )
      assert.deepStrictEqual(said, [
        ["p7", "found", true],
        ["p8", "absent", false],
        ["nowhere", "absent", false],
        ["p1", "filtered", true],
        ["p2", "excluded", true],
        ["p4", "required", true],
        ["p5", "words", true],
        ["p6", "filtered", true]
      ])
    })
  )

  it.effect("filters by id, shows one document per brand, and keeps the counts of a refined facet", () =>
    Effect.gen(function* () {
      const index = yield* stocked("narrowed", 100)
      yield* activate((yield* buildVersion(index)).versionId, index)
      yield* upsert([{ id: "own/1", fields: { title: "lamp", brand: "Canon", price: 5 } }], index)
      yield* remove(["p2"], index)
      const some = yield* search({ filter: '$id IN ["own/1", p1, p2, p3, none]' }, index)
      assert.sameMembers([...ids(some)], ["own/1", "p1", "p3"])
      const others = yield* search({ filter: '$id NOT IN ["own/1", p1] AND $id EXISTS' }, index)
      assert.strictEqual(others.found, 98)
      const distinct = yield* search(
        { query: "lamp", distinct: { column: "brand" }, facets: [{ column: "brand" }], match: "any" },
        index
      )
      assert.deepStrictEqual([distinct.found, distinct.hits.length], [5, 5])
      assert.strictEqual(new Set(distinct.hits.map(({ fields }) => fields["brand"])).size, 5)
      const canon = yield* search({ query: "lamp", filter: "brand = Canon", match: "any" }, index)
      assert.isAbove(canon.found, 5)
      assert.deepInclude(distinct.facets[0]?.values ?? [], { value: "Canon", count: canon.found })
      const facets = [{ column: "brand" }, { column: "categories" }]
      const whole = yield* search({ query: "lamp", facets, match: "all" }, index)
      const refined = yield* search(
        { query: "lamp", facets, match: "all", refinements: [{ column: "brand", values: ["Canon"] }] },
        index
      )
      assert.deepStrictEqual(refined.facets[0], whole.facets[0])
      assert.isTrue(refined.hits.every(({ fields }) => fields["brand"] === "Canon"))
      assert.strictEqual(
        refined.facets[0]?.values.find(({ value }) => value === "Canon")?.count,
        refined.found
      )
      assert.isBelow(refined.facets[1]?.values[0]?.count ?? 0, whole.facets[1]?.values[0]?.count ?? 0)
      for (const query of [
        { distinct: { column: "price" } },
        { refinements: [{ column: "nothing", values: ["a"] }] },
        { refinements: [{ column: "price", values: ["cheap"] }] },
        { filter: "$id > 5" }
      ]) {
        assert.strictEqual((yield* search(query, index).pipe(Effect.flip))._tag, "SearchInvalid")
      }
    })
  )

  it.effect(
    "takes two Unicode forms of a value, and spaces around it, for one, and capitals for another",
    () =>
      Effect.gen(function* () {
        const index = yield* stocked("valued", 0)
        const brands = ["Caf\u00e9 Noir", "Cafe\u0301 Noir", "  Caf\u00e9 Noir ", "caf\u00e9 noir"]
        const documents = brands.map((brand, n) => ({ id: `c${n}`, fields: { title: "cup", brand } }))
        const counted = [
          { value: "Caf\u00e9 Noir", count: 3 },
          { value: "caf\u00e9 noir", count: 1 }
        ]
        const facets = [{ column: "brand" }]
        yield* upsert(documents, index)
        assert.deepStrictEqual((yield* search({ facets }, index)).facets[0]?.values, counted)
        yield* buildActive(index)
        assert.deepStrictEqual((yield* search({ facets }, index)).facets[0]?.values, counted)
        const found = yield* search({ filter: 'brand = "Caf\u00e9 Noir"' }, index)
        assert.sameMembers([...ids(found)], ["c0", "c1", "c2"])
      })
  )

  it.effect("reads the documents of a page once, and those of changes each time", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const index = yield* stocked("read", 100)
      const { versionId } = yield* buildVersion(index)
      yield* activate(versionId, index)
      const query = { query: "lamp", limit: 10, highlight: { fields: ["title"] } }
      const plain = ({ hits }: SearchResult) =>
        hits.map(({ fields, highlights, id }) => [id, fields, highlights])
      const first = plain(yield* search(query, index))
      yield* sql`
        UPDATE hm_search_document
           SET fields = '{}'
         WHERE version = ${versionId}::text::bigint
      `
      assert.deepStrictEqual(plain(yield* search(query, index)), first)
      assert.deepStrictEqual(plain(yield* search(query, index).pipe(Database.transaction)), first)
      const id = String(first[0]?.[0])
      yield* upsert([{ id, fields: { title: "lamp and more" } }], index)
      const after = yield* search(query, index)
      assert.deepStrictEqual(after.hits.find((hit) => hit.id === id)?.fields, { title: "lamp and more" })
      assert.deepStrictEqual(
        plain(after).filter(([other]) => other !== id),
        first.slice(1)
      )
    })
  )
})
