/**
 * Secrets and signatures of Standard Webhooks 1.0 over id, timestamp and body: scheme v1 is HMAC-SHA256, scheme v1a is
 * ed25519.
 */
import { createHmac, createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto"
import type { WebhookScheme } from "../Webhook.ts"

/** 32 bytes are the output of SHA-256: a longer key adds nothing. They are also the seed of an ed25519 key. */
const secretBytes = 32

/** The column of the secrets, for `Secrets`. */
export const purpose = "hm_webhook_secret.sealed"

const secretPrefix = "whsec_"
const signingKeyPrefix = "whsk_"
const publicKeyPrefix = "whpk_"

/** RFC 8410: the DER of an ed25519 private key is this header and its seed. */
const pkcs8Header = Buffer.from("302e020100300506032b657004220420", "hex")

const bytesOf = (secret: string): Buffer => Buffer.from(secret.slice(secret.indexOf("_") + 1), "base64")

const privateKeyOf = (secret: string): KeyObject =>
  createPrivateKey({
    key: Buffer.concat([pkcs8Header, bytesOf(secret).subarray(0, secretBytes)]),
    format: "der",
    type: "pkcs8"
  })

const publicBytesOf = (secret: string): Buffer =>
  Buffer.from(createPublicKey(privateKeyOf(secret)).export({ format: "jwk" }).x ?? "", "base64url")

export const schemeOf = (secret: string): WebhookScheme =>
  secret.startsWith(signingKeyPrefix) ? "v1a" : "v1"

export const newSecret = (scheme: WebhookScheme): string =>
  `${scheme === "v1a" ? signingKeyPrefix : secretPrefix}${randomBytes(secretBytes).toString("base64")}`

/** Returns what a receiver verifies scheme v1a with; null for a secret of scheme v1. */
export const publicKeyOf = (secret: string): string | null =>
  schemeOf(secret) === "v1a" ? `${publicKeyPrefix}${publicBytesOf(secret).toString("base64")}` : null

/** Returns false for a signing key of 64 bytes whose second half is not the public key of its seed. */
export const isConsistent = (secret: string): boolean => {
  if (schemeOf(secret) === "v1") return true
  const publicHalf = bytesOf(secret).subarray(secretBytes)
  return publicHalf.length === 0 || publicHalf.equals(publicBytesOf(secret))
}

const signatureOf = (secret: string, content: string): string => {
  const signature =
    schemeOf(secret) === "v1a"
      ? sign(null, Buffer.from(content), privateKeyOf(secret))
      : createHmac("sha256", bytesOf(secret)).update(content).digest()
  return `${schemeOf(secret)},${signature.toString("base64")}`
}

/** The `webhook-id` of a message. */
const idOf = (messageId: string): string => `msg_${messageId}`

/** Returns the headers of one attempt. Each secret signs, the newest first. */
export const headersOf = (options: {
  readonly messageId: string
  readonly at: Date
  readonly body: string
  readonly secrets: ReadonlyArray<string>
}): { readonly [name: string]: string } => {
  const id = idOf(options.messageId)
  const timestamp = String(Math.floor(options.at.getTime() / 1_000))
  const content = `${id}.${timestamp}.${options.body}`
  return {
    "webhook-id": id,
    "webhook-timestamp": timestamp,
    "webhook-signature": options.secrets.map((secret) => signatureOf(secret, content)).join(" ")
  }
}
