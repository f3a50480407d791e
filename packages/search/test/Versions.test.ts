import { assert, layer } from "@effect/vitest"
import { TestNow, layerTest as layerTestNow } from "@hypermarket/core/Now"
import { provide } from "@hypermarket/core/Tenant"
import type { SearchResult } from "@hypermarket/search/SearchQuery"
import { SearchBuilds } from "@hypermarket/search/SearchBuild"
import { IndexName, VersionId } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as SearchSettings from "@hypermarket/search/SearchSettings"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Database from "@hypermarket/core/Database"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import {
  acme,
  activate,
  asOperator,
  buildAll,
  buildVersion,
  compare,
  ids,
  layerOf,
  makeIndex,
  product,
  products,
  search,
  shop,
  upsert
} from "./support.ts"

/** Every version has partitions of its own. */
const TestLayer = Layer.provideMerge(layerOf({ HM_SEARCH_PARTITION_DOCUMENTS: "1" }), layerTestNow)

const clients = 32
const query = { query: "wireless printer black", limit: 20, facets: [{ column: "brand", limit: 5 }] }

/** What an answer shows, without its own id. */
const shown = ({ facets, found, hits }: SearchResult): string =>
  JSON.stringify([found, facets, hits.map(({ id, score }) => [id, score])])

const partitions = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql<{ readonly name: string }>`
      SELECT relname::text AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '^hm_search_(posting|document|column)_[0-9]+$'
    `,
    (rows) => rows.length
  )
)

layer(TestLayer, { excludeTestServices: true })("SearchIndexVersions", (it) => {
  it.effect(
    `fail none of ${clients} clients' searches while a version is built, activated, rolled back and removed behind an old reader, and never mix two versions`,
    () =>
      Effect.gen(function* () {
        const indexes = yield* SearchIndexes
        const versions = yield* SearchIndexVersions
        const builds = yield* SearchBuilds
        yield* makeIndex(shop)
        yield* upsert(products(1_000))
        yield* upsert(products(1_000, 1_000))
        const first = yield* buildVersion()
        assert.strictEqual(first.status, "ready", JSON.stringify(first.gates))
        yield* activate(first.versionId)
        const expected = new Map<string, string>()
        const learn = Effect.map(search(query), (answer) => expected.set(answer.indexVersion, shown(answer)))
        yield* learn
        // Another weight makes other scores: an answer of one version is no answer of the other.
        const { version } = yield* indexes.get(shop).pipe(provide(acme))
        const settings = {
          ...SearchSettings.defaults,
          fields: SearchSettings.defaults.fields.map((field) => ({ ...field, weight: field.weight * 2 }))
        }
        yield* indexes.change(shop, version, { settings }).pipe(provide(acme))
        const second = yield* buildVersion()
        yield* activate(second.versionId)
        yield* learn
        yield* versions.rollBack(shop).pipe(provide(acme))
        assert.strictEqual(new Set(expected.values()).size, 2)

        let isOver = false
        const answers = new Map<string, number>()
        const client = Effect.gen(function* () {
          const answer = yield* search(query)
          assert.strictEqual(
            shown(answer),
            expected.get(answer.indexVersion) ?? "a version that was never active"
          )
          answers.set(answer.indexVersion, (answers.get(answer.indexVersion) ?? 0) + 1)
        }).pipe(Effect.repeat({ while: () => !isOver }))
        const searching = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: clients }, () => client),
            { concurrency: "unbounded", discard: true }
          )
        )
        const answered = (versionId: VersionId) =>
          Effect.suspend(() => {
            const before = answers.get(versionId) ?? 0
            return Effect.sync(() => (answers.get(versionId) ?? 0) > before + clients).pipe(
              Effect.andThen((enough) =>
                enough ? Effect.succeed(true) : Effect.as(Effect.sleep("5 millis"), false)
              ),
              Effect.repeat({ until: (enough) => enough })
            )
          })
        const switching = Effect.gen(function* () {
          // A reader that began before everything, as a dump does, holds its snapshot until the end.
          const sql = yield* SqlClient.SqlClient
          const isReading = yield* Deferred.make<void>()
          const mayEnd = yield* Deferred.make<void>()
          const { options } = yield* TestDatabase.TestDatabase
          const reader = yield* Effect.gen(function* () {
            const own = yield* SqlClient.SqlClient
            yield* own`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
            yield* own`SELECT count(*) FROM hm_search_document`
            yield* Deferred.succeed(isReading, undefined)
            yield* Deferred.await(mayEnd)
          }).pipe(
            Database.transaction,
            Effect.provide(Layer.fresh(Database.layer({ ...options, poolMax: 1 }, "hm-test-reader"))),
            Effect.forkChild
          )
          yield* Deferred.await(isReading)
          yield* answered(first.versionId)
          for (let round = 0; round < 3; round++) {
            yield* activate(second.versionId)
            yield* answered(second.versionId)
            yield* versions.rollBack(shop).pipe(provide(acme))
            yield* answered(first.versionId)
          }
          // Built, with the same documents and settings as the second, and retired under the reader and the clients.
          const third = yield* buildVersion()
          assert.strictEqual(third.status, "ready", JSON.stringify(third.gates))
          assert.strictEqual(third.checksum, second.checksum)
          yield* versions.retire(shop, third.versionId).pipe(provide(acme))
          const tables = yield* partitions
          const now = yield* TestNow
          yield* now.adjust("61 seconds")
          const removing = yield* Effect.forkChild(builds.removeRetired.pipe(asOperator))
          yield* answered(first.versionId)
          yield* Deferred.succeed(mayEnd, undefined)
          yield* Fiber.join(reader)
          // What the reader held up for too long is removed by the next run.
          yield* Fiber.join(removing)
          yield* builds.removeRetired.pipe(asOperator)
          assert.strictEqual(yield* partitions, tables - 3)
          const [left] = yield* sql`
            SELECT 1 FROM hm_search_document WHERE tenant_id = ${acme} AND version = ${third.versionId}::text::bigint
          `
          assert.isUndefined(left)
          yield* answered(first.versionId)
        })
        yield* Effect.raceFirst(switching, Fiber.join(searching))
        isOver = true
        yield* Fiber.join(searching)
        assert.deepStrictEqual(
          Array.from(answers.keys()).toSorted(),
          [first.versionId, second.versionId].toSorted()
        )
      })
  )

  it.effect("keep the older and the newer version current from one table of changes", () =>
    Effect.gen(function* () {
      const versions = yield* SearchIndexVersions
      const built = yield* buildVersion()
      yield* activate(built.versionId)
      yield* upsert([{ id: "late", fields: { title: "clavichord" } }])
      assert.deepStrictEqual(ids(yield* search({ query: "clavichord" })), ["late"])
      const back = yield* versions.rollBack(shop).pipe(provide(acme))
      const found = yield* search({ query: "clavichord" })
      assert.strictEqual(found.indexVersion, back.versionId)
      assert.deepStrictEqual(ids(found), ["late"])
    })
  )

  it.effect("are built in the background when enough has changed, with the settings of the active one", () =>
    Effect.gen(function* () {
      const indexes = yield* SearchIndexes
      const versions = yield* SearchIndexVersions
      const grown = IndexName.make("grown")
      const due = versions.startDue.pipe(asOperator)
      const created = yield* indexes.create({ indexName: grown }).pipe(provide(acme))
      yield* upsert(products(1_000), grown)
      assert.strictEqual(yield* due, 0)
      yield* upsert(products(1_000, 1_000), grown)
      assert.strictEqual(yield* due, 1)
      assert.strictEqual(yield* due, 0)
      yield* indexes
        .change(grown, created.version, { settings: { ...SearchSettings.defaults, k1: 2 } })
        .pipe(provide(acme))
      yield* buildAll
      const { activeVersion } = yield* indexes.get(grown).pipe(provide(acme))
      const active = yield* versions.get(grown, activeVersion).pipe(provide(acme))
      assert.deepInclude(active, { reason: "changes", documents: 2_000, status: "active" })
      assert.strictEqual(active.settings.k1, SearchSettings.defaults.k1)
      assert.deepInclude(yield* compare(grown), { documents: 2_000, indexedDocuments: 2_000, changes: 0 })
    })
  )

  it.effect("are built anew when the rules of the code are others, or when popularity is a day old", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const indexes = yield* SearchIndexes
      const versions = yield* SearchIndexVersions
      const now = yield* TestNow
      const grown = IndexName.make("grown")
      const reason = Effect.gen(function* () {
        yield* versions.startDue.pipe(asOperator)
        yield* buildAll
        const { activeVersion } = yield* indexes.get(grown)
        return (yield* versions.get(grown, activeVersion)).reason
      }).pipe(provide(acme))
      assert.strictEqual(yield* reason, "changes")
      yield* sql`UPDATE hm_search_index_version SET rules_hash = 'of an older release' WHERE index_name = ${grown}`
      assert.strictEqual(yield* reason, "upgraded")
      yield* now.adjust("25 hours")
      assert.strictEqual(yield* reason, "upgraded")
      yield* sql`
        INSERT INTO hm_product_popularity_signal (tenant_id, product_id, decay_window, score, counted_at)
        SELECT ${acme}, 'p1', 'week', 1, max(built_at) + interval '1 minute' FROM hm_search_index_version
      `
      assert.strictEqual(yield* reason, "popularity")
      assert.strictEqual(yield* versions.startDue.pipe(asOperator), 0)
    })
  )

  it.effect("that lose a row do not pass their gates, and are never activated", () =>
    Effect.gen(function* () {
      const indexes = yield* SearchIndexes
      const sql = yield* SqlClient.SqlClient
      const versions = yield* SearchIndexVersions
      for (const damage of [
        (id: string) => sql`DELETE FROM hm_search_document WHERE version = ${id}::text::bigint AND ord = 3`,
        (id: string) =>
          sql`UPDATE hm_search_document SET fields = '{}' WHERE version = ${id}::text::bigint AND ord = 3`,
        (id: string) => sql`
          DELETE FROM hm_search_posting WHERE version = ${id}::text::bigint
             AND term = (SELECT min(term) FROM hm_search_posting WHERE version = ${id}::text::bigint)`
      ]) {
        const built = yield* buildVersion()
        yield* damage(built.versionId)
        const judged = yield* versions.validate(shop, built.versionId).pipe(provide(acme))
        assert.strictEqual(judged.status, "failed")
        const error = yield* activate(built.versionId).pipe(Effect.flip)
        assert.strictEqual(error._tag, "SearchVersionState")
      }
      // Nor is one returned to that was fine when it was left.
      const { previousVersion } = yield* indexes.get(shop).pipe(provide(acme))
      yield* sql`DELETE FROM hm_search_document WHERE version = ${previousVersion}::text::bigint AND ord = 3`
      const judged = yield* versions.validate(shop, VersionId.make(previousVersion ?? "")).pipe(provide(acme))
      assert.strictEqual(judged.status, "failed")
      const refused = yield* versions.rollBack(shop).pipe(provide(acme), Effect.flip)
      assert.strictEqual(refused._tag, "NothingToRollBack")
      assert.isAbove((yield* search({ query: "printer" })).found, 0)
    })
  )

  it.effect("go on with the step they were in when the builder is stopped", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const versions = yield* SearchIndexVersions
      const builds = yield* SearchBuilds
      const started = yield* versions.start(shop, {}).pipe(provide(acme))
      const phase = Effect.map(versions.get(shop, started.versionId).pipe(provide(acme)), (one) => one.phase)
      const building = yield* Effect.forkChild(builds.buildNext.pipe(asOperator))
      yield* phase.pipe(Effect.repeat({ until: (reached) => reached !== "none" }))
      yield* Fiber.interrupt(building)
      const [frozen] = yield* sql<{ readonly snapshot: string }>`
        SELECT built_snapshot::text AS snapshot FROM hm_search_index_version WHERE version_id = ${started.versionId}::text::bigint
      `
      yield* upsert([product(7_777)])
      yield* buildAll
      const built = yield* versions.get(shop, started.versionId).pipe(provide(acme))
      assert.strictEqual(built.status, "ready", JSON.stringify(built))
      const [kept] = yield* sql<{ readonly snapshot: string }>`
        SELECT built_snapshot::text AS snapshot FROM hm_search_index_version WHERE version_id = ${started.versionId}::text::bigint
      `
      assert.strictEqual(kept?.snapshot, frozen?.snapshot)
      yield* activate(built.versionId)
      assert.deepStrictEqual(ids(yield* search({ query: "x7777" })), ["p7777"])
    })
  )
})
