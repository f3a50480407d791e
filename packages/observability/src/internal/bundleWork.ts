/**
 * Reads the uploads that wait: their maps become usable together.
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as SqlClient from "effect/sql/SqlClient"
import { promisify } from "node:util"
import { zstdCompress } from "node:zlib"
import * as ArtifactBundle from "./artifactBundle.ts"
import * as SourceMapFile from "./sourceMapFile.ts"
import * as UploadBytes from "./uploadBytes.ts"

/** The name of this work in logs and metrics. */
export const loop = "observability.bundle.read"
/** An upload that fails waits 2 s, then twice as long, and is refused after about four minutes. */
const attemptsMax = 7
/** Files that the answer to an upload names. */
const namedMax = 5
const detailLengthMax = 2_000

const compress = promisify(zstdCompress)

interface Claimed {
  readonly bundleId: string
  readonly chunks: ReadonlyArray<string>
  readonly projectIds: ReadonlyArray<number>
  readonly attempts: number
}

/** The sentence on the maps of an upload that can serve no event. */
const detailOf = (faults: ReadonlyArray<string>, maps: number): string | null => {
  if (faults.length === 0) return null
  const more = faults.length > namedMax ? `; and ${faults.length - namedMax} more` : ""
  return `${faults.length} of ${maps} source maps can serve no event: ${faults.slice(0, namedMax).join("; ")}${more}`
    .slice(0, detailLengthMax)
    .replaceAll("\u0000", "")
    .toWellFormed()
}

export const make = (sql: SqlClient.SqlClient) => {
  /** The attempt is counted before it is made: an upload that ends the process is not read for ever. */
  const claim = Effect.fnUntraced(function* (tenantId: string) {
    const now = yield* Now.now
    const [claimed] = yield* sql<Claimed>`
      UPDATE hm_error_bundle
         SET attempts = attempts + 1, updated_at = ${now}
       WHERE tenant_id = ${tenantId}
         AND bundle_id = (
             SELECT bundle_id
               FROM hm_error_bundle
              WHERE tenant_id = ${tenantId}
                AND status = 'waiting'
                AND (attempts = 0 OR updated_at <= ${now}::timestamptz - 2 ^ attempts * interval '1 second')
              ORDER BY attempts, bundle_id
              LIMIT 1
                FOR UPDATE SKIP LOCKED
             )
      RETURNING bundle_id::text AS "bundleId", chunks, project_ids AS "projectIds", attempts
    `
    return claimed
  })

  /** Its chunks are deleted, unless another upload that waits has them too. */
  const settle = Effect.fnUntraced(function* (
    tenantId: string,
    { bundleId, chunks }: Claimed,
    status: "stored" | "refused",
    detail: string | null
  ) {
    const now = yield* Now.now
    yield* sql`
      UPDATE hm_error_bundle
         SET status = ${status}, detail = ${detail}, updated_at = ${now}
       WHERE tenant_id = ${tenantId} AND bundle_id = ${bundleId}::uuid AND status = 'waiting'
    `
    yield* sql`
      DELETE FROM hm_error_chunk c
       WHERE c.tenant_id = ${tenantId}
         AND c.checksum = ANY (${chunks}::text[])
         AND NOT EXISTS (
             SELECT
               FROM hm_error_bundle b
              WHERE b.tenant_id = c.tenant_id AND b.status = 'waiting' AND c.checksum = ANY (b.chunks)
             )
    `
  })

  const store = (tenantId: string, claimed: Claimed) =>
    transactionOf(sql)(
      Effect.gen(function* () {
        const { attempts, bundleId, chunks, projectIds } = claimed
        const now = yield* Now.now
        const held = yield* sql`
          SELECT
            FROM hm_error_bundle
           WHERE tenant_id = ${tenantId}
             AND bundle_id = ${bundleId}::uuid
             AND status = 'waiting'
             AND attempts = ${attempts}
             FOR UPDATE SKIP LOCKED
        `
        if (held.length === 0) return
        const upload = yield* UploadBytes.read(sql, tenantId, chunks)
        if (upload === undefined) {
          return yield* settle(
            tenantId,
            claimed,
            "refused",
            "Chunks of the upload are no longer there: upload it again"
          )
        }
        const contents = ArtifactBundle.read(upload.bytes)
        if (typeof contents === "string") return yield* settle(tenantId, claimed, "refused", contents)
        const faults: Array<string> = []
        for (const { debugId, mapName, scriptName } of contents.parts) {
          const map = yield* Effect.promise(() => contents.read(mapName))
          const reason =
            map === "too-large"
              ? `has more than ${ArtifactBundle.fileBytesMax} bytes, or the upload more than ${ArtifactBundle.bundleBytesMax}`
              : typeof map === "string"
                ? `is ${map} in the upload`
                : SourceMapFile.read(map, undefined)
          if (typeof map === "string" || typeof reason === "string") {
            faults.push(`${mapName} ${typeof reason === "string" ? reason : ""}`.trimEnd())
            continue
          }
          const script =
            scriptName === undefined ? undefined : yield* Effect.promise(() => contents.read(scriptName))
          const packedMap = yield* Effect.promise(() => compress(map))
          const packedScript =
            script === undefined || typeof script === "string"
              ? null
              : yield* Effect.promise(() => compress(script))
          yield* sql`
            INSERT INTO hm_error_source_map AS m (tenant_id, debug_id, project_ids, map, script, recorded_at, used_at)
            VALUES (${tenantId}, ${debugId}::uuid, ${projectIds}::int4[], ${packedMap}::bytea, ${packedScript}::bytea,
                    ${now}, ${now})
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
        const detail = detailOf(faults, contents.parts.length)
        yield* settle(
          tenantId,
          claimed,
          faults.length === contents.parts.length ? "refused" : "stored",
          detail
        )
      })
    )

  /** Reads one upload of the tenant. One that fails goes behind the others. */
  return Effect.fnUntraced(function* (tenantId: string) {
    const claimed = yield* claim(tenantId)
    if (claimed === undefined) return { count: 0, hasMore: false }
    if (claimed.attempts > attemptsMax) {
      yield* settle(
        tenantId,
        claimed,
        "refused",
        `The upload could not be read: the worker has ended ${attemptsMax} times while it read it`
      )
      return { count: 0, hasMore: true }
    }
    const exit = yield* Effect.exit(store(tenantId, claimed))
    if (Exit.isSuccess(exit)) return { count: 1, hasMore: true }
    const { text } = yield* EachTenant.report(loop, tenantId, exit.cause)
    if (claimed.attempts === attemptsMax) {
      yield* settle(tenantId, claimed, "refused", `The upload could not be read: ${text}`)
    }
    return { count: 0, hasMore: true }
  })
}
