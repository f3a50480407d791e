/**
 * The indexes that a process searches: for each the active version, the changes since its build, and its segment if it is
 * in memory.
 *
 * A search begins with a look: one statement, and so one snapshot, that reads the active version and the changes since the
 * previous look. The looks of one index run one after another, so that changes are applied in order. A waiting search uses
 * any look that began after it.
 */
import * as DatabaseIdentity from "@hypermarket/core/DatabaseIdentity"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Change } from "./engine/Delta.ts"
import * as Curated from "./curated.ts"
import * as settingsHash from "./engine/settingsHash.ts"
import { type Fields, toIndexDocument } from "./indexed.ts"
import type { VersionId } from "../SearchIndex.ts"
import type { Status as StatusSchema } from "../SearchIndexVersion.ts"
import * as SnapshotText from "./snapshot.ts"
import * as SearchMetrics from "./searchMetrics.ts"
import { type Live, load, open } from "./versionRows.ts"

type Status = typeof StatusSchema.Type

/** The result of a look. */
export type Looked =
  | { readonly _tag: "Missing" }
  /** The version was built in another cluster, and is being rebuilt. */
  | { readonly _tag: "Foreign" }
  /** The version has the format or the rules of another release, and is being rebuilt. */
  | { readonly _tag: "Outdated" }
  /** The version has more changes than a process may hold. */
  | { readonly _tag: "Behind" }
  /** The index has no version of the id that was asked for. */
  | { readonly _tag: "NoVersion" }
  /** The version that was asked for is not built yet, or has no rows any more. */
  | { readonly _tag: "NotReady"; readonly status: Status }
  | { readonly _tag: "Live"; readonly live: Live }

/** The result of a look within a transaction. */
export type Within =
  | Exclude<Looked, { readonly _tag: "Live" }>
  | {
      readonly _tag: "Live"
      readonly live: Live
      /** False once the shared changes are not those of this look. */
      readonly isOfOneMoment: () => boolean
      /** Of every changed document, when the look has read them all. */
      readonly fields: ReadonlyMap<string, Fields> | undefined
    }

/**
 * Maximum changes since a version's build: each takes about 2 KiB of memory and 40 microseconds when it is first read.
 * A rebuild begins at a fifth of it.
 */
const changesMax = 100_000

/** The snapshot of a process without a version, for which no change is read. */
const nothingSeen = "1:1:"

interface Seen {
  /** Null when the index does not have the version that was asked for. */
  readonly searchedVersion: string | null
  readonly status: Status
  readonly isForeign: boolean
  readonly isOutdated: boolean
  readonly curationVersion: number
  readonly identity: string
  readonly snapshot: string
  readonly docId: string | null
  readonly xid: string | null
  readonly fields: Fields | null
  readonly ord: number | null
  readonly popularity: number | null
}

/**
 * Reads the version to search, the active one unless another is asked for, in at least one row. Reads the changes that the
 * previous snapshot did not see as well, if the version is still the same. Rejected: every row from the snapshot's xmin on. While a long transaction writes,
 * every look then reads and analyses again all changes since it began.
 */
const look = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  indexName: string,
  wanted: VersionId | undefined,
  previous: { readonly versionId: string; readonly snapshot: string; readonly horizon: bigint }
) => sql<Seen>`
  SELECT v.version_id::text AS "searchedVersion", v.status,
         v.system_identifier <> (SELECT s.system_identifier::text FROM pg_control_system() s) AS "isForeign",
         v.rules_hash IS DISTINCT FROM ${settingsHash.rules} AS "isOutdated",
         i.curation_version AS "curationVersion", ${sql.literal(DatabaseIdentity.expression)} AS identity,
         pg_current_snapshot()::text AS snapshot,
         c.doc_id AS "docId", c.xid::text AS xid, c.fields, d.ord, d.popularity
    FROM hm_search_index i
    LEFT JOIN hm_search_index_version v
      ON v.tenant_id = ${tenantId} AND v.index_name = ${indexName}
     AND v.version_id = coalesce(${wanted ?? null}::text::bigint, i.active_version)
    LEFT JOIN hm_search_change c
      ON c.tenant_id = ${tenantId} AND c.index_name = ${indexName} AND v.version_id = ${previous.versionId}::text::bigint
     AND c.xid >= LEAST(pg_snapshot_xmin(${previous.snapshot}::text::pg_snapshot), ${String(previous.horizon)}::text::xid8)
     AND (NOT pg_visible_in_snapshot(c.xid, ${previous.snapshot}::text::pg_snapshot)
          OR c.xid > ${String(previous.horizon)}::text::xid8)
    LEFT JOIN hm_search_document d
      ON d.tenant_id = ${tenantId} AND d.version = ${previous.versionId}::text::bigint AND d.doc_id = c.doc_id
   WHERE i.tenant_id = ${tenantId} AND i.index_name = ${indexName}
   LIMIT ${changesMax + 1}
`

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

const fieldsOf = (rows: ReadonlyArray<Seen>): ReadonlyMap<string, Fields> =>
  new Map(
    rows.flatMap(({ docId, fields }) => (docId === null || fields === null ? [] : [[docId, fields] as const]))
  )

const highestOf = (rows: ReadonlyArray<Seen>, least: bigint): bigint =>
  rows.reduce((highest, { xid }) => (xid !== null && BigInt(xid) > highest ? BigInt(xid) : highest), least)

interface Entry {
  live: Live | undefined
  /** The number of the latest look that began, and of the latest that succeeded. */
  begun: number
  seen: number
  readonly turn: Semaphore.Semaphore
  result: Looked
}

export interface LiveIndexes {
  /** Returns the index as of a look that begins after this call. */
  readonly fresh: (
    tenantId: string,
    indexName: string,
    versionId?: VersionId
  ) => Effect.Effect<Looked, SqlError>
  /**
   * Returns the index as the caller's next statement sees it, with changes that no other search sees. An overlay lies on
   * the changes that all searches share, and is of no use once these have moved on. A detached index has read all changes
   * with their fields, which takes about 40 microseconds each.
   */
  readonly within: (
    tenantId: string,
    indexName: string,
    kind: "overlay" | "detached",
    versionId?: VersionId
  ) => Effect.Effect<Within, SqlError>
  /** Returns the bytes held by segments and changes. */
  readonly bytes: () => number
}

/** Maximum indexes whose changes a process holds; the least recently searched one is dropped. */
const entriesMax = 10_000

const missing = { _tag: "Missing" } as const

const searchable: ReadonlySet<Status> = new Set(["ready", "active"])

/** The reason why a version cannot be searched. */
const refusalOf = (seen: Seen): Exclude<Looked, { _tag: "Live" }> | undefined => {
  if (seen.searchedVersion === null) return { _tag: "NoVersion" }
  if (!searchable.has(seen.status)) return { _tag: "NotReady", status: seen.status }
  if (seen.isForeign) return { _tag: "Foreign" }
  return seen.isOutdated ? { _tag: "Outdated" } : undefined
}

export const make = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  options: { readonly residentBytesMax: number }
): Effect.fn.Return<LiveIndexes, never, Scope.Scope> {
  const scope = yield* Scope.Scope
  const entries = new Map<string, Entry>()

  const entryOf = (tenantId: string, indexName: string, versionId?: VersionId): Entry => {
    const key = `${tenantId}/${indexName}/${versionId ?? ""}`
    const entry = entries.get(key) ?? {
      live: undefined,
      begun: 0,
      seen: 0,
      turn: Semaphore.makeUnsafe(1),
      result: missing
    }
    // A map keeps the order of insertion: the first entry is the least recently used one.
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

  /** Drops the least recently searched indexes until the rest fits. */
  const makeRoom = (kept: Live): void => {
    let excess = bytes() - options.residentBytesMax
    for (const entry of entries.values()) {
      if (excess <= 0) return
      if (entry.live === undefined || entry.live === kept) continue
      excess -= bytesOf(entry)
      entry.live = undefined
    }
  }

  /** Returns the rules of an index, which change rarely: only their version is read with every look. */
  const curatedOf = (
    { curated, indexName, searcher, tenantId }: Live,
    { curationVersion }: Seen
  ): Effect.Effect<Curated.Curated | undefined, SqlError> =>
    curated?.version === curationVersion
      ? Effect.succeed(curated)
      : Curated.read(sql, tenantId, indexName, searcher)

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
        Effect.tap(() => SearchMetrics.resident(bytes())),
        // Without a segment, searches read rows on demand. A version that was retired meanwhile has no rows.
        Effect.catchCause((cause) => Effect.logWarning(`Version ${live.versionId} was not loaded`, cause)),
        Effect.forkIn(scope)
      )
    })

  const step = Effect.fnUntraced(function* (
    tenantId: string,
    indexName: string,
    versionId: VersionId | undefined,
    entry: Entry
  ): Effect.fn.Return<Looked, SqlError> {
    // Usually at most two looks: one to learn the active version, one to read its changes. More if it changes in between.
    for (;;) {
      const current = entry.live
      const rows = yield* look(sql, tenantId, indexName, versionId, {
        versionId: current?.versionId ?? "0",
        snapshot: current?.snapshot ?? nothingSeen,
        horizon: current?.horizon ?? 0n
      })
      const [first] = rows
      if (first === undefined) return missing
      const refused = refusalOf(first)
      if (refused !== undefined) return refused
      if (current?.versionId === first.searchedVersion && current.identity === first.identity) {
        if (rows.length > changesMax) return { _tag: "Behind" } as const
        const changes = changesOf(current, rows)
        if (changes.length > 0) current.generation++
        current.delta.apply(changes)
        current.snapshot = first.snapshot
        current.horizon = highestOf(rows, current.horizon)
        current.usedAtMillis = yield* Clock.currentTimeMillis
        if (current.delta.size > changesMax) return { _tag: "Behind" } as const
        current.curated = yield* curatedOf(current, first)
        // A version that is not active is searched now and then, to compare it.
        if (versionId === undefined) yield* loadInBackground(current)
        return { _tag: "Live", live: current } as const
      }
      entry.live = yield* open(sql, tenantId, indexName, first.searchedVersion ?? "", first.identity)
    }
  })

  const fresh = (
    tenantId: string,
    indexName: string,
    versionId?: VersionId
  ): Effect.Effect<Looked, SqlError> =>
    Effect.suspend(() => {
      const entry = entryOf(tenantId, indexName, versionId)
      const wanted = entry.begun + 1
      return entry.turn.withPermits(1)(
        Effect.suspend((): Effect.Effect<Looked, SqlError> => {
          if (entry.seen >= wanted) return Effect.succeed(entry.result)
          const number = ++entry.begun
          return Effect.tap(step(tenantId, indexName, versionId, entry), (result) =>
            Effect.sync(() => {
              entry.result = result
              entry.seen = number
            })
          )
        })
      )
    })

  const within = Effect.fnUntraced(function* (
    tenantId: string,
    indexName: string,
    kind: "overlay" | "detached",
    versionId?: VersionId
  ): Effect.fn.Return<Within, SqlError> {
    const resident = entryOf(tenantId, indexName, versionId).live
    let shared = kind === "overlay" ? resident : undefined
    for (;;) {
      const current = shared
      const generation = current?.generation
      const previous = {
        versionId: current?.versionId ?? "0",
        snapshot: current?.snapshot ?? nothingSeen,
        horizon: current?.horizon ?? 0n
      }
      const rows = yield* look(sql, tenantId, indexName, versionId, previous)
      const [first] = rows
      if (first === undefined) return missing
      const refused = refusalOf(first)
      if (refused !== undefined) return refused
      if (rows.length > changesMax) return { _tag: "Behind" } as const
      // The snapshot of a REPEATABLE READ transaction may be older than what the process has searched since.
      const isSeen = current === undefined || SnapshotText.seesAllOf(first.snapshot, previous.snapshot)
      if (isSeen && current?.versionId === first.searchedVersion && current.identity === first.identity) {
        const live: Live = {
          ...current,
          curated: yield* curatedOf(current, first),
          delta: current.delta.overlay(changesOf(current, rows)),
          snapshot: first.snapshot,
          horizon: highestOf(rows, previous.horizon)
        }
        return {
          _tag: "Live",
          live,
          isOfOneMoment: () => current.generation === generation,
          fields: current === resident ? undefined : fieldsOf(rows)
        } as const
      }
      // Without changes: the next look reads all of them, for this search alone.
      const opened = yield* open(sql, tenantId, indexName, first.searchedVersion ?? "", first.identity)
      shared =
        opened?.versionId === resident?.versionId && opened !== undefined && resident !== undefined
          ? { ...opened, searcher: resident.searcher, segment: resident.segment }
          : opened
    }
  })

  return { fresh, within, bytes }
})
