/**
 * Ids: ours are UUIDv7, the adopter's are text.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { isText } from "./Text.ts"

/**
 * The longest id an adopter may use, in characters. Wide enough for URNs and composite keys, narrow enough that an
 * index entry stays far below Postgres's 2,704 byte limit.
 *
 * @category limits
 * @since 0.1.0
 */
export const adopterIdLengthMax = 200

/**
 * An id that the adopter gives: product, seller, customer, order. Text of 1 to 200 characters without control
 * characters.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AdopterId = Schema.String.check(
  isText({ max: adopterIdLengthMax }),
  // eslint-disable-next-line no-control-regex -- refusing control characters is the point
  Schema.isPattern(/^[^\u0000-\u001f\u007f]+$/, { message: "Expected no control characters" })
)

/**
 * The text of one of our own ids, in lower case, as Postgres prints it.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Uuid = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, {
    message: "Expected a UUID in lower case"
  })
)

/**
 * A new UUIDv7 (RFC 9562): grows with time, so that the newest rows are neighbours in their index.
 *
 * @category constructors
 * @since 0.1.0
 */
export const next: Effect.Effect<string> = Effect.sync(() => SecureRandom.uuidV7Unsafe())

const randomBytesOfId = 8
const digitsOfRandom = 2 * randomBytesOfId
/** The Web Crypto API fills no more at once. */
const randomBytesMax = 65_536
/** Asking for eight bytes costs nearly what asking for some thousand does. */
const pool = new Uint8Array(4_096)
let poolAt = pool.length

/** Returns random bytes. No byte of the pool is used twice. */
const randomBytes = (length: number): Uint8Array => {
  if (length <= pool.length) {
    if (poolAt + length > pool.length) {
      crypto.getRandomValues(pool)
      poolAt = 0
    }
    poolAt += length
    return pool.subarray(poolAt - length, poolAt)
  }
  const random = new Uint8Array(length)
  for (let start = 0; start < length; start += randomBytesMax) {
    crypto.getRandomValues(random.subarray(start, start + randomBytesMax))
  }
  return random
}

const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))
const hexDigits = "0123456789abcdef"

/** The millisecond of the last ids, and how many of it there are. */
let lastMillis = -1
let placesOfLast = 0

/**
 * Several UUIDv7 at once, with 60 random bits each: one by one they cost more than the rest of a bulk insert's preparation.
 * They grow in their order, and from call to call: up to 16,384 of a process per millisecond.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nextMany = (count: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(Clock.currentTimeMillis, (millis) => {
    const random = randomBytes(count * randomBytesOfId)
    const time = millis.toString(16).padStart(12, "0")
    const head = `${time.slice(0, 8)}-${time.slice(8)}-7`
    const first = millis === lastMillis ? placesOfLast : 0
    lastMillis = millis
    placesOfLast = first + count
    // Fourteen bits of place: twelve in front of the variant, two behind it.
    for (let index = 0, at = 0; index < count; index++, at += randomBytesOfId) {
      random[at] = 0x80 | (((first + index) & 3) << 4) | ((random[at] ?? 0) & 0x0f)
    }
    // The digits of all ids at once: byte by byte each id is a dozen short-lived strings.
    const hex = Buffer.from(random.buffer, random.byteOffset, random.length).toString("hex")
    return Array.from({ length: count }, (_, index) => {
      const place = first + index
      const high = `${hexOf[(place >> 6) & 0xff]}${hexDigits[(place >> 2) & 0x0f]}`
      const at = index * digitsOfRandom
      return `${head}${high}-${hex.slice(at, at + 4)}-${hex.slice(at + 4, at + digitsOfRandom)}`
    })
  })
