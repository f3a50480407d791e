/**
 * What a process knows of the indexes it searches: for each the active version, the changes beside it, and perhaps its
 * segment in memory.
 *
 * A search begins with a look: one statement, and so one snapshot, that reads which version is active and what has
 * changed since the look before. Looks of one index run one after another, so that changes are applied in order, and a
 * search that waits for one is content with any look that began after itself.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SearchSettings from "../SearchSettings.ts"
import type { PostingChunk } from "./engine/Block.ts"
import { Builder, typoColumn } from "./engine/Builder.ts"
import type { ColumnChunk } from "./engine/ColumnWriter.ts"
import { type Change, Delta } from "./engine/Delta.ts"
import { Searcher } from "./engine/Searcher.ts"
import { type Segment, SegmentLoader } from "./engine/Segment.ts"
import type { TermFrequency } from "./engine/Typo.ts"
import { VersionSummary } from "./engine/VersionSummary.ts"
import { type Fields, toIndexDocument } from "./indexed.ts"

/** A version with the changes beside it, as of the latest look. */
export interface Live {
  readonly tenantId: string
  readonly indexName: string
  readonly versionId: string
  readonly settings: SearchSettings.SearchSettings
  readonly searcher: Searcher
  readonly delta: Delta
  /** What the latest look saw; before the first, what the build saw. */
  snapshot: string
  /**
   * The highest transaction id that is known to be on disk, and so never given again: of the build, or of a change that was
   * read. What a look sees as ended above it may be a transaction that was rolled back and leaves no trace when the server
   * crashes: its id is then given to another one, whose changes the snapshot takes for seen.
   */
  horizon: bigint
  segment: Segment | undefined
  /** Whether the segment is being loaded, or was too large to be. */
  isSettled: boolean
  usedAtMillis: number
}

/** What a look found. */
export type Looked =
  | { readonly _tag: "Missing" }
  /** The version was built in another cluster: it is being built anew. */
  | { readonly _tag: "Foreign" }
  /** More changes stand beside the version than a process may hold. */
  | { readonly _tag: "Behind" }
  | { readonly _tag: "Live"; readonly live: Live }

/**
 * Changes that may stand beside a version: about 2 KiB of memory and 40 microseconds each to whoever reads them first.
 * A rebuild begins at a fifth of it.
 */
export const changesMax = 100_000

/** Of a process that knows no version: no row is read for it. */
const nothingSeen = "1:1:"

interface Seen {
  readonly activeVersion: string
  readonly isForeign: boolean
  readonly snapshot: string
  readonly docId: string | null
  readonly xid: string | null
  readonly fields: Fields | null
  readonly ord: number | null
  readonly popularity: number | null
}

/**
 * One row at least, with the active version; and what transactions changed that the known snapshot did not see, if the
 * known version is the active one. Rejected: rows from the snapshot's xmin on, all of them. While one long transaction
 * writes, every look then reads and analyses again what was changed since it began.
 */
const look = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  indexName: string,
  known: { readonly versionId: string; readonly snapshot: string; readonly horizon: bigint }
) => sql<Seen>`
  SELECT i.active_version::text AS "activeVersion",
         v.system_identifier <> (SELECT s.system_identifier::text FROM pg_control_system() s) AS "isForeign",
         pg_current_snapshot()::text AS snapshot,
         c.doc_id AS "docId", c.xid::text AS xid, c.fields, d.ord, d.popularity
    FROM hm_search_index i
    JOIN hm_search_index_version v ON v.tenant_id = ${tenantId} AND v.version_id = i.active_version
    LEFT JOIN hm_search_change c
      ON c.tenant_id = ${tenantId} AND c.index_name = ${indexName} AND i.active_version = ${known.versionId}::text::bigint
     AND c.xid >= LEAST(pg_snapshot_xmin(${known.snapshot}::text::pg_snapshot), ${String(known.horizon)}::text::xid8)
     AND (NOT pg_visible_in_snapshot(c.xid, ${known.snapshot}::text::pg_snapshot)
          OR c.xid > ${String(known.horizon)}::text::xid8)
    LEFT JOIN hm_search_document d
      ON d.tenant_id = ${tenantId} AND d.version = ${known.versionId}::text::bigint AND d.doc_id = c.doc_id
   WHERE i.tenant_id = ${tenantId} AND i.index_name = ${indexName}
   LIMIT ${changesMax + 1}
`

interface OpenedRow {
  readonly settings: unknown
  readonly statistics: unknown
  readonly snapshot: string
  readonly horizon: string
}

const decodeSettings = Schema.decodeUnknownEffect(SearchSettings.SearchSettings)

const decodeSummary = Schema.decodeUnknownEffect(VersionSummary)

/** The segment of a version without documents, which has no rows. */
const emptySegment = (summary: VersionSummary): Segment => {
  const built = new Builder(summary.settings).finish()
  const loader = new SegmentLoader(summary)
  loader.postings(built.postings())
  loader.columns(built.columns())
  return loader.finish()
}

/** A version without its changes; undefined when it is gone. */
export const open = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  tenantId: string,
  indexName: string,
  versionId: string
): Effect.fn.Return<Live | undefined, SqlError> {
  const [row] = yield* sql<OpenedRow>`
    SELECT settings, statistics, built_snapshot::text AS snapshot,
           -- What the build saw ended has its record on disk before the build's own.
           (pg_snapshot_xmax(built_snapshot)::text::bigint - 1)::text AS horizon
      FROM hm_search_index_version
     WHERE tenant_id = ${tenantId} AND version_id = ${versionId}::text::bigint AND statistics IS NOT NULL
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
    snapshot: row.snapshot,
    horizon: BigInt(row.horizon),
    segment,
    isSettled: segment !== undefined,
    usedAtMillis: yield* Clock.currentTimeMillis
  }
})

const changesOf = (live: Live, rows: ReadonlyArray<Seen>): ReadonlyArray<Change> =>
  rows.flatMap(({ docId, fields, ord, popularity }) =>
    docId === null
      ? []
      : [
          {
            docId,
            ordinal: ord ?? undefined,
            document:
              fields === null ? undefined : toIndexDocument(live.settings, docId, fields, popularity ?? 0)
          }
        ]
  )

const highestOf = (rows: ReadonlyArray<Seen>, least: bigint): bigint =>
  rows.reduce((highest, { xid }) => (xid !== null && BigInt(xid) > highest ? BigInt(xid) : highest), least)

/** Rows of postings in a statement of a load: 2,000 are some 300 KiB. */
const loadBatch = 4_000

/** Reads a version into memory: postings in order of term, batch by batch, then its columns. */
export const load = Effect.fn("liveIndex.load")(function* (
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
  for (const { name } of columns) loader.columns(yield* readColumns(sql, live, [name], []))
  return loader.finish()
})

/** All of the given columns, and the given buckets of the index for typing mistakes. */
export const readColumns = (
  sql: SqlClient.SqlClient,
  live: Live,
  names: ReadonlyArray<string>,
  typoBuckets: ReadonlyArray<number>
) => sql<ColumnChunk>`
  SELECT name, part, chunk, data
    FROM hm_search_column
   WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND name = ANY (${names}::text[])
     AND part <> 'typo'
   UNION ALL
  SELECT name, part, chunk, data
    FROM hm_search_column
   WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND name = ${typoColumn}
     AND part = 'typo' AND chunk = ANY (${typoBuckets}::int4[])
`

export const readPostings = (sql: SqlClient.SqlClient, live: Live, terms: ReadonlyArray<string>) =>
  sql<PostingChunk>`
    SELECT term, chunk, df, max_impact AS "maxImpact", first_doc AS "firstOrdinal", last_doc AS "lastOrdinal", data
      FROM hm_search_posting
     WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND term = ANY (${terms}::text[])
     ORDER BY term, chunk
  `

export const readFrequencies = (sql: SqlClient.SqlClient, live: Live, terms: ReadonlyArray<string>) =>
  sql<TermFrequency>`
    SELECT term, df
      FROM hm_search_posting
     WHERE tenant_id = ${live.tenantId} AND version = ${live.versionId}::text::bigint AND term = ANY (${terms}::text[])
       AND chunk = 0
  `

/** No term sorts behind its own beginning with this character. */
const lastCharacter = "\u{10ffff}"

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

// ---------------------------------------------------------------------------------------------------------------
// The indexes of a process
// ---------------------------------------------------------------------------------------------------------------

interface Entry {
  live: Live | undefined
  /** Looks that began and that ended well. */
  begun: number
  seen: number
  readonly turn: Semaphore.Semaphore
  found: Looked
}

export interface LiveIndexes {
  /** The index as of a look that begins after this call. */
  readonly fresh: (tenantId: string, indexName: string) => Effect.Effect<Looked, SqlError>
  /** The index as the caller's open transaction sees it, with its own changes; nobody else gets to see them. */
  readonly within: (tenantId: string, indexName: string) => Effect.Effect<Looked, SqlError>
  /** Bytes held by segments and changes. */
  readonly bytes: () => number
}

/** Indexes a process keeps changes of; the least recently searched is forgotten. */
const entriesMax = 10_000

const missing: Looked = { _tag: "Missing" }

export const make = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  options: { readonly residentBytesMax: number }
): Effect.fn.Return<LiveIndexes, never, Scope.Scope> {
  const scope = yield* Scope.Scope
  const entries = new Map<string, Entry>()

  const entryOf = (tenantId: string, indexName: string): Entry => {
    const key = `${tenantId}/${indexName}`
    const known = entries.get(key)
    const entry = known ?? {
      live: undefined,
      begun: 0,
      seen: 0,
      turn: Semaphore.makeUnsafe(1),
      found: missing
    }
    // A map keeps the order of insertion: the first is the one that was asked for longest ago.
    entries.delete(key)
    entries.set(key, entry)
    if (entries.size > entriesMax) {
      const oldest = entries.keys().next()
      if (oldest.done !== true) entries.delete(oldest.value)
    }
    return entry
  }

  const bytesOf = ({ live }: Entry): number =>
    live === undefined ? 0 : live.delta.bytes + (live.segment?.bytes.total ?? 0)

  const bytes = (): number => {
    let sum = 0
    for (const entry of entries.values()) sum += bytesOf(entry)
    return sum
  }

  /** Lets go of what was not searched for longest, until the rest fits. */
  const makeRoom = (kept: Live): void => {
    let excess = bytes() - options.residentBytesMax
    for (const entry of entries.values()) {
      if (excess <= 0) return
      if (entry.live === undefined || entry.live === kept) continue
      excess -= bytesOf(entry)
      entry.live = undefined
    }
  }

  const loadInBackground = (live: Live) =>
    Effect.suspend(() => {
      if (live.isSettled) return Effect.void
      live.isSettled = true
      if (live.searcher.summary.postingBytes > options.residentBytesMax) return Effect.void
      return load(sql, live).pipe(
        Effect.tap((segment) =>
          Effect.sync(() => {
            if (segment.bytes.total > options.residentBytesMax) return
            live.segment = segment
            makeRoom(live)
          })
        ),
        // On demand the answers are the same; a version that was retired meanwhile has no rows.
        Effect.catchCause((cause) => Effect.logWarning(`Version ${live.versionId} was not loaded`, cause)),
        Effect.forkIn(scope)
      )
    })

  const step = Effect.fnUntraced(function* (tenantId: string, indexName: string, entry: Entry) {
    // Twice at most: once to learn which version is active, once to read its changes; again when it changed in between.
    for (;;) {
      const known = entry.live
      const rows = yield* look(sql, tenantId, indexName, {
        versionId: known?.versionId ?? "0",
        snapshot: known?.snapshot ?? nothingSeen,
        horizon: known?.horizon ?? 0n
      })
      const [first] = rows
      if (first === undefined) return missing
      if (first.isForeign) return { _tag: "Foreign" } as const
      if (known?.versionId === first.activeVersion) {
        if (rows.length > changesMax) return { _tag: "Behind" } as const
        known.delta.apply(changesOf(known, rows))
        known.snapshot = first.snapshot
        known.horizon = highestOf(rows, known.horizon)
        known.usedAtMillis = yield* Clock.currentTimeMillis
        if (known.delta.size > changesMax) return { _tag: "Behind" } as const
        yield* loadInBackground(known)
        return { _tag: "Live", live: known } as const
      }
      entry.live = yield* open(sql, tenantId, indexName, first.activeVersion)
    }
  })

  const fresh = (tenantId: string, indexName: string): Effect.Effect<Looked, SqlError> =>
    Effect.suspend(() => {
      const entry = entryOf(tenantId, indexName)
      const wanted = entry.begun + 1
      return entry.turn.withPermits(1)(
        Effect.suspend((): Effect.Effect<Looked, SqlError> => {
          if (entry.seen >= wanted) return Effect.succeed(entry.found)
          const number = ++entry.begun
          return Effect.tap(step(tenantId, indexName, entry), (found) =>
            Effect.sync(() => {
              entry.found = found
              entry.seen = number
            })
          )
        })
      )
    })

  const within = Effect.fnUntraced(function* (tenantId: string, indexName: string) {
    let shared = entryOf(tenantId, indexName).live
    for (;;) {
      const known = shared
      const rows = yield* look(sql, tenantId, indexName, {
        versionId: known?.versionId ?? "0",
        snapshot: known?.snapshot ?? nothingSeen,
        horizon: known?.horizon ?? 0n
      })
      const [first] = rows
      if (first === undefined) return missing
      if (first.isForeign) return { _tag: "Foreign" } as const
      if (rows.length > changesMax) return { _tag: "Behind" } as const
      if (known?.versionId === first.activeVersion) {
        return {
          _tag: "Live",
          live: { ...known, delta: known.delta.overlay(changesOf(known, rows)) }
        } as const
      }
      // A version of this transaction's own, that no other search gets to see.
      shared = yield* open(sql, tenantId, indexName, first.activeVersion)
    }
  })

  return { fresh, within, bytes }
})
