/** The findings of `doctor` about indexes whose next version does not arrive. */
import { assert, layer } from "@effect/vitest"
import { provide } from "@hypermarket/core/Tenant"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as SearchSettings from "@hypermarket/search/SearchSettings"
import { UserBehaviors } from "@hypermarket/search/UserBehaviors"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import {
  acme,
  activate,
  asOperator,
  buildActive,
  buildAll,
  buildVersion,
  layerOf,
  stocked
} from "./support.ts"
import { SearchBuilds } from "@hypermarket/search/SearchBuild"

const findings = Effect.gen(function* () {
  const check = SearchDomain.domain.checks.find(({ name }) => name === "versions")
  const all = check === undefined ? [] : yield* check.run
  assert.isAbove(all.length, 0)
  return all.filter(({ status }) => status !== "ok").map(({ message, status }) => `${status}: ${message}`)
})

layer(layerOf(), { excludeTestServices: true })("doctor", (it) => {
  it.effect("names an index whose latest version has failed until another one is activated", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const builds = yield* SearchBuilds
      const versions = yield* SearchIndexVersions
      const index = yield* stocked("failing", 60)
      yield* buildActive(index)
      assert.deepStrictEqual(yield* findings, [])
      const built = yield* buildVersion(index)
      yield* sql`
        DELETE FROM hm_search_document
         WHERE version = ${built.versionId}::text::bigint AND ord = 7
      `
      yield* versions.validate(index, built.versionId).pipe(provide(acme))
      const failed = ["warn: the latest version of 1 indexes has failed"]
      assert.deepStrictEqual(yield* findings, failed)
      // Its rows are removed a minute later, and the finding stays.
      yield* sql`
        UPDATE hm_search_index_version
           SET retired_at = retired_at - interval '2 minutes'
         WHERE version_id = ${built.versionId}::text::bigint
      `
      assert.strictEqual(yield* builds.removeRetired.pipe(asOperator), 1)
      assert.deepStrictEqual(yield* findings, failed)
      yield* activate((yield* buildVersion(index)).versionId, index)
      assert.deepStrictEqual(yield* findings, [])
    })
  )

  it.effect("names a version that a gate holds back until it is activated despite the gate", () =>
    Effect.gen(function* () {
      const behaviors = yield* UserBehaviors
      const indexes = yield* SearchIndexes
      const versions = yield* SearchIndexVersions
      const index = yield* stocked("holding", 60)
      const synonyms = [{ kind: "two-way" as const, phrases: ["davenport", "chair"] }]
      const withSynonym = { settings: { ...SearchSettings.defaults, synonyms } }
      const before = yield* indexes.get(index).pipe(provide(acme))
      const changed = yield* indexes.change(index, before.version, withSynonym).pipe(provide(acme))
      yield* buildActive(index)
      yield* behaviors.recordQueries("test", index, [{ id: "d1", query: "davenport" }]).pipe(provide(acme))
      yield* indexes
        .change(index, (yield* indexes.get(index).pipe(provide(acme))).version, {
          settings: SearchSettings.defaults
        })
        .pipe(provide(acme))
      assert.notStrictEqual(changed.version, before.version)
      const started = yield* versions.start(index, { activates: true }).pipe(provide(acme))
      yield* buildAll
      assert.deepStrictEqual(yield* findings, [
        "warn: 1 versions wait for a decision, since they did not pass a gate that warns"
      ])
      yield* versions.activate(index, started.versionId, { despite: ["zero-results"] }).pipe(provide(acme))
      assert.deepStrictEqual(yield* findings, [])
    })
  )

  it.effect("names a build that no worker has taken for two minutes", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const versions = yield* SearchIndexVersions
      const index = yield* stocked("waiting", 10)
      const started = yield* versions.start(index, {}).pipe(provide(acme))
      assert.deepStrictEqual(yield* findings, [])
      yield* sql`
        UPDATE hm_search_index_version
           SET recorded_at = clock_timestamp() - interval '3 minutes'
         WHERE version_id = ${started.versionId}::text::bigint
      `
      assert.deepStrictEqual(yield* findings, ["fail: 1 versions wait to be built"])
      yield* buildAll
      assert.deepStrictEqual(yield* findings, [])
    })
  )
})
