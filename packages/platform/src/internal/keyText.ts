/**
 * The text of a key: `hm_<key id, 32 hex digits>_<secret>`, all of `[A-Za-z0-9_]`, so that it needs no escaping in URLs.
 */
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/** 43 letters of 62 carry 256 bits. */
const secretLength = 43

/** The largest multiple of 62 in a byte: bytes from there on would favour the first letters. */
const unbiasedBelow = 248

const pattern = /^hm_([0-9a-f]{32})_([A-Za-z0-9]{43})$/

export const newSecret = (): string => {
  let text = ""
  while (text.length < secretLength) {
    for (const byte of SecureRandom.randomBytesUnsafe(secretLength)) {
      if (byte < unbiasedBelow && text.length < secretLength) text += alphabet[byte % alphabet.length]
    }
  }
  return text
}

export const hash = (secret: string): Effect.Effect<Uint8Array> =>
  Effect.map(
    Effect.promise(() => crypto.subtle.digest("SHA-256", new TextEncoder().encode(secret))),
    (digest) => new Uint8Array(digest)
  )

export const format = (apiKeyId: string, secret: string): Redacted.Redacted =>
  Redacted.make(`hm_${apiKeyId.replaceAll("-", "")}_${secret}`)

export interface Parsed {
  readonly apiKeyId: string
  readonly secret: string
}

/** Undefined for a text that no key of ours has: such a request costs no query. */
export const parse = (text: string): Parsed | undefined => {
  const parts = pattern.exec(text)
  if (parts === null) return undefined
  const [, id = "", secret = ""] = parts
  const apiKeyId = `${id.slice(0, 8)}-${id.slice(8, 12)}-${id.slice(12, 16)}-${id.slice(16, 20)}-${id.slice(20)}`
  return { apiKeyId, secret }
}
