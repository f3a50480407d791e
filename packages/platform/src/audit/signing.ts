/** The keys of `HM_PLATFORM_AUDIT_KEY`: Ed25519 seeds, of which the first signs and all verify. */
import {
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes
} from "node:crypto"

export interface SigningKey {
  readonly keyId: string
  readonly privateKey: KeyObject
  /** The 32 bytes of the public key. */
  readonly publicKey: Buffer
}

/** Before the seed, in the PKCS #8 of an Ed25519 key (RFC 8410). */
const privatePrefix = Buffer.from("302e020100300506032b657004220420", "hex")
/** Before the key, in its SubjectPublicKeyInfo. */
const publicPrefix = Buffer.from("302a300506032b6570032100", "hex")

const idPattern = /^[A-Za-z0-9_-]{1,32}$/
const base64Pattern = /^[A-Za-z0-9+/]{43}=$/
const publicKeyBytes = 32

const parseOne = (entry: string): SigningKey | undefined => {
  const end = entry.indexOf(":")
  const keyId = entry.slice(0, Math.max(end, 0))
  const text = entry.slice(end + 1)
  if (!idPattern.test(keyId) || !base64Pattern.test(text)) return undefined
  const privateKey = createPrivateKey({
    key: Buffer.concat([privatePrefix, Buffer.from(text, "base64")]),
    format: "der",
    type: "pkcs8"
  })
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" })
  return { keyId, privateKey, publicKey: spki.subarray(spki.length - publicKeyBytes) }
}

/** The keys, the newest first; undefined when an entry is malformed or an id appears twice. Never shows the text. */
export const parse = (text: string): ReadonlyArray<SigningKey> | undefined => {
  const keys: Array<SigningKey> = []
  for (const entry of text.split(",")) {
    const key = parseOne(entry.trim())
    if (key === undefined || keys.some(({ keyId }) => keyId === key.keyId)) return undefined
    keys.push(key)
  }
  return keys
}

export const sign = (key: SigningKey, text: string): Buffer =>
  signBytes(null, Buffer.from(text, "utf8"), key.privateKey)

/** False also for bytes that are no key. */
export const verify = (publicKey: Uint8Array, text: string, signature: Uint8Array): boolean => {
  if (publicKey.length !== publicKeyBytes) return false
  const key = createPublicKey({
    key: Buffer.concat([publicPrefix, publicKey]),
    format: "der",
    type: "spki"
  })
  return verifyBytes(null, Buffer.from(text, "utf8"), key, signature)
}
