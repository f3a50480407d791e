/**
 * Building a version: three steps, each committed before the next, so that a build whose process or server was killed
 * goes on with the step it was in.
 *
 * 1. Documents. One statement copies the catalogue in the order of popularity, and keeps the snapshot it read: a change
 *    is part of the version if and only if this snapshot sees its transaction.
 * 2. Postings. The documents are read back in order, analysed and inverted, and the rows written in batches. A build that
 *    begins this step again removes what the earlier attempt wrote.
 * 3. Visible. Its own tables are attached, and the version goes to its gates.
 *
 * Every step is fenced by the lease: a builder that lost it changes the row no more.
 */
import { now } from "@hypermarket/core/Now"
import { isOpen } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { halfLifeSeconds } from "../Popularity.ts"
import * as SearchSettings from "../SearchSettings.ts"
import { Builder } from "./engine/Builder.ts"
import * as settingsHash from "./engine/settingsHash.ts"
import { decayed } from "./decay.ts"
import { type Fields, toIndexDocument } from "./indexed.ts"
import * as Partition from "./partition.ts"
import { patiently } from "./patiently.ts"

/** A row of `hm_search_index_version` that this process holds. */
export interface Leased {
  readonly tenantId: string
  readonly versionId: string
  readonly indexName: string
  readonly leaseId: string
  readonly phase: "none" | "documents" | "postings"
  readonly settings: SearchSettings.SearchSettings
}

/** Another process has the version, or it was removed. */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", { versionId: Schema.String }) {}

/** A stored document does not fit the engine's limits. */
export class BuildRefused extends Schema.TaggedError<BuildRefused>()("BuildRefused", {
  message: Schema.String
}) {}

/** Of the format and the rules in this code: versions with another one are not read, and are built again. */
export const rulesHash = settingsHash.rules

const readBatch = 2_000
/** Rows of a batch of postings: about 150 bytes each on average, 7,600 at most. */
const postingBatch = 2_000
/** A chunk of a column is up to 256 KiB. */
const columnBatch = 16

/**
 * The catalogue of an index with the number that orders it, from 0 to 1: popularity (logarithmic, against the most wanted
 * product's) and the tenant's signals, weighed.
 */
const ranked = (sql: SqlClient.SqlClient, build: Leased, moment: Date) => {
  const { popularityWindow, signals } = build.settings
  const weights = 1 + signals.reduce((sum, { weight }) => sum + weight, 0)
  const score = decayed(sql, {
    score: sql`score`,
    seconds: sql`extract(epoch FROM ${moment}::timestamptz - counted_at)::float8`,
    halfLife: sql`${halfLifeSeconds[popularityWindow]}::float8`
  })
  return sql`
    SELECT c.doc_id, c.fields,
           ((coalesce(p.value / nullif(p.most, 0), 0) + coalesce(s.value, 0)) / ${weights}::float8)::real AS popularity
      FROM hm_search_change c
      LEFT JOIN (
                SELECT d.product_id, d.value, max(d.value) OVER () AS most
                  FROM (
                       SELECT product_id, ln(1 + ${score}) AS value
                         FROM hm_product_popularity_signal
                        WHERE tenant_id = ${build.tenantId} AND decay_window = ${popularityWindow}
                       ) d
                ) p
        ON p.product_id = c.doc_id
      LEFT JOIN (
                SELECT r.product_id, sum(r.value * w.weight) AS value
                  FROM hm_ranking_signal r
                  JOIN unnest(${signals.map(({ signal }) => signal)}::text[],
                              ${signals.map(({ weight }) => weight)}::float8[]) AS w (signal, weight) ON w.signal = r.signal
                 WHERE r.tenant_id = ${build.tenantId}
                 GROUP BY r.product_id
                ) s
        ON s.product_id = c.doc_id
     WHERE c.tenant_id = ${build.tenantId} AND c.index_name = ${build.indexName} AND c.fields IS NOT NULL
  `
}

const copyDocuments = Effect.fnUntraced(function* (build: Leased) {
  const sql = yield* SqlClient.SqlClient
  const moment = yield* now
  // Inside a caller's transaction the snapshot could count the caller's own uncommitted changes as seen.
  if (yield* isOpen(sql))
    return yield* Effect.die(new TypeError("a version is built outside of transactions"))
  yield* Partition.create(build.versionId)
  const table = sql(Partition.tableOf("hm_search_document", build.versionId))
  // Transaction ids from before a dump and restore: in this cluster they are still to come, and would never be old. A
  // separate transaction, so that the snapshot of the copy sees it.
  yield* patiently(sql)(sql`
    UPDATE hm_search_change
       SET xid = pg_current_xact_id()
     WHERE tenant_id = ${build.tenantId} AND index_name = ${build.indexName}
       AND xid >= pg_snapshot_xmax(pg_current_snapshot())
  `)
  const copy = Effect.gen(function* () {
    const held = yield* sql`
      SELECT 1
        FROM hm_search_index_version
       WHERE tenant_id = ${build.tenantId} AND version_id = ${build.versionId}::text::bigint
         AND lease_id = ${build.leaseId}::uuid AND phase = 'none'
         FOR UPDATE
    `
    if (held.length === 0) return yield* new LeaseLost({ versionId: build.versionId })
    // Without statistics, as on a fresh database, nested loops would read all popularity once per document.
    yield* sql`SELECT set_config('enable_nestloop', 'off', true)`
    // One statement, because each has its own snapshot.
    yield* sql`
      WITH source AS (
        SELECT r.doc_id, r.fields, r.popularity,
               (row_number() OVER (ORDER BY r.popularity DESC, r.doc_id COLLATE "C") - 1)::int AS ord
          FROM (${ranked(sql, build, moment)}) r),
      copied AS (
        INSERT INTO ${table} (tenant_id, version, ord, doc_id, fields, popularity)
        SELECT ${build.tenantId}, ${build.versionId}::text::bigint, ord, doc_id, fields, popularity
          FROM source),
      counted AS (
        SELECT count(*)::int AS documents,
               coalesce(sum(hashtextextended(doc_id || ' ' || fields::text, 0)), 0)::text AS checksum
          FROM hm_search_change
         WHERE tenant_id = ${build.tenantId} AND index_name = ${build.indexName} AND fields IS NOT NULL)
      UPDATE hm_search_index_version v
         SET built_snapshot = pg_current_snapshot(), document_count = c.documents, checksum = c.checksum,
             phase = 'documents', updated_at = ${moment}
        FROM counted c
       WHERE v.tenant_id = ${build.tenantId} AND v.version_id = ${build.versionId}::text::bigint
    `
  })
  yield* patiently(sql)(copy)
})

interface DocumentRow {
  readonly ord: number
  readonly docId: string
  readonly fields: Fields
  readonly popularity: number
}

/** Adds the version's documents to a builder, in order, letting other fibres run between batches. */
const invert = Effect.fnUntraced(function* (build: Leased) {
  const sql = yield* SqlClient.SqlClient
  const table = sql(Partition.tableOf("hm_search_document", build.versionId))
  const builder = new Builder(SearchSettings.toEngine(build.settings))
  let after = -1
  for (;;) {
    const rows: ReadonlyArray<DocumentRow> = yield* sql<DocumentRow>`
      SELECT ord, doc_id AS "docId", fields, popularity
        FROM ${table}
       WHERE tenant_id = ${build.tenantId} AND version = ${build.versionId}::text::bigint AND ord > ${after}
       ORDER BY ord
       LIMIT ${readBatch}
    `
    for (const row of rows) {
      const added = builder.add(toIndexDocument(build.settings, row.docId, row.fields, row.popularity))
      if (Result.isFailure(added)) {
        return yield* new BuildRefused({ message: `${added.failure.docId}: ${added.failure.reason}` })
      }
      if (added.success !== row.ord) {
        return yield* new BuildRefused({
          message: `${row.docId} stands at ${row.ord}, not at ${added.success}`
        })
      }
    }
    const last = rows[rows.length - 1]
    if (last === undefined || rows.length < readBatch) return builder.finish()
    after = last.ord
    yield* Effect.yieldNow
  }
})

/** Gathers an iterable into batches, without holding more than one. */
function* batches<A>(all: Iterable<A>, size: number): Generator<ReadonlyArray<A>> {
  let batch: Array<A> = []
  for (const one of all) {
    batch.push(one)
    if (batch.length === size) {
      yield batch
      batch = []
    }
  }
  if (batch.length > 0) yield batch
}

const writePostings = Effect.fnUntraced(function* (build: Leased) {
  const sql = yield* SqlClient.SqlClient
  const moment = yield* now
  const postingTable = sql(Partition.tableOf("hm_search_posting", build.versionId))
  const columnTable = sql(Partition.tableOf("hm_search_column", build.versionId))
  for (const table of [postingTable, columnTable]) {
    yield* sql`
      DELETE FROM ${table}
       WHERE tenant_id = ${build.tenantId} AND version = ${build.versionId}::text::bigint
    `
  }
  const built = yield* invert(build)
  for (const batch of batches(built.postings(), postingBatch)) {
    yield* sql`
      INSERT INTO ${postingTable} (tenant_id, version, term, chunk, df, max_impact, first_doc, last_doc, data)
      SELECT ${build.tenantId}, ${build.versionId}::text::bigint, term, chunk, df, max_impact, first_doc, last_doc, data
        FROM unnest(${batch.map(({ term }) => term)}::text[], ${batch.map(({ chunk }) => chunk)}::int4[],
                    ${batch.map(({ df }) => df)}::int4[], ${batch.map(({ maxImpact }) => maxImpact)}::int2[],
                    ${batch.map(({ firstOrdinal }) => firstOrdinal)}::int4[],
                    ${batch.map(({ lastOrdinal }) => lastOrdinal)}::int4[], ${batch.map(({ data }) => data)}::bytea[])
             AS p (term, chunk, df, max_impact, first_doc, last_doc, data)
    `
  }
  for (const batch of batches(built.columns(), columnBatch)) {
    yield* sql`
      INSERT INTO ${columnTable} (tenant_id, version, name, part, chunk, data)
      SELECT ${build.tenantId}, ${build.versionId}::text::bigint, name, part, chunk, data
        FROM unnest(${batch.map(({ name }) => name)}::text[], ${batch.map(({ part }) => part)}::text[],
                    ${batch.map(({ chunk }) => chunk)}::int4[], ${batch.map(({ data }) => data)}::bytea[])
             AS p (name, part, chunk, data)
    `
  }
  const summary = built.summary()
  yield* Partition.attach(build.versionId)
  const written = yield* sql`
    UPDATE hm_search_index_version
       SET phase = 'postings', status = 'validating', statistics = ${JSON.stringify(summary)}::text::jsonb,
           analyser_hash = ${settingsHash.hash(SearchSettings.toEngine(build.settings))}, rules_hash = ${rulesHash},
           posting_bytes = ${String(summary.postingBytes)}::text::bigint, built_at = ${moment}, updated_at = ${moment}
     WHERE tenant_id = ${build.tenantId} AND version_id = ${build.versionId}::text::bigint
       AND lease_id = ${build.leaseId}::uuid
    RETURNING 1
  `
  if (written.length === 0) return yield* new LeaseLost({ versionId: build.versionId })
})

/** Does what is left of a build, up to the gates. */
export const run = Effect.fn("versionBuild.run")(function* (
  build: Leased
): Effect.fn.Return<void, SqlError | LeaseLost | BuildRefused, SqlClient.SqlClient> {
  if (build.phase === "none") yield* copyDocuments(build)
  if (build.phase !== "postings") yield* writePostings(build)
})
