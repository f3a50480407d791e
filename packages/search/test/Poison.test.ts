import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ProductPopularity } from "@hypermarket/search/ProductPopularity"
import { SearchBuilds } from "@hypermarket/search/SearchBuild"
import { IndexName } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { asOperator, buildAll, layerOf } from "./support.ts"

const garden = IndexName.make("garden")
const as = (tenantId: string) => provide(TenantId.make(tenantId))

const createIndex = (tenantId: string) =>
  Effect.flatMap(SearchIndexes, (indexes) => indexes.create({ indexName: garden, automatic: false })).pipe(
    as(tenantId)
  )

const startVersion = (tenantId: string) =>
  Effect.flatMap(SearchIndexVersions, (versions) => versions.start(garden, {})).pipe(as(tenantId))

/** A rule that one tenant's row breaks, in place of the bug of a later release. */
const refuse = (tenantId: string, condition: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      ALTER TABLE hm_search_index_version
        ADD CONSTRAINT ${sql(`poison of ${tenantId}`)}
      CHECK (tenant_id <> ${sql.literal(`'${tenantId}'`)} OR ${sql.literal(condition)}) NOT VALID
    `
  )

const countVersions = (tenantId: string, condition: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly count: number }>`
      SELECT count(*)::int AS count
        FROM hm_search_index_version
       WHERE tenant_id = ${tenantId}
         AND ${sql.literal(condition)}
    `
  ).pipe(Effect.map(([row]) => row?.count ?? 0))

const failureOf = (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly failure: string }>`
      SELECT failure
        FROM hm_search_index_version
       WHERE tenant_id = ${tenantId}
         AND status = 'failed'
         AND failure IS NOT NULL
    `
  ).pipe(Effect.map(([row]) => row?.failure))

const addSignal = (tenantId: string, productId: string | null) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_search_popularity_pending (tenant_id, product_id, weight, occurred_at, recorded_at)
      VALUES (${tenantId}, ${productId}, 3, now(), now())
    `
  )

layer(layerOf(), { excludeTestServices: true })("Loops of search", (it) => {
  PoisonSuite.suite(it, [
    {
      name: "building beside a version whose settings do not decode",
      work: (tenantId) => Effect.andThen(createIndex(tenantId), startVersion(tenantId)),
      plant: (tenantId) =>
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`
            UPDATE hm_search_index_version
               SET settings = '{"popularityWindow": "fortnight", "signals": 12}'
             WHERE tenant_id = ${tenantId}
               AND status = 'building'
          `
        ),
      round: buildAll,
      isDone: (tenantId) => Effect.map(countVersions(tenantId, "status = 'ready'"), (count) => count === 1),
      recorded: failureOf,
      expected: /popularityWindow|fortnight|signals|settings/
    },
    {
      name: "counting popularity beside a signal of no product",
      work: (tenantId) => addSignal(tenantId, "spade"),
      plant: (tenantId) =>
        Effect.flatMap(SqlClient.SqlClient, (sql) =>
          Effect.andThen(
            sql`ALTER TABLE hm_search_popularity_pending ALTER COLUMN product_id DROP NOT NULL`,
            addSignal(tenantId, null)
          )
        ),
      round: Effect.flatMap(ProductPopularity, ({ count }) => count).pipe(asOperator),
      isDone: (tenantId) =>
        Effect.flatMap(ProductPopularity, ({ get }) => get("spade")).pipe(
          as(tenantId),
          Effect.map(({ day }) => day > 2.9)
        ),
      recorded: PoisonSuite.loopFailure("search.popularity.count"),
      expected: /SQLSTATE 23502/
    },
    {
      name: "starting due versions beside one that cannot be inserted",
      work: (tenantId) =>
        Effect.andThen(
          createIndex(tenantId),
          Effect.flatMap(
            SqlClient.SqlClient,
            (sql) => sql`
              UPDATE hm_search_index_version
                 SET system_identifier = '4242'
               WHERE tenant_id = ${tenantId}
            `
          )
        ),
      plant: (tenantId) => refuse(tenantId, "reason <> 'restored'"),
      round: Effect.flatMap(SearchIndexVersions, ({ startDue }) => startDue).pipe(asOperator),
      isDone: (tenantId) =>
        Effect.map(countVersions(tenantId, "reason = 'restored'"), (count) => count === 1),
      recorded: PoisonSuite.loopFailure("search.version.start"),
      expected: /SQLSTATE 23514, constraint poison of/
    },
    {
      name: "removing retired versions beside one that cannot be removed",
      work: (tenantId) =>
        Effect.gen(function* () {
          const versions = yield* SearchIndexVersions
          const sql = yield* SqlClient.SqlClient
          yield* createIndex(tenantId)
          const { versionId } = yield* startVersion(tenantId)
          yield* versions.retire(garden, versionId).pipe(as(tenantId))
          yield* sql`
            UPDATE hm_search_index_version
               SET retired_at = retired_at - interval '1 hour'
             WHERE tenant_id = ${tenantId}
               AND status = 'retired'
          `
        }),
      plant: (tenantId) => refuse(tenantId, "removed_at IS NULL"),
      round: Effect.flatMap(SearchBuilds, ({ removeRetired }) => removeRetired).pipe(asOperator),
      isDone: (tenantId) =>
        Effect.map(countVersions(tenantId, "removed_at IS NOT NULL"), (count) => count === 1),
      recorded: PoisonSuite.loopFailure("search.version.remove"),
      expected: /SQLSTATE 23514, constraint poison of/
    }
  ])

  it.effect("a tenant with many versions to build does not hold up the only one of another", () =>
    Effect.gen(function* () {
      const versions = yield* SearchIndexVersions
      const builds = yield* SearchBuilds
      yield* buildAll
      const indexes = yield* SearchIndexes
      for (const name of ["one", "two", "three", "four"]) {
        const indexName = IndexName.make(name)
        yield* indexes.create({ indexName, automatic: false }).pipe(as("many"))
        yield* versions.start(indexName, {}).pipe(as("many"))
      }
      yield* createIndex("single")
      yield* startVersion("single")
      // The one of `many` that has waited longest, then that of `single`.
      yield* builds.buildNext.pipe(asOperator)
      yield* builds.buildNext.pipe(asOperator)
      assert.strictEqual(yield* countVersions("single", "status = 'building'"), 0)
      assert.strictEqual(yield* countVersions("many", "status = 'building'"), 3)
    })
  )
})
