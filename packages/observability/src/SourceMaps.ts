/**
 * The service of uploads: scripts and source maps that a build sends with Sentry's command-line client.
 *
 * An upload comes in chunks by their SHA-1. Once all are there, its manifest is judged at once, and a worker reads the rest.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { createHash } from "node:crypto"
import * as ArtifactBundle from "./internal/artifactBundle.ts"
import * as UploadBytes from "./internal/uploadBytes.ts"

/**
 * Bytes of a chunk. The client cuts an upload into them.
 *
 * @category limits
 * @since 0.1.0
 */
export const chunkBytes = UploadBytes.chunkBytes

/**
 * Chunks of one upload: 64 MiB.
 *
 * @category limits
 * @since 0.1.0
 */
export const chunksMax = 64

/**
 * Chunks of a tenant that no bundle has used yet. Past it an upload is refused until they are a day old.
 *
 * @category limits
 * @since 0.1.0
 */
export const waitingChunksMax = 512

/**
 * Bytes of a tenant's source maps, compressed. Past it an upload is refused.
 *
 * @category limits
 * @since 0.1.0
 */
export const tenantBytesMax = 2 * 1024 * 1024 * 1024

/**
 * @category models
 * @since 0.1.0
 */
export interface Chunk {
  readonly checksum: string
  readonly payload: Uint8Array
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Assembly {
  /** SHA-1 of the whole upload. */
  readonly checksum: string
  readonly chunks: ReadonlyArray<string>
  /** Slugs or ids of the projects whose events it serves. */
  readonly projects: ReadonlyArray<string>
  readonly release: string | undefined
}

/**
 * How far an upload is. `not_found` names the chunks that are missing; `error` says why it serves no event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Assembled {
  readonly state: "not_found" | "created" | "assembling" | "ok" | "error"
  readonly missingChunks: ReadonlyArray<string>
  readonly detail: string | null
}

const errorOf = (detail: string): Assembled => ({ state: "error", missingChunks: [], detail })
const stateOf = (state: Assembled["state"]): Assembled => ({ state, missingChunks: [], detail: null })

interface BundleRow {
  readonly bundleId: string
  readonly status: "waiting" | "stored" | "refused"
  readonly detail: string | null
  readonly projectIds: ReadonlyArray<number>
}

/**
 * Receives uploads.
 *
 * @category services
 * @since 0.1.0
 */
export class SourceMaps extends Context.Service<
  SourceMaps,
  {
    /** Stores chunks. Returns those whose bytes are not those of their checksum, or `full` past the tenant's limit. */
    readonly store: (
      chunks: ReadonlyArray<Chunk>
    ) => Effect.Effect<{ readonly broken: ReadonlyArray<string> } | "full", SqlError, Tenant>
    readonly assemble: (assembly: Assembly) => Effect.Effect<Assembled, SqlError, Tenant>
    /**
     * Announces a release of projects before its first event. Returns when the first of them was seen. A removed one is listed
     * again.
     */
    readonly announce: (
      projectIds: ReadonlyArray<number>,
      release: string
    ) => Effect.Effect<Date, SqlError, Tenant>
    /** Returns the names that are neither slug nor id of a project. */
    readonly resolve: (
      projects: ReadonlyArray<string>
    ) => Effect.Effect<
      { readonly projectIds: ReadonlyArray<number>; readonly unknown: ReadonlyArray<string> },
      SqlError,
      Tenant
    >
  }
>()("@hypermarket/observability/SourceMaps") {
  static readonly layer: Layer.Layer<SourceMaps, never, SqlClient.SqlClient> = Layer.effect(
    SourceMaps,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      // A whole upload is in memory while its manifest is read.
      const reading = yield* Semaphore.make(1)

      const resolve = Effect.fn("SourceMaps.resolve")(function* (projects: ReadonlyArray<string>) {
        const tenant = yield* Tenant
        const rows = yield* sql<{ readonly name: string; readonly projectId: number | null }>`
          SELECT wanted.name, p.project_id AS "projectId"
            FROM unnest(${projects}::text[]) AS wanted (name)
            LEFT JOIN hm_error_project p ON p.tenant_id = ${tenant.id}
                                        AND (p.slug = wanted.name OR p.project_id::text = wanted.name)
        `
        return {
          projectIds: Array.from(new Set(rows.flatMap(({ projectId }) => projectId ?? []))),
          unknown: rows.flatMap(({ name, projectId }) => (projectId === null ? [name] : []))
        }
      })

      const store = Effect.fn("SourceMaps.store")(function* (chunks: ReadonlyArray<Chunk>) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const [held] = yield* sql<{ readonly chunks: number }>`
          SELECT count(*)::int AS chunks
            FROM hm_error_chunk
           WHERE tenant_id = ${tenant.id}
        `
        if ((held?.chunks ?? 0) + chunks.length > waitingChunksMax) return "full" as const
        const isWhole = ({ checksum, payload }: Chunk) =>
          payload.length <= chunkBytes && createHash("sha1").update(payload).digest("hex") === checksum
        const whole = chunks.filter(isWhole)
        if (whole.length > 0) {
          yield* sql`
            INSERT INTO hm_error_chunk (tenant_id, checksum, payload, recorded_at)
            SELECT ${tenant.id}, n.checksum, n.payload, ${now}
              FROM unnest(${whole.map(({ checksum }) => checksum)}::text[],
                          ${whole.map(({ payload }) => payload)}::bytea[]) AS n (checksum, payload)
                ON CONFLICT (tenant_id, checksum)
                DO UPDATE SET recorded_at = excluded.recorded_at
          `
        }
        return { broken: chunks.flatMap((chunk) => (whole.includes(chunk) ? [] : [chunk.checksum])) }
      })

      /** Reads the manifest of a complete upload. */
      const judge = Effect.fnUntraced(function* (assembly: Assembly) {
        const tenant = yield* Tenant
        const upload = yield* UploadBytes.read(sql, tenant.id, assembly.chunks)
        if (upload?.checksum !== assembly.checksum) {
          return { isOfChunks: true, detail: "The chunks do not make up the file of this checksum" }
        }
        const contents = ArtifactBundle.read(upload.bytes)
        if (typeof contents === "string") return { isOfChunks: false, detail: contents }
        return contents.parts.length === 0
          ? {
              isOfChunks: false,
              detail: `None of its ${contents.files} files is a source map with a debug id: run \`sentry-cli sourcemaps inject\` on the build first`
            }
          : contents
      }, reading.withPermits(1))

      const existing = Effect.fnUntraced(function* (tenantId: string, checksum: string) {
        const [row] = yield* sql<BundleRow>`
          SELECT bundle_id::text AS "bundleId", status, detail, project_ids AS "projectIds"
            FROM hm_error_bundle
           WHERE tenant_id = ${tenantId} AND checksum = ${checksum}
        `
        return row
      })

      /** Lets an upload that was stored serve further projects. */
      const share = (tenantId: string, { bundleId, projectIds }: BundleRow, further: ReadonlyArray<number>) =>
        transactionOf(sql)(
          Effect.gen(function* () {
            const all = Array.from(new Set([...projectIds, ...further]))
            yield* sql`
              UPDATE hm_error_bundle
                 SET project_ids = ${all}::int4[]
               WHERE tenant_id = ${tenantId} AND bundle_id = ${bundleId}::uuid
            `
            yield* sql`
              UPDATE hm_error_source_map m
                 SET project_ids = ARRAY(SELECT unnest(m.project_ids) UNION SELECT unnest(${all}::int4[])),
                     is_fresh = true
                FROM hm_error_bundle b
               WHERE b.tenant_id = ${tenantId}
                 AND b.bundle_id = ${bundleId}::uuid
                 AND m.tenant_id = b.tenant_id
                 AND m.debug_id = ANY (b.debug_ids)
            `
          })
        )

      const assemble = Effect.fn("SourceMaps.assemble")(function* (assembly: Assembly) {
        const tenant = yield* Tenant
        const { projectIds, unknown } = yield* resolve(assembly.projects)
        if (unknown.length > 0 || projectIds.length === 0) {
          return errorOf(`${tenant.id} has no project ${unknown.join(", ")}`)
        }
        const bundle = yield* existing(tenant.id, assembly.checksum)
        if (bundle?.status === "stored") {
          if (!projectIds.every((id) => bundle.projectIds.includes(id)))
            yield* share(tenant.id, bundle, projectIds)
          return stateOf("ok")
        }
        if (bundle?.status === "waiting") return stateOf("assembling")
        if (bundle !== undefined && bundle.detail !== null) return errorOf(bundle.detail)
        const stored = yield* sql<{ readonly checksum: string }>`
          SELECT checksum
            FROM hm_error_chunk
           WHERE tenant_id = ${tenant.id} AND checksum = ANY (${assembly.chunks}::text[])
        `
        const known = new Set(stored.map(({ checksum }) => checksum))
        const missingChunks = assembly.chunks.filter((checksum) => !known.has(checksum))
        if (missingChunks.length > 0) return { state: "not_found" as const, missingChunks, detail: null }
        const [size] = yield* sql<{ readonly bytes: number }>`
          SELECT coalesce(sum(octet_length(map) + coalesce(octet_length(script), 0)), 0)::float8 AS bytes
            FROM hm_error_source_map
           WHERE tenant_id = ${tenant.id}
        `
        if ((size?.bytes ?? 0) > tenantBytesMax) {
          return errorOf(
            "The tenant has 2 GiB of source maps: those that no event needs are deleted after 90 days"
          )
        }
        const judged = yield* judge(assembly)
        // Other chunks may still make up the file.
        if ("detail" in judged && judged.isOfChunks) return errorOf(judged.detail)
        const detail = "detail" in judged ? judged.detail : null
        const debugIds = "detail" in judged ? [] : judged.parts.map(({ debugId }) => debugId)
        const now = yield* Now.now
        // A refused upload is remembered: asking again does not read it again.
        yield* sql`
          INSERT INTO hm_error_bundle (tenant_id, bundle_id, checksum, chunks, project_ids, debug_ids, release, status, detail,
                                       recorded_at, updated_at)
          VALUES (${tenant.id}, ${yield* Identifier.next}::uuid, ${assembly.checksum}, ${assembly.chunks}::text[],
                  ${projectIds}::int4[], ${debugIds}::uuid[], ${assembly.release ?? null},
                  ${detail === null ? "waiting" : "refused"}, ${detail}, ${now}, ${now})
              ON CONFLICT (tenant_id, checksum)
              DO NOTHING
        `
        if (detail !== null) return errorOf(detail)
        return stateOf("created")
      })

      const announce = Effect.fn("SourceMaps.announce")(function* (
        projectIds: ReadonlyArray<number>,
        release: string
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const rows = yield* sql<{ readonly firstSeen: Date }>`
          INSERT INTO hm_error_release AS r (tenant_id, project_id, release, event_count, first_seen, last_seen)
          SELECT ${tenant.id}, n.project_id, ${release}, 0, ${now}, ${now}
            FROM unnest(${projectIds}::int4[]) AS n (project_id)
              ON CONFLICT (tenant_id, project_id, release)
              DO UPDATE SET status = 'listed'
          RETURNING r.first_seen AS "firstSeen"
        `
        return rows.reduce((first, { firstSeen }) => (firstSeen < first ? firstSeen : first), now)
      })

      return SourceMaps.of({ store, assemble, announce, resolve })
    })
  )
}
