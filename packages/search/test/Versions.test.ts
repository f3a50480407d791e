import { assert, layer } from "@effect/vitest"
import { TestNow, layerTest as layerTestNow } from "@hypermarket/core/Now"
import { provide } from "@hypermarket/core/Tenant"
import type { SearchResult } from "@hypermarket/search/SearchQuery"
import { SearchBuilds } from "@hypermarket/search/SearchBuild"
import { IndexName, type VersionId } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as SearchSettings from "@hypermarket/search/SearchSettings"
import * as HeldTransaction from "@hypermarket/testing/HeldTransaction"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Database from "@hypermarket/core/Database"
import { Deferred, Duration, Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as KilledBuilds from "../soak/search/KilledBuilds.ts"
import {
  acme,
  activate,
  asOperator,
  buildActive,
  buildAll,
  buildVersion,
  compare,
  ids,
  layerOf,
  product,
  products,
  search,
  stocked,
  upsert
} from "./support.ts"

/** Every version has its own partitions. */
const TestLayer = Layer.provideMerge(layerOf({ HM_SEARCH_PARTITION_DOCUMENTS: "1" }), layerTestNow)

const clients = 32
const query = { query: "wireless printer black", limit: 20, facets: [{ column: "brand", limit: 5 }] }

/** Returns the content of an answer, without its id. */
const shown = ({ facets, found, hits }: SearchResult): string =>
  JSON.stringify([found, facets, hits.map(({ id, score }) => [id, score])])

/** The first id of a version with its own partitions; their names end with the difference. */
const ownFrom = 2n ** 40n

/** Counts the partitions of a version. */
const partitionsOf = Effect.fnUntraced(function* (versionId: VersionId) {
  const sql = yield* SqlClient.SqlClient
  const name = `^hm_search_(posting|document|column)_${BigInt(versionId) - ownFrom}$`
  const rows = yield* sql`
    SELECT 1
      FROM pg_class
     WHERE relkind = 'r' AND relname ~ ${name}
  `
  return rows.length
})

/** Starts what is due, and counts the versions of an index that wait to be built. */
const startedOf = Effect.fnUntraced(function* (index: IndexName) {
  const versions = yield* SearchIndexVersions
  yield* versions.startDue.pipe(asOperator)
  const { items } = yield* versions.list(index, {}).pipe(provide(acme))
  return items.filter(({ status }) => status === "building").length
})

layer(TestLayer, { excludeTestServices: true })("SearchIndexVersions", (it) => {
  it.effect(
    `No search of ${clients} clients fails or mixes two versions while versions are built, activated, rolled back and removed behind an old reader`,
    () =>
      Effect.gen(function* () {
        const indexes = yield* SearchIndexes
        const versions = yield* SearchIndexVersions
        const builds = yield* SearchBuilds
        const index = yield* stocked("switched", 2_000)
        const first = yield* buildActive(index)
        const expected = new Map<string, string>()
        const learn = Effect.map(search(query, index), (answer) =>
          expected.set(answer.indexVersion, shown(answer))
        )
        yield* learn
        // Another weight makes other scores: an answer of one version is no answer of the other.
        const { version } = yield* indexes.get(index).pipe(provide(acme))
        const settings = {
          ...SearchSettings.defaults,
          fields: SearchSettings.defaults.fields.map((field) => ({ ...field, weight: field.weight * 2 }))
        }
        yield* indexes.change(index, version, { settings }).pipe(provide(acme))
        const second = yield* buildActive(index)
        yield* learn
        yield* versions.rollBack(index).pipe(provide(acme))
        assert.strictEqual(new Set(expected.values()).size, 2)

        let isOver = false
        const answers = new Map<string, number>()
        const client = Effect.gen(function* () {
          const answer = yield* search(query, index)
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
            const readerSql = yield* SqlClient.SqlClient
            yield* readerSql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
            yield* readerSql`SELECT count(*) FROM hm_search_document`
            yield* Deferred.succeed(isReading, undefined)
            yield* Deferred.await(mayEnd)
          }).pipe(
            Database.transaction,
            Effect.provide(
              Layer.fresh(
                Database.layer(
                  { ...options, poolMax: 1, idleTransactionTimeout: Duration.zero },
                  "hm-test-reader"
                )
              )
            ),
            Effect.forkChild
          )
          yield* Deferred.await(isReading)
          yield* answered(first.versionId)
          for (let round = 0; round < 3; round++) {
            yield* activate(second.versionId, index)
            yield* answered(second.versionId)
            yield* versions.rollBack(index).pipe(provide(acme))
            yield* answered(first.versionId)
          }
          // Built, with the same documents and settings as the second, and retired under the reader and the clients.
          const third = yield* buildVersion(index)
          assert.strictEqual(third.status, "ready", JSON.stringify(third.gates))
          assert.strictEqual(third.checksum, second.checksum)
          yield* versions.retire(index, third.versionId).pipe(provide(acme))
          assert.strictEqual(yield* partitionsOf(third.versionId), 3)
          const now = yield* TestNow
          yield* now.adjust("61 seconds")
          const removing = yield* Effect.forkChild(builds.removeRetired.pipe(asOperator))
          yield* answered(first.versionId)
          yield* Deferred.succeed(mayEnd, undefined)
          yield* Fiber.join(reader)
          // What the reader held up for too long is removed by the next run.
          yield* Fiber.join(removing)
          yield* builds.removeRetired.pipe(asOperator)
          assert.strictEqual(yield* partitionsOf(third.versionId), 0)
          const [left] = yield* sql`
            SELECT 1
              FROM hm_search_document
             WHERE tenant_id = ${acme} AND version = ${third.versionId}::text::bigint
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

  it.effect(
    "A change after an activation is found by the newer version and, after a roll-back, by the older one",
    () =>
      Effect.gen(function* () {
        const versions = yield* SearchIndexVersions
        const index = yield* stocked("changed", 100)
        const older = yield* buildActive(index)
        const newer = yield* buildActive(index)
        yield* upsert([{ id: "late", fields: { title: "clavichord" } }], index)
        const before = yield* search({ query: "clavichord" }, index)
        assert.strictEqual(before.indexVersion, newer.versionId)
        assert.deepStrictEqual(ids(before), ["late"])
        yield* versions.rollBack(index).pipe(provide(acme))
        const after = yield* search({ query: "clavichord" }, index)
        assert.strictEqual(after.indexVersion, older.versionId)
        assert.deepStrictEqual(ids(after), ["late"])
      })
  )

  it.effect(
    "A version is built in the background after 2,000 changes, with the settings of the active version",
    () =>
      Effect.gen(function* () {
        const indexes = yield* SearchIndexes
        const versions = yield* SearchIndexVersions
        const grown = IndexName.make("grown")
        const created = yield* indexes.create({ indexName: grown }).pipe(provide(acme))
        yield* upsert(products(1_000), grown)
        assert.strictEqual(yield* startedOf(grown), 0)
        yield* upsert(products(1_000, 1_000), grown)
        assert.strictEqual(yield* startedOf(grown), 1)
        assert.strictEqual(yield* startedOf(grown), 1)
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

  it.effect(
    "A version is built when the rules of the code change, and when its popularity is a day old",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const indexes = yield* SearchIndexes
        const versions = yield* SearchIndexVersions
        const now = yield* TestNow
        const aged = IndexName.make("aged")
        const reason = Effect.gen(function* () {
          yield* versions.startDue.pipe(asOperator)
          yield* buildAll
          const { activeVersion } = yield* indexes.get(aged)
          return (yield* versions.get(aged, activeVersion)).reason
        }).pipe(provide(acme))
        yield* indexes.create({ indexName: aged }).pipe(provide(acme))
        yield* upsert(products(100), aged)
        yield* buildActive(aged)
        assert.strictEqual(yield* reason, "requested")
        yield* sql`
          UPDATE hm_search_index_version
             SET rules_hash = 'of an older release'
           WHERE index_name = ${aged}
        `
        assert.strictEqual(yield* reason, "upgraded")
        yield* now.adjust("25 hours")
        assert.strictEqual(yield* reason, "upgraded")
        yield* sql`
        INSERT INTO hm_product_popularity_signal (tenant_id, product_id, decay_window, score, counted_at)
        SELECT ${acme}, 'p1', 'week', 1, max(built_at) + interval '1 minute'
          FROM hm_search_index_version
      `
        assert.strictEqual(yield* reason, "popularity")
        assert.strictEqual(yield* startedOf(aged), 0)
      })
  )

  it.effect("An index of other rules does not answer until it is built by the rules of the process", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const versions = yield* SearchIndexVersions
      const index = yield* stocked("upgraded", 50)
      const older = yield* buildActive(index)
      assert.isAbove((yield* search({ query: "lamp" }, index)).found, 0)
      yield* sql`
        UPDATE hm_search_index_version
           SET rules_hash = 'of another release'
         WHERE index_name = ${index}
      `
      for (const attempt of [
        search({ query: "lamp" }, index),
        search({ query: "lamp" }, index).pipe(Database.transaction)
      ]) {
        const error = yield* Effect.flip(attempt)
        assert.deepInclude(error, { _tag: "SearchIndexBuilding", reason: "upgrading" })
      }
      // The index is not automatic: it is built all the same, since no process can read it.
      assert.strictEqual(yield* startedOf(index), 1)
      yield* buildAll
      const answer = yield* search({ query: "lamp" }, index)
      assert.isAbove(answer.found, 0)
      assert.notStrictEqual(answer.indexVersion, older.versionId)
      const back = yield* versions.rollBack(index).pipe(provide(acme), Effect.flip)
      assert.strictEqual(back._tag, "NothingToRollBack")
      const refused = yield* activate(older.versionId, index).pipe(Effect.flip)
      assert.strictEqual(refused._tag, "SearchVersionState")
    })
  )

  it.effect(
    "A version that activates is active as soon as it is ready, wherever its worker was interrupted",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const builds = yield* SearchBuilds
        const versions = yield* SearchIndexVersions
        const index = yield* stocked("interrupted", 50)
        const started = yield* versions.start(index, { activates: true }).pipe(provide(acme))
        const letGo = yield* HeldTransaction.hold(KilledBuilds.lockActiveVersion(index), Effect.void)
        const building = yield* Effect.forkChild(builds.buildNext.pipe(asOperator))
        // The gates are tried, and the activation waits for the lock.
        yield* sql<{ readonly waiting: number }>`
          SELECT count(*)::int AS waiting
            FROM pg_stat_activity
           WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%hm_search_index%'
        `.pipe(Effect.repeat({ until: ([row]) => (row?.waiting ?? 0) > 0 }))
        const waiting = yield* versions.get(index, started.versionId).pipe(provide(acme))
        assert.strictEqual(waiting.status, "validating")
        yield* Fiber.interrupt(building)
        yield* letGo
        yield* buildAll
        const built = yield* versions.get(index, started.versionId).pipe(provide(acme))
        assert.strictEqual(built.status, "active", JSON.stringify(built.gates))
      })
  )

  it.effect("A worker that stops while it leases a version leaves it to the next worker at once", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const builds = yield* SearchBuilds
      const versions = yield* SearchIndexVersions
      const index = yield* stocked("stopped", 20)
      const started = yield* versions.start(index, {}).pipe(provide(acme))
      // The lease commits after the stop began: it waits for a reader of the whole table.
      const letGo = yield* HeldTransaction.hold(
        sql`LOCK TABLE hm_search_index_version IN SHARE MODE`,
        Effect.void
      )
      const building = yield* Effect.forkChild(builds.buildNext.pipe(asOperator))
      yield* sql<{ readonly waiting: number }>`
        SELECT count(*)::int AS waiting
          FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%lease_until%'
      `.pipe(Effect.repeat({ until: ([row]) => (row?.waiting ?? 0) > 0 }))
      const stopping = yield* Effect.forkChild(Fiber.interrupt(building), { startImmediately: true })
      yield* letGo
      yield* Fiber.join(stopping)
      const [left] = yield* sql<{ readonly attempts: number; readonly isLeased: boolean }>`
        SELECT attempts, coalesce(lease_until > clock_timestamp(), false) AS "isLeased"
          FROM hm_search_index_version
         WHERE version_id = ${started.versionId}::text::bigint
      `
      assert.deepStrictEqual(left, { attempts: 1, isLeased: false })
      yield* buildAll
      const built = yield* versions.get(index, started.versionId).pipe(provide(acme))
      assert.strictEqual(built.status, "ready", JSON.stringify(built.gates))
    })
  )

  it.effect("A build goes on with the step it was in when its builder was stopped", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const versions = yield* SearchIndexVersions
      const builds = yield* SearchBuilds
      const index = yield* stocked("resumed", 2_000)
      const started = yield* versions.start(index, {}).pipe(provide(acme))
      const phase = Effect.map(
        versions.get(index, started.versionId).pipe(provide(acme)),
        (version) => version.phase
      )
      const building = yield* Effect.forkChild(builds.buildNext.pipe(asOperator))
      yield* phase.pipe(Effect.repeat({ until: (reached) => reached !== "none" }))
      yield* Fiber.interrupt(building)
      const [frozen] = yield* sql<{ readonly snapshot: string }>`
        SELECT built_snapshot::text AS snapshot
          FROM hm_search_index_version
         WHERE version_id = ${started.versionId}::text::bigint
      `
      yield* upsert([product(7_777)], index)
      yield* buildAll
      const built = yield* versions.get(index, started.versionId).pipe(provide(acme))
      assert.strictEqual(built.status, "ready", JSON.stringify(built))
      const [kept] = yield* sql<{ readonly snapshot: string }>`
        SELECT built_snapshot::text AS snapshot
          FROM hm_search_index_version
         WHERE version_id = ${started.versionId}::text::bigint
      `
      assert.strictEqual(kept?.snapshot, frozen?.snapshot)
      yield* activate(built.versionId, index)
      assert.deepStrictEqual(ids(yield* search({ query: "x7777" }, index)), ["p7777"])
    })
  )
})
