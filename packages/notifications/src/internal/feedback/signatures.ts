/** Signatures of callbacks. Every comparison with a secret takes the same time, wherever the two differ. */
import { createHash, createHmac, createPublicKey, timingSafeEqual, verify } from "node:crypto"

type Headers = Readonly<Record<string, string | undefined>>

const isSame = (given: Buffer, expected: Buffer): boolean =>
  given.byteLength === expected.byteLength && timingSafeEqual(given, expected)

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** Basic authentication with the secret as its password. Digests are compared, so that the length shows nothing either. */
export const isBasic = (headers: Headers, secret: string): boolean => {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(headers["authorization"] ?? "")?.[1] ?? ""
  const text = Buffer.from(encoded, "base64").toString("utf8")
  const colon = text.indexOf(":")
  return isSame(digest(colon < 0 ? "" : text.slice(colon + 1)), digest(secret))
}

/** Mailgun repeats a webhook for eight hours, with the signature of the first. An older one is a replay. */
const mailgunToleranceSeconds = 12 * 60 * 60

const isWithin = (timestamp: string, now: Date, toleranceSeconds: number): boolean =>
  /^\d{1,12}$/.test(timestamp) && Math.abs(now.getTime() / 1_000 - Number(timestamp)) <= toleranceSeconds

/** Mailgun signs a time and a random token, with the account's webhook signing key. */
export const isMailgun = (
  signature: { readonly timestamp: string; readonly token: string; readonly signature: string },
  key: string,
  now: Date
): boolean =>
  isWithin(signature.timestamp, now, mailgunToleranceSeconds) &&
  isSame(
    Buffer.from(signature.signature, "hex"),
    createHmac("sha256", key).update(`${signature.timestamp}${signature.token}`).digest()
  )

/** SendGrid signs time and body with ECDSA. Its key is public. A key or signature that cannot be read verifies nothing. */
export const isSendGrid = (headers: Headers, body: Uint8Array, publicKey: string): boolean => {
  const timestamp = headers["x-twilio-email-event-webhook-timestamp"] ?? ""
  const signature = headers["x-twilio-email-event-webhook-signature"] ?? ""
  if (timestamp === "" || signature === "") return false
  try {
    const key = createPublicKey({ key: Buffer.from(publicKey, "base64"), format: "der", type: "spki" })
    return verify(
      "sha256",
      Buffer.concat([Buffer.from(timestamp), body]),
      key,
      Buffer.from(signature, "base64")
    )
  } catch {
    return false
  }
}

/** Standard Webhooks: a sender signs again when it tries again, so an old signature is a replay. */
const toleranceSeconds = 300
const secretPrefix = "whsec_"

export const isStandard = (headers: Headers, body: Uint8Array, secret: string, now: Date): boolean => {
  const id = headers["webhook-id"] ?? ""
  const timestamp = headers["webhook-timestamp"] ?? ""
  if (id === "" || !isWithin(timestamp, now, toleranceSeconds)) return false
  const key = secret.startsWith(secretPrefix)
    ? Buffer.from(secret.slice(secretPrefix.length), "base64")
    : Buffer.from(secret, "utf8")
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest()
  return (headers["webhook-signature"] ?? "")
    .split(" ")
    .some((entry) => entry.startsWith("v1,") && isSame(Buffer.from(entry.slice(3), "base64"), expected))
}
