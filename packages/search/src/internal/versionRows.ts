/**
 * The rows of a version: opened, loaded into memory as a whole, or read in part as a search needs them.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SearchSettings from "../SearchSettings.ts"
import type { Curated } from "./curated.ts"
import type { PostingChunk } from "./engine/Block.ts"
import { beginningColumn, Builder, typoColumn } from "./engine/Builder.ts"
import type { ColumnChunk } from "./engine/ColumnWriter.ts"
import { Delta } from "./engine/Delta.ts"
import { Searcher } from "./engine/Searcher.ts"
import { type Segment, SegmentLoader } from "./engine/Segment.ts"
import type { TermFrequency } from "./engine/Typo.ts"
import * as settingsHash from "./engine/settingsHash.ts"
import { VersionSummary } from "./engine/VersionSummary.ts"

/** A version with the changes since it was built, as of the latest look. */
export interface Live {
  readonly tenantId: string
  readonly indexName: string
  readonly versionId: string
  readonly settings: SearchSettings.SearchSettings
  readonly searcher: Searcher
  readonly delta: Delta
  /** The rules of the index as of the latest look; undefined before they are read. */
  curated: Curated | undefined
  /** Changes applied so far, in batches: an overlay is of one moment only while this stays the same. */
  generation: number
  /** The history of the server that snapshot and horizon belong to: in another one they mean nothing. */
  readonly identity: string
  /** The snapshot of the latest look; before the first look, that of the build. */
  snapshot: string
  /**
   * The highest transaction id that is certain to be on disk and so is never assigned again: that of the build, or of a
   * change that was read. A transaction above it that has ended may have been rolled back without a trace on disk. After a
   * crash of the server its id is assigned to another transaction, whose changes the snapshot would take for seen.
   */
  horizon: bigint
  segment: Segment | undefined
  /** True once the segment is being loaded, or has turned out too large. */
  isSettled: boolean
  usedAtMillis: number
}

interface OpenedRow {
  readonly settings: unknown
  readonly statistics: unknown
  readonly snapshot: string
  readonly horizon: string
}

const decodeSettings = Schema.decodeUnknownEffect(SearchSettings.SearchSettings)

const decodeSummary = Schema.decodeUnknownEffect(VersionSummary)

/** Returns the segment of a version without documents, which has no rows. */
const emptySegment = (summary: VersionSummary): Segment => {
  const built = new Builder(summary.settings).finish()
  const loader = new SegmentLoader(summary)
  loader.postings(built.postings())
  loader.columns(built.columns())
  return loader.finish()
}

/** Opens a version without its changes. Returns undefined when the version is gone or of other rules. */
export const open = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  tenantId: string,
  indexName: string,
  versionId: string,
  /** Of the look that found it; a version that is searched once needs none. */
  identity = ""
): Effect.fn.Return<Live | undefined, SqlError> {
  const [row] = yield* sql<OpenedRow>`
    SELECT settings, statistics, built_snapshot::text AS snapshot,
           -- Transactions that had ended before the build have their record on disk before the build's.
           (pg_snapshot_xmax(built_snapshot)::text::bigint - 1)::text AS horizon
      FROM hm_search_index_version
     WHERE tenant_id = ${tenantId} AND version_id = ${versionId}::text::bigint AND statistics IS NOT NULL
       AND rules_hash = ${settingsHash.rules}
  `
  if (row === undefined) return undefined
  const summary = yield* Effect.orDie(decodeSummary(row.statistics))
  const segment = summary.documentCount === 0 ? emptySegment(summary) : undefined
  return {
    tenantId,
    indexName,
    versionId,
    settings: yield* Effect.orDie(decodeSettings(row.settings)),
    searcher: new Searcher(summary),
    delta: new Delta(summary),
    curated: undefined,
    generation: 0,
    identity,
    snapshot: row.snapshot,
    horizon: BigInt(row.horizon),
    segment,
    isSettled: segment !== undefined,
    usedAtMillis: yield* Clock.currentTimeMillis
  }
})

/** Rows of postings per statement of a load: 2,000 are about 300 KiB. */
const loadBatch = 4_000

/** Reads a version into memory: the postings in order of term, batch by batch, then the columns. */
export const load = Effect.fn("versionRows.load")(function* (
  sql: SqlClient.SqlClient,
  live: Live
): Effect.fn.Return<Segment, SqlError> {
  const loader = new SegmentLoader(live.searcher.summary)
  let after = { term: "", chunk: -1 }
  for (;;) {
    const rows: ReadonlyArray<PostingChunk> = yield* sql<PostingChunk>`
      SELECT term, chunk, df, max_impact AS "maxImpact", first_doc AS "firstOrdinal", last_doc AS "lastOrdinal", data
        FROM hm_search_posting
       WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint
         AND (term, chunk) > (${after.term}::text COLLATE "C", ${after.chunk}::int4)
       ORDER BY term, chunk
       LIMIT ${loadBatch}
    `
    loader.postings(rows)
    const last = rows[rows.length - 1]
    if (last === undefined || rows.length < loadBatch) break
    after = last
  }
  const columns = yield* sql<{ readonly name: string }>`
    SELECT DISTINCT name
      FROM hm_search_column
     WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND part <> 'typo'
  `
  for (const { name } of columns) loader.columns(yield* readColumns(sql, live, [name], {}))
  return loader.finish()
})

/** Reads columns as a whole, and buckets of the typo index. */
export const readColumns = (
  sql: SqlClient.SqlClient,
  live: Live,
  names: ReadonlyArray<string>,
  typoBuckets: Readonly<Record<string, ReadonlyArray<number>>>
) => sql<ColumnChunk>`
  SELECT name, part, chunk, data
    FROM hm_search_column
   WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND name = ANY (${names}::text[])
     AND part <> 'typo'
   UNION ALL
  SELECT name, part, chunk, data
    FROM hm_search_column
   WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND name = ${typoColumn}
     AND part = 'typo' AND chunk = ANY (${typoBuckets[typoColumn] ?? []}::int4[])
   UNION ALL
  SELECT name, part, chunk, data
    FROM hm_search_column
   WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND name = ${beginningColumn}
     AND part = 'typo' AND chunk = ANY (${typoBuckets[beginningColumn] ?? []}::int4[])
`

/** Reads the postings of terms. */
export const readPostings = (sql: SqlClient.SqlClient, live: Live, terms: ReadonlyArray<string>) =>
  sql<PostingChunk>`
    SELECT term, chunk, df, max_impact AS "maxImpact", first_doc AS "firstOrdinal", last_doc AS "lastOrdinal", data
      FROM hm_search_posting
     WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND term = ANY (${terms}::text[])
     ORDER BY term, chunk
  `

/** Reads the document frequencies of terms. */
export const readFrequencies = (sql: SqlClient.SqlClient, live: Live, terms: ReadonlyArray<string>) =>
  sql<TermFrequency>`
    SELECT term, df
      FROM hm_search_posting
     WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND term = ANY (${terms}::text[])
       AND chunk = 0
  `

/** The greatest character: no term with a prefix sorts after the prefix followed by it. */
const lastCharacter = "\u{10ffff}"

/** Reads the commonest terms that begin with a prefix. */
export const readCompletions = (
  sql: SqlClient.SqlClient,
  live: Live,
  { limit, prefix }: { readonly prefix: string; readonly limit: number }
) => sql<TermFrequency>`
  SELECT term, df
    FROM hm_search_posting
   WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND chunk = 0
     AND term >= ${prefix}::text COLLATE "C" AND term < ${prefix + lastCharacter}::text COLLATE "C"
   ORDER BY df DESC, term
   LIMIT ${limit}
`
