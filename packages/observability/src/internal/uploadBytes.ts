/**
 * The bytes of an upload from its chunks. They are read and hashed in pieces, so that other work of the process runs between
 * two of them.
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { createHash } from "node:crypto"

/** Bytes of a chunk. The client cuts an upload into them. */
export const chunkBytes = 1024 * 1024

/** Chunks of one piece: hashing it takes about ten milliseconds. */
const pieceChunks = 4

interface Chunk {
  readonly checksum: string
  readonly payload: Uint8Array
}

/** Reads the chunks in their order. Undefined when one is missing. */
export const read = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  tenantId: string,
  chunks: ReadonlyArray<string>
) {
  const bytes = Buffer.allocUnsafe(chunks.length * chunkBytes)
  const hash = createHash("sha1")
  let length = 0
  for (let from = 0; from < chunks.length; from += pieceChunks) {
    const wanted = chunks.slice(from, from + pieceChunks)
    const rows = yield* sql<Chunk>`
      SELECT checksum, payload
        FROM hm_error_chunk
       WHERE tenant_id = ${tenantId} AND checksum = ANY (${wanted}::text[])
    `
    const payloads = new Map(rows.map(({ checksum, payload }) => [checksum, payload]))
    for (const checksum of wanted) {
      const payload = payloads.get(checksum)
      if (payload === undefined) return undefined
      hash.update(payload)
      bytes.set(payload, length)
      length += payload.length
    }
    yield* Effect.yieldNow
  }
  return { bytes: bytes.subarray(0, length), checksum: hash.digest("hex") }
})
