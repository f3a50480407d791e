/**
 * AES-256-GCM with what it belongs to as associated data, and keys derived per use.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto"

export const keyBytes = 32
/** 96 bits, NIST SP 800-38D: a random nonce is safe for 2^32 messages of one key. */
const nonceBytes = 12
const tagBytes = 16
const formatVersion = 1

export const randomKey = (): Buffer => randomBytes(keyBytes)

/** Unambiguous: no value of one field can be read as the end of it and the beginning of the next. */
const associatedData = (fields: ReadonlyArray<string>): Buffer => Buffer.from(JSON.stringify(fields))

/** Version, nonce, ciphertext, tag. */
export const encrypt = (key: Buffer, fields: ReadonlyArray<string>, plain: Uint8Array): Buffer => {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: tagBytes })
  cipher.setAAD(associatedData(fields))
  return Buffer.concat([
    Buffer.from([formatVersion]),
    nonce,
    cipher.update(plain),
    cipher.final(),
    cipher.getAuthTag()
  ])
}

/** Undefined when the bytes were made with another key or fields, or were altered. */
export const decrypt = (
  key: Buffer,
  fields: ReadonlyArray<string>,
  sealed: Uint8Array
): Buffer | undefined => {
  if (sealed.byteLength < 1 + nonceBytes + tagBytes || sealed[0] !== formatVersion) return undefined
  const tagAt = sealed.byteLength - tagBytes
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(1, 1 + nonceBytes), {
    authTagLength: tagBytes
  })
  decipher.setAAD(associatedData(fields))
  decipher.setAuthTag(sealed.subarray(tagAt))
  const plain = decipher.update(sealed.subarray(1 + nonceBytes, tagAt))
  try {
    return Buffer.concat([plain, decipher.final()])
  } catch {
    return undefined
  }
}

/** RFC 5869: one use of a data key tells nothing of another. */
export const derive = (key: Buffer, use: "seal" | "hash" | "sign"): Buffer =>
  Buffer.from(hkdfSync("sha256", key, "", `hypermarket ${use}`, keyBytes))

export const hmac = (key: Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest()
