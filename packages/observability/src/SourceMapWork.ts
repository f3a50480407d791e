/**
 * The work on source maps that a worker does: it reads uploads, translates events that wait, and serves stored events whose
 * map came late.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as FailureText from "@hypermarket/core/FailureText"
import * as Now from "@hypermarket/core/Now"
import type { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import { AnyMap } from "@jridgewell/trace-mapping"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { promisify } from "node:util"
import { zstdCompress, zstdDecompressSync } from "node:zlib"
import * as ArtifactBundle from "./internal/artifactBundle.ts"
import { isRecord, parseJson } from "./internal/envelope.ts"
import * as LateMaps from "./internal/lateMaps.ts"
import * as Metrics from "./internal/metrics.ts"
import type { SourceMap } from "./internal/sourceMaps.ts"
import * as StoredEvent from "./internal/storedEvent.ts"
import * as SubmissionRecord from "./internal/submissionRecord.ts"
import * as Writer from "./internal/writer.ts"

/** A round of the loop. A tenant with more to do has its next turn after the others. */
const roundLimit = "20 seconds"
/** Events that are translated in one transaction. */
const eventsMax = 100
/** Characters of maps and scripts that are kept in memory between rounds. */
const cachedMax = 64 * 1024 * 1024

const compress = promisify(zstdCompress)

/** Reads a map. Undefined for one that can serve no event. */
const parsed = (json: string, script: string | undefined): SourceMap | undefined => {
  const value = parseJson(json)
  if (!isRecord(value)) return undefined
  try {
    const map = new AnyMap(json)
    return map.sources.length === 0 ? undefined : { map, script: script?.split("\n") }
  } catch {
    return undefined
  }
}

interface Cached {
  readonly source: SourceMap | undefined
  readonly size: number
}

/**
 * Reads uploads and translates events, in rounds over all tenants.
 *
 * @category services
 * @since 0.1.0
 */
export class SourceMapWork extends Context.Service<
  SourceMapWork,
  {
    /** One round. */
    readonly run: Effect.Effect<void, SqlError>
  }
>()("@hypermarket/observability/SourceMapWork") {
  static readonly layer: Layer.Layer<SourceMapWork, never, SqlClient.SqlClient> = Layer.effect(
    SourceMapWork,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const write = Writer.make(sql)
      const late = LateMaps.make(sql)
      const cache = new Map<string, Cached>()
      let cachedSize = 0

      const keep = (key: string, entry: Cached) => {
        cache.set(key, entry)
        cachedSize += entry.size
        for (const [oldest, { size }] of cache) {
          if (cachedSize <= cachedMax || oldest === key) break
          cache.delete(oldest)
          cachedSize -= size
        }
      }

      /** The maps that events of a project need and may use. */
      const mapsOf = Effect.fnUntraced(function* (
        tenantId: string,
        wants: ReadonlyArray<{ readonly projectId: number; readonly debugId: string }>
      ) {
        const now = yield* Now.now
        const usable = yield* sql<{ readonly projectId: number; readonly debugId: string }>`
          UPDATE hm_error_source_map m
             SET used_at = ${now}
            FROM unnest(${wants.map(({ projectId }) => projectId)}::int4[],
                        ${wants.map(({ debugId }) => debugId)}::uuid[]) AS wanted (project_id, debug_id)
           WHERE m.tenant_id = ${tenantId}
             AND m.debug_id = wanted.debug_id
             AND wanted.project_id = ANY (m.project_ids)
          RETURNING wanted.project_id AS "projectId", m.debug_id::text AS "debugId"
        `
        const sources = new Map<string, SourceMap | undefined>()
        for (const debugId of new Set(usable.map((row) => row.debugId))) {
          const key = `${tenantId} ${debugId}`
          const hit = cache.get(key)
          if (hit === undefined) {
            const [row] = yield* sql<{ readonly map: Uint8Array; readonly script: Uint8Array | null }>`
              SELECT map, script
                FROM hm_error_source_map
               WHERE tenant_id = ${tenantId} AND debug_id = ${debugId}::uuid
            `
            if (row === undefined) continue
            const json = zstdDecompressSync(row.map).toString("utf8")
            const script = row.script === null ? undefined : zstdDecompressSync(row.script).toString("utf8")
            keep(key, { source: parsed(json, script), size: json.length + (script?.length ?? 0) })
          }
          sources.set(debugId, cache.get(key)?.source)
        }
        const allowed = new Set(usable.map((row) => `${row.projectId} ${row.debugId}`))
        return (projectId: number) => (debugId: string) =>
          allowed.has(`${projectId} ${debugId}`) ? sources.get(debugId) : undefined
      })

      /** Undefined for an event that a map breaks: it stays as it came. */
      const translate = (data: Uint8Array, sourceMapOf: (debugId: string) => SourceMap | undefined) =>
        Effect.sync((): StoredEvent.Translation | undefined => StoredEvent.translate(data, sourceMapOf)).pipe(
          Effect.catchDefect((defect) =>
            Effect.as(
              Effect.logWarning("An event stays as it came: its source map is broken", {
                detail: FailureText.describe(Cause.die(defect))
              }),
              undefined
            )
          ),
          // Other work of the process runs between two events.
          Effect.tap(() => Effect.yieldNow)
        )

      /** Translates and stores events that wait. */
      const storePending = (tenantId: string, pendingIds: ReadonlyArray<string>) =>
        transactionOf(sql)(
          Effect.gen(function* () {
            const rows = yield* sql<{
              readonly projectId: number
              readonly event: unknown
              readonly payload: Uint8Array
            }>`
              DELETE FROM hm_error_pending
               WHERE tenant_id = ${tenantId} AND pending_id = ANY (${pendingIds}::uuid[])
              RETURNING project_id AS "projectId", event, payload
            `
            const held = rows.map(({ event, payload, projectId }) => ({
              projectId,
              event: SubmissionRecord.decodeEvent(
                typeof event === "string" ? parseJson(event) : event,
                payload
              )
            }))
            const wants = held.flatMap(({ event, projectId }) =>
              event.debugIds.map((debugId) => ({ projectId, debugId }))
            )
            const maps = yield* mapsOf(tenantId, wants)
            const submissions = yield* Effect.forEach(held, ({ event, projectId }) =>
              Effect.map(translate(event.data, maps(projectId)), (translation) => ({
                tenantId,
                projectId,
                receivedAtMillis: event.receivedAtMillis,
                events: [{ ...event, ...translation }],
                items: [],
                counts: []
              }))
            )
            return yield* write(submissions, "worker")
          })
        )

      const dropPending = Effect.fnUntraced(function* (tenantId: string, pendingId: string) {
        const now = yield* Now.now
        const [row] = yield* sql<{ readonly projectId: number }>`
          DELETE FROM hm_error_pending
           WHERE tenant_id = ${tenantId} AND pending_id = ${pendingId}::uuid
          RETURNING project_id AS "projectId"
        `
        if (row === undefined) return
        const count = { category: "error", outcome: "dropped", reason: "unstorable", quantity: 1 } as const
        const { projectId } = row
        const submission = {
          tenantId,
          projectId,
          receivedAtMillis: now.getTime(),
          events: [],
          items: [],
          counts: [count]
        }
        yield* write([submission], "worker").pipe(Effect.ignore)
      })

      const tenantsWith = (table: "hm_error_pending" | "hm_error_bundle" | "hm_error_source_map") => {
        const condition = {
          hm_error_pending: sql`true`,
          hm_error_bundle: sql`status = 'waiting'`,
          hm_error_source_map: sql`is_fresh`
        }[table]
        return sql<{ readonly tenantId: string }>`
          SELECT DISTINCT tenant_id AS "tenantId"
            FROM ${sql(table)}
           WHERE ${condition}
        `
      }

      const pending = Effect.fnUntraced(function* (tenantId: string) {
        const rows = yield* sql<{ readonly pendingId: string }>`
          SELECT pending_id::text AS "pendingId"
            FROM hm_error_pending
           WHERE tenant_id = ${tenantId}
           ORDER BY pending_id
           LIMIT ${eventsMax}
        `
        const counts = yield* EachTenant.together({
          loop: "observability.source-map.translate",
          items: rows.map(({ pendingId }) => ({ tenantId, pendingId })),
          run: (items) =>
            storePending(
              tenantId,
              items.map(({ pendingId }) => pendingId)
            ),
          failed: ({ pendingId }) => dropPending(tenantId, pendingId)
        })
        const count = counts.reduce((sum, events) => sum + events, 0)
        yield* Metric.update(Metrics.eventsTotal, count)
        return { count, hasMore: rows.length === eventsMax }
      })

      /** Reads one upload of the tenant: its maps become usable together. */
      const extract = (tenantId: string) =>
        transactionOf(sql)(
          Effect.gen(function* () {
            const now = yield* Now.now
            const [bundle] = yield* sql<{
              readonly bundleId: string
              readonly chunks: ReadonlyArray<string>
              readonly projectIds: ReadonlyArray<number>
            }>`
              SELECT bundle_id::text AS "bundleId", chunks, project_ids AS "projectIds"
                FROM hm_error_bundle
               WHERE tenant_id = ${tenantId} AND status = 'waiting'
               ORDER BY bundle_id
               LIMIT 1
                 FOR UPDATE SKIP LOCKED
            `
            if (bundle === undefined) return { count: 0, hasMore: false }
            const { bundleId, chunks, projectIds } = bundle
            const rows = yield* sql<{ readonly checksum: string; readonly payload: Uint8Array }>`
              SELECT checksum, payload
                FROM hm_error_chunk
               WHERE tenant_id = ${tenantId} AND checksum = ANY (${chunks}::text[])
            `
            const payloads = new Map(rows.map(({ checksum, payload }) => [checksum, payload]))
            const bytes = Buffer.concat(chunks.map((checksum) => payloads.get(checksum) ?? new Uint8Array()))
            const contents = ArtifactBundle.read(bytes)
            let served = 0
            for (const { debugId, mapName, scriptName } of contents?.parts ?? []) {
              const json = ArtifactBundle.readFile(bytes, mapName)
              if (json === undefined || parsed(Buffer.from(json).toString("utf8"), undefined) === undefined)
                continue
              const script = scriptName === undefined ? undefined : ArtifactBundle.readFile(bytes, scriptName)
              served++
              const map = yield* Effect.promise(() => compress(json))
              const packed = script === undefined ? null : yield* Effect.promise(() => compress(script))
              yield* sql`
                INSERT INTO hm_error_source_map AS m (tenant_id, debug_id, project_ids, map, script, recorded_at, used_at)
                VALUES (${tenantId}, ${debugId}::uuid, ${projectIds}::int4[], ${map}::bytea, ${packed}::bytea, ${now}, ${now})
                    ON CONFLICT (tenant_id, debug_id)
                    DO UPDATE SET project_ids = ARRAY(SELECT unnest(m.project_ids) UNION SELECT unnest(excluded.project_ids)),
                                  map = excluded.map,
                                  script = excluded.script,
                                  is_fresh = true,
                                  recorded_at = excluded.recorded_at,
                                  used_at = excluded.used_at
              `
              yield* Effect.yieldNow
            }
            const detail =
              served === 0 ? "No source map of the upload can be read, or none has sources" : null
            yield* sql`
              UPDATE hm_error_bundle
                 SET status = ${served === 0 ? "refused" : "stored"}, detail = ${detail}, updated_at = ${now}
               WHERE tenant_id = ${tenantId} AND bundle_id = ${bundleId}::uuid
            `
            yield* sql`
              DELETE FROM hm_error_chunk
               WHERE tenant_id = ${tenantId} AND checksum = ANY (${chunks}::text[])
            `
            return { count: 1, hasMore: true }
          })
        )

      const serveLate = (tenantId: string) =>
        late.serve(tenantId, (wants) => mapsOf(tenantId, wants), translate)

      const round = <E>(
        loop: string,
        items: ReadonlyArray<{ readonly tenantId: string }>,
        turn: (tenantId: string) => Effect.Effect<EachTenant.Turn, E, Tenant>
      ) =>
        EachTenant.run({ loop, items, limit: roundLimit, turn: ({ tenantId }) => turn(tenantId) }).pipe(
          Effect.provideService(SqlClient.SqlClient, sql)
        )

      return SourceMapWork.of({
        run: Effect.gen(function* () {
          yield* round("observability.bundle.read", yield* tenantsWith("hm_error_bundle"), extract)
          yield* round("observability.event.translate", yield* tenantsWith("hm_error_pending"), (tenantId) =>
            pending(tenantId).pipe(Effect.provideService(SqlClient.SqlClient, sql))
          )
          yield* round("observability.source-map.serve", yield* tenantsWith("hm_error_source_map"), serveLate)
        })
      })
    })
  )
}
