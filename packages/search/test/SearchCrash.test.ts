/**
 * A transaction that was rolled back leaves no trace when the server crashes before its record is on disk, and its id is given
 * again. Here that is made to happen.
 */
import { assert, it } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Tenant from "@hypermarket/core/Tenant"
import { Search } from "@hypermarket/search/Search"
import { SearchDocuments } from "@hypermarket/search/SearchDocuments"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { products } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import * as Cluster from "@hypermarket/soak/Cluster"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Ref, Schedule } from "effect"
import { SqlClient } from "effect/sql"

/** Only a commit brings the log to disk meanwhile. */
const settings = { wal_writer_delay: "10s" }

const write = (id: string, title: string) =>
  Effect.flatMap(SearchDocuments, (all) => all.write(products, { upserts: [{ id, fields: { title } }] }))

const find = (query: string) =>
  Effect.flatMap(Search, (all) => all.search(products, { query })).pipe(
    Effect.map(({ hits }) => hits.map(({ id }) => id))
  )

/** Connections of before the crash fail once. */
const afterCrash = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.retry(self, { schedule: Schedule.spaced("50 millis") })

it.live("a change is found whose transaction has the id of one that was rolled back before a crash", () =>
  Effect.gen(function* () {
    const cluster = yield* Cluster.make(settings)
    const options = TestDatabase.optionsOf(cluster.url)
    yield* Migrations.run([CoreDomain.migrations, SearchDomain.domain.migrations], "public").pipe(
      Effect.provide(Database.layerDirect(options))
    )
    yield* Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const indexes = yield* SearchIndexes
      yield* indexes.create({ indexName: products, automatic: false })
      yield* write("p1", "harmonium")
      const ended = yield* Ref.make("")
      yield* sql<{ readonly xid: string }>`SELECT pg_current_xact_id()::text AS xid`.pipe(
        Effect.flatMap(([row]) => Ref.set(ended, row?.xid ?? "")),
        Effect.andThen(Effect.fail("rolled back")),
        sql.withTransaction,
        Effect.flip
      )
      // This look sees the transaction as ended.
      assert.deepStrictEqual(yield* find("harmonium"), ["p1"])
      yield* cluster.killAndStart
      yield* afterCrash(write("p2", "theremin"))
      const [changed] = yield* sql<{ readonly xid: string }>`
        SELECT xid::text AS xid
          FROM hm_search_change
         WHERE doc_id = 'p2'
      `
      assert.strictEqual(changed?.xid, yield* Ref.get(ended))
      assert.deepStrictEqual(yield* afterCrash(find("theremin")), ["p2"])
    }).pipe(
      Tenant.provide(Tenant.TenantId.make("amber")),
      Effect.provide(SearchDomain.layer.pipe(Layer.provideMerge(Database.layer(options, "hm-test"))))
    )
  })
)
