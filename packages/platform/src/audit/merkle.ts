/** The Merkle tree of RFC 9162, section 2.1, over SHA-256. */
import { createHash } from "node:crypto"

const leafPrefix = Buffer.of(0)
const nodePrefix = Buffer.of(1)

const sha256 = (...parts: ReadonlyArray<Uint8Array | string>): Buffer => {
  const hash = createHash("sha256")
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** Hash of a leaf whose data is a text in UTF-8. */
export const leafHash = (text: string): Buffer => sha256(leafPrefix, text)

/** Hash of a text in UTF-8 behind a salt. */
export const saltedHash = (salt: Uint8Array, text: string): Buffer => sha256(salt, text)

export const textHash = (text: string): Buffer => sha256(text)

/**
 * Root over the hashes of leaves. Level by level from the left: the last node of an odd level rises unchanged, which is the
 * same tree as the split at the largest power of two.
 */
export const root = (leaves: ReadonlyArray<Uint8Array>): Buffer => {
  if (leaves.length === 0) return sha256("")
  let level: ReadonlyArray<Uint8Array> = leaves
  while (level.length > 1) {
    const next: Array<Uint8Array> = []
    for (let index = 0; index < level.length; index += 2) {
      const left = level[index]
      const right = level[index + 1]
      if (left === undefined) break
      next.push(right === undefined ? left : sha256(nodePrefix, left, right))
    }
    level = next
  }
  return Buffer.from(level[0] ?? [])
}
