import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide } from "@hypermarket/core/Tenant"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as InstalledPostgres from "@hypermarket/testing/InstalledPostgres"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, FileSystem, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { join } from "node:path"
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
  products,
  remove,
  search,
  shop,
  upsert
} from "./support.ts"

const { absence, binaries } = InstalledPostgres

const Dump = Schema.fromJsonString(Schema.Record(Schema.String, Schema.String))

/** Partitioned tables as a whole, their rows as JSON; and how far the sequence is. */
const dump = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ readonly name: string }>`
    SELECT c.relname::text AS name
      FROM pg_class c
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname LIKE 'hm\\_%'
       AND c.relname NOT LIKE '%\\_migrations'
  `
  const dumped: Record<string, string> = {}
  for (const { name } of tables) {
    const [row] = yield* sql<{ readonly rows: string }>`
      SELECT coalesce(json_agg(t), '[]')::text AS rows
        FROM ${sql(name)} t
    `
    dumped[name] = row?.rows ?? "[]"
  }
  const [sequence] = yield* sql<{ readonly last: string }>`
    SELECT last_value::text AS last
      FROM hm_search_index_version_seq
  `
  return { text: yield* Schema.encodeEffect(Dump)(dumped), last: sequence?.last ?? "1" }
})

const restore = Effect.fnUntraced(function* ({
  last,
  text
}: {
  readonly text: string
  readonly last: string
}) {
  const sql = yield* SqlClient.SqlClient
  for (const [name, rows] of Object.entries(yield* Schema.decodeEffect(Dump)(text))) {
    yield* sql`
      INSERT INTO ${sql(name)} OVERRIDING SYSTEM VALUE
      SELECT *
        FROM json_populate_recordset(NULL::${sql(name)}, ${rows}::text::json)
    `
  }
  yield* sql`SELECT setval('hm_search_index_version_seq', ${last}::text::bigint)`
})

/** Many transactions, so that ids of this cluster are far ahead of those of a new one. */
const age = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.repeat(sql`SELECT pg_current_xact_id()::text`, { times: 2_000 })
})

const before = Effect.gen(function* () {
  yield* age
  yield* makeIndex(shop)
  yield* upsert(products(300))
  const built = yield* buildVersion()
  yield* activate(built.versionId)
  // Changes beside the version, one of them a removal, travel too.
  yield* upsert([{ id: "p1", fields: { title: "harmonium" } }])
  yield* remove(["p2"])
})

const after = Effect.gen(function* () {
  const versions = yield* SearchIndexVersions
  const refused = yield* search({ query: "harmonium" }).pipe(Effect.flip)
  assert.deepInclude(refused, { _tag: "SearchIndexBuilding", reason: "restored" })
  // A change in the new cluster has a lower transaction id than the version's snapshot knows as seen.
  yield* upsert([{ id: "p3", fields: { title: "theremin" } }])
  assert.strictEqual(yield* versions.startDue.pipe(asOperator), 1)
  yield* buildAll
  assert.deepStrictEqual(ids(yield* search({ query: "harmonium" })), ["p1"])
  assert.deepStrictEqual(ids(yield* search({ query: "theremin" })), ["p3"])
  assert.deepStrictEqual(ids(yield* search({ query: "x2" })), [])
  yield* upsert([{ id: "p4", fields: { title: "ocarina" } }])
  assert.deepStrictEqual(ids(yield* search({ query: "ocarina" })), ["p4"])
  const all = yield* compare()
  assert.deepInclude(all, { documents: 299, indexedDocuments: 299, changes: 1 })
  assert.strictEqual(all.checksum, all.indexedChecksum)
  const back = yield* versions.rollBack(shop).pipe(provide(acme), Effect.flip)
  assert.strictEqual(back._tag, "NothingToRollBack")
})

const migrate = (url: string) =>
  Migrations.run([CoreDomain.migrations, SearchDomain.domain.migrations], "public").pipe(
    Effect.provide(Database.layerDirect(TestDatabase.optionsOf(url)))
  )

const layerOn = (url: string) =>
  SearchDomain.layer.pipe(Layer.provideMerge(Database.layer(TestDatabase.optionsOf(url), "hm-test")))

describe("restored into another cluster, a version is refused, built anew, and finds what changes then", () => {
  it.live("from its rows", () =>
    Effect.gen(function* () {
      const dumped = yield* Effect.andThen(before, dump).pipe(Effect.provide(layerOf()))
      const url = yield* InstalledPostgres.cluster()
      yield* migrate(url)
      yield* Effect.andThen(restore(dumped), after).pipe(Effect.provide(layerOn(url)))
    })
  )

  it.live.skipIf(binaries === undefined)(`by pg_dump and pg_restore${absence}`, () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const file = join(yield* fs.makeTempDirectoryScoped({ prefix: "hm-dump-" }), "shop.dump")
      const source = yield* InstalledPostgres.cluster(binaries)
      yield* migrate(source)
      yield* before.pipe(Effect.provide(layerOn(source)))
      yield* InstalledPostgres.dump(source, file)
      const target = yield* InstalledPostgres.cluster(binaries)
      yield* InstalledPostgres.restore(target, file)
      yield* after.pipe(Effect.provide(layerOn(target)))
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
