/**
 * The rows of a version in Postgres, in tables as `@hypermarket/search` has them, and the two ways out of them: a
 * segment is loaded, a search fetches what it needs. The driver carries binary columns as they are.
 */
import { beginningColumn, typoColumn } from "@hypermarket/search/internal/engine/Builder"
import type { ColumnChunk } from "@hypermarket/search/internal/engine/ColumnWriter"
import type { Need, Supplied } from "@hypermarket/search/internal/engine/Fetched"
import { SegmentLoader } from "@hypermarket/search/internal/engine/Segment"
import type { VersionSummary } from "@hypermarket/search/internal/engine/VersionSummary"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as SqlClient from "effect/sql/SqlClient"
import type { Product } from "./Catalogue.ts"
import type { Rows } from "./Ours.ts"

/** Rows of one INSERT. */
const batchRows = 2_000
const tenant = "bench"
const version = 1

export const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE posting (
      tenant_id text NOT NULL, version bigint NOT NULL, term text COLLATE "C" NOT NULL, chunk integer NOT NULL,
      df integer NOT NULL, max_impact smallint NOT NULL, first_doc integer NOT NULL, last_doc integer NOT NULL,
      data bytea NOT NULL,
      PRIMARY KEY (tenant_id, version, term, chunk)
    ) WITH (toast_tuple_target = 8160)`
  yield* sql`ALTER TABLE posting ALTER data SET STORAGE EXTERNAL`
  yield* sql`
    CREATE TABLE document (
      tenant_id text NOT NULL, version bigint NOT NULL, ord integer NOT NULL, doc_id text NOT NULL,
      fields jsonb NOT NULL,
      PRIMARY KEY (tenant_id, version, ord), UNIQUE (tenant_id, version, doc_id)
    )`
  yield* sql`
    CREATE TABLE "column" (
      tenant_id text NOT NULL, version bigint NOT NULL, name text NOT NULL, part text NOT NULL,
      chunk integer NOT NULL, data bytea NOT NULL,
      PRIMARY KEY (tenant_id, version, name, part, chunk)
    )`
  yield* sql`ALTER TABLE "column" ALTER data SET STORAGE EXTERNAL`
})

const inBatches = <A, E, R>(
  rows: ReadonlyArray<A>,
  write: (batch: ReadonlyArray<A>) => Effect.Effect<unknown, E, R>
) =>
  Effect.forEach(
    Array.from({ length: Math.ceil(rows.length / batchRows) }, (_, n) => n * batchRows),
    (from) => write(rows.slice(from, from + batchRows)),
    { discard: true }
  )

export const write = Effect.fnUntraced(function* ({ columns, postings }: Rows) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`TRUNCATE posting, document, "column"`
  yield* inBatches(
    postings,
    (batch) => sql`
      INSERT INTO posting
      SELECT ${tenant}::text, ${version}::bigint, *
        FROM unnest(${batch.map(({ term }) => term)}::text[], ${batch.map(({ chunk }) => chunk)}::integer[],
                    ${batch.map(({ df }) => df)}::integer[], ${batch.map(({ maxImpact }) => maxImpact)}::smallint[],
                    ${batch.map(({ firstOrdinal }) => firstOrdinal)}::integer[],
                    ${batch.map(({ lastOrdinal }) => lastOrdinal)}::integer[],
                    ${batch.map(({ data }) => data)}::bytea[])`
  )
  yield* inBatches(
    columns,
    (batch) => sql`
      INSERT INTO "column"
      SELECT ${tenant}::text, ${version}::bigint, *
        FROM unnest(${batch.map(({ name }) => name)}::text[], ${batch.map(({ part }) => part)}::text[],
                    ${batch.map(({ chunk }) => chunk)}::integer[], ${batch.map(({ data }) => data)}::bytea[])`
  )
})

/** The documents a page is read from. */
export const writeDocuments = Effect.fnUntraced(function* (count: number, productAt: (n: number) => Product) {
  const sql = yield* SqlClient.SqlClient
  for (let from = 0; from < count; from += batchRows) {
    const batch = Array.from({ length: Math.min(batchRows, count - from) }, (_, n) => productAt(from + n))
    yield* sql`
      INSERT INTO document
      SELECT ${tenant}::text, ${version}::bigint, ${from}::integer + ordinality::integer - 1, doc_id, fields::jsonb
        FROM unnest(${batch.map(({ id }) => id)}::text[],
                    ${batch.map((product) => JSON.stringify(product))}::text[])
             WITH ORDINALITY AS input (doc_id, fields, ordinality)`
  }
})

export const settle = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`VACUUM (ANALYZE, FREEZE) posting, document, "column"`
  yield* sql`CHECKPOINT`
})

export const size = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{
    readonly postings: number
    readonly documents: number
    readonly columns: number
  }>`
    SELECT pg_total_relation_size('posting')::float8 AS postings,
           pg_total_relation_size('document')::float8 AS documents,
           pg_total_relation_size('"column"')::float8 AS columns`
  return row ?? { postings: Number.NaN, documents: Number.NaN, columns: Number.NaN }
})

interface PostingRow {
  readonly term: string
  readonly chunk: number
  readonly df: number
  readonly data: Uint8Array
}

export const load = Effect.fnUntraced(function* (summary: VersionSummary) {
  const sql = yield* SqlClient.SqlClient
  const loader = new SegmentLoader(summary)
  yield* sql<PostingRow>`
    SELECT term, chunk, df, data
      FROM posting
     WHERE tenant_id = ${tenant} AND version = ${version}
     ORDER BY term, chunk`.stream.pipe(
    Stream.runForEachArray((rows) => Effect.sync(() => loader.postings(rows)))
  )
  loader.columns(
    yield* sql<ColumnChunk>`
      SELECT name, part, chunk, data
        FROM "column"
       WHERE tenant_id = ${tenant} AND version = ${version} AND part <> 'typo'`
  )
  return loader.finish()
})

/** Everything a search on demand asks for, in as many statements as it asks different things. */
export const fetch = Effect.fnUntraced(function* (need: Need) {
  const sql = yield* SqlClient.SqlClient
  const { completions } = need
  const words = need.typoBuckets[typoColumn] ?? []
  const beginnings = need.typoBuckets[beginningColumn] ?? []
  const none = Effect.succeed([])
  const supplied: Supplied = yield* Effect.all(
    {
      postings:
        need.postings.length === 0
          ? none
          : sql<PostingRow>`
              SELECT term, chunk, df, data
                FROM posting
               WHERE tenant_id = ${tenant} AND version = ${version} AND term = ANY (${need.postings}::text[])
               ORDER BY term, chunk`,
      frequencies:
        need.frequencies.length === 0
          ? none
          : sql<{ readonly term: string; readonly df: number }>`
              SELECT term, df
                FROM posting
               WHERE tenant_id = ${tenant} AND version = ${version} AND chunk = 0
                 AND term = ANY (${need.frequencies}::text[])`,
      completions: Effect.forEach(completions, ({ limit, prefix }) =>
        Effect.map(
          sql<{ readonly term: string; readonly df: number }>`
            SELECT term, df
              FROM posting
             WHERE tenant_id = ${tenant} AND version = ${version} AND chunk = 0
               AND term >= ${prefix} AND term < ${prefix} || U&'\\+10FFFF'
             ORDER BY df DESC, term
             LIMIT ${limit}`,
          (terms) => ({ prefix, terms })
        )
      ),
      columns:
        words.length + beginnings.length + need.columns.length === 0
          ? none
          : sql<ColumnChunk>`
              SELECT name, part, chunk, data
                FROM "column"
               WHERE tenant_id = ${tenant} AND version = ${version}
                 AND (name = ANY (${need.columns}::text[])
                      OR (name = ${typoColumn} AND part = 'typo' AND chunk = ANY (${words}::integer[]))
                      OR (name = ${beginningColumn} AND part = 'typo' AND chunk = ANY (${beginnings}::integer[])))`
    },
    { concurrency: 1 }
  )
  return supplied
})

export const page = Effect.fnUntraced(function* (ordinals: ReadonlyArray<number>) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ readonly ord: number; readonly docId: string; readonly fields: unknown }>`
    SELECT ord, doc_id AS "docId", fields
      FROM document
     WHERE tenant_id = ${tenant} AND version = ${version} AND ord = ANY (${ordinals}::integer[])`
})
