import { assert, layer } from "@effect/vitest"
import * as Audit from "@hypermarket/core/Audit"
import { provide } from "@hypermarket/core/Tenant"
import { IndexName } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as SearchSettings from "@hypermarket/search/SearchSettings"
import { UserBehaviors } from "@hypermarket/search/UserBehaviors"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import {
  acme,
  activate,
  buildActive,
  buildAll,
  buildVersion,
  layerOf,
  products,
  search,
  stocked,
  upsert
} from "./support.ts"

/** Every version has its own partitions. */
const TestLayer = layerOf({ HM_SEARCH_PARTITION_DOCUMENTS: "1" })

layer(TestLayer, { excludeTestServices: true })("SearchIndexVersions' gates", (it) => {
  it.effect("A version that has lost a row fails its gates and is never activated", () =>
    Effect.gen(function* () {
      const indexes = yield* SearchIndexes
      const sql = yield* SqlClient.SqlClient
      const versions = yield* SearchIndexVersions
      const index = yield* stocked("damaged", 100)
      const older = yield* buildActive(index)
      yield* buildActive(index)
      for (const damage of [
        (id: string) => sql`DELETE FROM hm_search_document WHERE version = ${id}::text::bigint AND ord = 3`,
        (id: string) =>
          sql`
            UPDATE hm_search_document
               SET fields = '{}'
             WHERE version = ${id}::text::bigint AND ord = 3
          `,
        (id: string) => sql`
          DELETE FROM hm_search_posting
           WHERE version = ${id}::text::bigint
             AND term = (SELECT min(term) FROM hm_search_posting WHERE version = ${id}::text::bigint)`
      ]) {
        const built = yield* buildVersion(index)
        assert.strictEqual(built.status, "ready", JSON.stringify(built.gates))
        yield* damage(built.versionId)
        const judged = yield* versions.validate(index, built.versionId).pipe(provide(acme))
        assert.strictEqual(judged.status, "failed")
        const error = yield* activate(built.versionId, index).pipe(Effect.flip)
        assert.strictEqual(error._tag, "SearchVersionState")
      }
      // A roll-back does not return to a version that was damaged after another one was activated.
      assert.strictEqual((yield* indexes.get(index).pipe(provide(acme))).previousVersion, older.versionId)
      yield* sql`
        DELETE FROM hm_search_document
         WHERE version = ${older.versionId}::text::bigint AND ord = 3
      `
      const judged = yield* versions.validate(index, older.versionId).pipe(provide(acme))
      assert.strictEqual(judged.status, "failed")
      const refused = yield* versions.rollBack(index).pipe(provide(acme), Effect.flip)
      assert.strictEqual(refused._tag, "NothingToRollBack")
      assert.isAbove((yield* search({ query: "printer" }, index)).found, 0)
    })
  )

  it.effect("A version that loses a common query waits, and is activated by hand despite the gate", () =>
    Effect.gen(function* () {
      const behaviors = yield* UserBehaviors
      const indexes = yield* SearchIndexes
      const versions = yield* SearchIndexVersions
      const index = IndexName.make("synonyms")
      const synonyms: SearchSettings.SearchSettings["synonyms"] = [
        { kind: "two-way", phrases: ["gramophone", "lamp"] }
      ]
      const created = yield* indexes
        .create({ indexName: index, automatic: false, settings: { ...SearchSettings.defaults, synonyms } })
        .pipe(provide(acme))
      yield* upsert(products(50), index)
      yield* behaviors
        .recordQueries("test", index, [
          { id: "s1", query: "gramophone" },
          { id: "s2", query: "printer" }
        ])
        .pipe(provide(acme))
      assert.isAbove((yield* search({ query: "gramophone" }, index)).found, 0)
      yield* indexes.change(index, created.version, { settings: SearchSettings.defaults }).pipe(provide(acme))
      const started = yield* versions.start(index, { activates: true }).pipe(provide(acme))
      yield* buildAll
      const held = yield* versions.get(index, started.versionId).pipe(provide(acme))
      assert.strictEqual(held.status, "ready")
      const warned = held.gates?.find(({ gate }) => gate === "zero-results")
      assert.deepInclude(warned, { effect: "warns", passed: false, found: "50.0 % of 2 queries" })
      const refused = yield* activate(held.versionId, index).pipe(Effect.flip)
      assert.deepInclude(refused, { _tag: "SearchVersionHeld", gates: ["zero-results"] })
      const other = yield* versions
        .activate(index, held.versionId, { despite: ["overlap"] })
        .pipe(provide(acme), Effect.flip)
      assert.strictEqual(other._tag, "SearchVersionHeld")
      const entries: Array<Audit.Entry> = []
      const active = yield* versions.activate(index, held.versionId, { despite: ["zero-results"] }).pipe(
        provide(acme),
        Effect.provideService(Audit.Audit, {
          record: (entry) => Effect.sync(() => void entries.push(entry))
        })
      )
      assert.strictEqual(active.status, "active")
      assert.deepStrictEqual(entries, [
        {
          action: "index-version.activated",
          target: { type: "index-version", id: held.versionId },
          after: { indexName: index, versionId: held.versionId, status: "active", despite: ["zero-results"] }
        }
      ])
      assert.strictEqual((yield* search({ query: "gramophone", typos: false }, index)).found, 0)
    })
  )
})
