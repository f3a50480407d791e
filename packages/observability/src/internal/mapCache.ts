/**
 * The source maps that events need, kept in memory between rounds of a worker.
 */
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { zstdDecompressSync } from "node:zlib"
import * as SourceMapFile from "./sourceMapFile.ts"

/** Memory of the maps that are kept. The one that came first is dropped first. */
const cachedBytesMax = 256 * 1024 * 1024
/** Of a map that can serve no event: that it cannot is remembered. */
const emptyBytes = 1_024

interface Cached {
  readonly source: SourceMapFile.SourceMap | undefined
  readonly size: number
}

/** An event of a project that needs a map. */
export interface Want {
  readonly projectId: number
  readonly debugId: string
}

export const make = (sql: SqlClient.SqlClient) => {
  const cache = new Map<string, Cached>()
  let cachedSize = 0

  const keep = (key: string, entry: Cached) => {
    cache.set(key, entry)
    cachedSize += entry.size
    for (const [oldest, { size }] of cache) {
      if (cachedSize <= cachedBytesMax || oldest === key) break
      cache.delete(oldest)
      cachedSize -= size
    }
  }

  /** Returns the maps that events of a project need and may use. */
  return Effect.fnUntraced(function* (tenantId: string, wants: ReadonlyArray<Want>) {
    const now = yield* Now.now
    const usable = yield* sql<Want & { readonly storedAt: Date }>`
      UPDATE hm_error_source_map m
         SET used_at = ${now}
        FROM unnest(${wants.map(({ projectId }) => projectId)}::int4[],
                    ${wants.map(({ debugId }) => debugId)}::uuid[]) AS wanted (project_id, debug_id)
       WHERE m.tenant_id = ${tenantId}
         AND m.debug_id = wanted.debug_id
         AND wanted.project_id = ANY (m.project_ids)
      RETURNING wanted.project_id AS "projectId", m.debug_id::text AS "debugId", m.recorded_at AS "storedAt"
    `
    const sources = new Map<string, SourceMapFile.SourceMap | undefined>()
    for (const { debugId, storedAt } of usable) {
      if (sources.has(debugId)) continue
      // An upload that comes again has another map for the id.
      const key = `${tenantId} ${debugId} ${storedAt.getTime()}`
      if (!cache.has(key)) {
        const [row] = yield* sql<{ readonly map: Uint8Array; readonly script: Uint8Array | null }>`
          SELECT map, script
            FROM hm_error_source_map
           WHERE tenant_id = ${tenantId} AND debug_id = ${debugId}::uuid
        `
        if (row === undefined) continue
        const script = row.script === null ? undefined : zstdDecompressSync(row.script)
        const source = SourceMapFile.read(zstdDecompressSync(row.map), script)
        keep(
          key,
          typeof source === "string" ? { source: undefined, size: emptyBytes } : { source, size: source.size }
        )
        yield* Effect.yieldNow
      }
      sources.set(debugId, cache.get(key)?.source)
    }
    const allowed = new Set(usable.map((row) => `${row.projectId} ${row.debugId}`))
    return (projectId: number) => (debugId: string) =>
      allowed.has(`${projectId} ${debugId}`) ? sources.get(debugId) : undefined
  })
}
