/** On a fresh database the planner has no statistics: no statement may depend on them. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import {
  activate,
  buildVersion,
  compare,
  ids,
  layerOf,
  products,
  search,
  stocked,
  upsert
} from "./support.ts"

const documents = 2_000
/** Rows that a statement may read per document: the copy, the checksums of both sides, and the gates. */
const readsMax = 25

/** Rows that were read of the tables of search. */
const rowsRead = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // The figures of the connections of the pool come with a delay.
  yield* Effect.repeat(sql`SELECT pg_stat_force_next_flush()`, { times: 20 })
  const [row] = yield* sql<{ readonly rows: number }>`
    SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int AS rows
      FROM pg_stat_user_tables
     WHERE relname LIKE 'hm\\_%'
  `
  return row?.rows ?? 0
})

layer(layerOf(), { excludeTestServices: true })("A fresh database", (it) => {
  it.effect("builds and validates a version by reading each document a few times", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const tables = yield* sql<{ readonly name: string }>`
        SELECT relname::text AS name
          FROM pg_class
         WHERE relkind = 'r'
           AND relname LIKE 'hm\\_%'
      `
      for (const { name } of tables) {
        yield* sql`ALTER TABLE ${sql(name)} SET (autovacuum_enabled = false)`
      }
      const index = yield* stocked("imported", documents)
      yield* sql`
        INSERT INTO hm_product_popularity_signal (tenant_id, product_id, decay_window, score, counted_at)
        SELECT 'acme', 'p' || n, 'week', n, now()
          FROM generate_series(1, ${documents}::int) AS n
      `
      const before = yield* rowsRead
      const built = yield* buildVersion(index)
      assert.strictEqual(built.status, "ready", JSON.stringify(built.gates))
      const read = (yield* rowsRead) - before
      assert.isBelow(read, readsMax * documents)
      yield* activate(built.versionId, index)
      // Every document is a change beside the version as well.
      yield* upsert(
        products(1_000).map(({ fields, id }) => ({ id, fields: { ...fields, title: "bandoneon" } })),
        index
      )
      const beforeComparison = yield* rowsRead
      const comparison = yield* compare(index)
      assert.strictEqual(comparison.checksum, comparison.indexedChecksum)
      assert.deepInclude(comparison, { documents, indexedDocuments: documents, changes: 1_000 })
      assert.isBelow((yield* rowsRead) - beforeComparison, readsMax * documents)
      assert.isTrue(
        ids(yield* search({ query: "bandoneon", limit: 5 }, index)).every((id) => id.startsWith("p"))
      )
      const analyzed = yield* sql`
        SELECT 1
          FROM pg_stat_user_tables
         WHERE relname = 'hm_search_change'
           AND last_autoanalyze IS NOT NULL
      `
      assert.strictEqual(analyzed.length, 0)
    })
  )
})
