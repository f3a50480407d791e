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

/** Random digits that an id takes. The variant is in place of the first two bits of them. */
const digitsOfRandom = 16
/** The Web Crypto API fills no more at once. */
const randomBytesMax = 65_536
/** Asking for eight bytes costs nearly what asking for some thousand does, and so does writing their digits. */
const poolBytes = 4_096

const randomDigits = (bytes: number): string => {
  const random = Buffer.allocUnsafe(bytes)
  for (let start = 0; start < bytes; start += randomBytesMax) {
    crypto.getRandomValues(random.subarray(start, start + randomBytesMax))
  }
  return random.toString("hex")
}

/** Digits of which each is used once. */
let pool = ""
let poolAt = 0

/** Returns where some digits of the pool begin that are not used yet: no more than a whole pool. */
const takeOfPool = (length: number): number => {
  if (poolAt + length > pool.length) {
    pool = randomDigits(poolBytes)
    poolAt = 0
  }
  poolAt += length
  return poolAt - length
}

const hexOf = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"))
const hexDigits = "0123456789abcdef"
/** The variant with two bits of the place. */
const variantDigits = "89ab"

/** The millisecond of the last ids, with their beginning, and how many of it there are. */
let lastMillis = -1
let headOfLast = ""
let placesOfLast = 0

/** Returns the place of the first of some ids of a millisecond. */
const takePlaces = (millis: number, count: number): number => {
  if (millis !== lastMillis) {
    const time = millis.toString(16).padStart(12, "0")
    headOfLast = `${time.slice(0, 8)}-${time.slice(8)}-7`
    lastMillis = millis
    placesOfLast = 0
  }
  placesOfLast += count
  return placesOfLast - count
}

/** An id of the last millisecond. Its place has fourteen bits: twelve in front of the variant, two behind it. */
const idOf = (head: string, place: number, digits: string, at: number): string =>
  `${head}${hexOf[(place >> 6) & 0xff]}${hexDigits[(place >> 2) & 0x0f]}-${variantDigits[place & 3]}${digits.slice(at + 1, at + 4)}-${digits.slice(at + 4, at + digitsOfRandom)}`

/**
 * A UUIDv7 of an instant, as {@link nextMany} makes it. Impure: for statements that are made many times per second, and have
 * read the time.
 *
 * @category unsafe
 * @since 0.1.0
 */
export const nextAtUnsafe = (millis: number): string => {
  const place = takePlaces(millis, 1)
  const at = takeOfPool(digitsOfRandom)
  return idOf(headOfLast, place, pool, at)
}

/**
 * Several UUIDv7 at once, with 60 random bits each: one by one they cost more than the rest of a bulk insert's preparation.
 * They grow in their order, and from call to call: up to 16,384 of a process per millisecond.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nextMany = (count: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(Clock.currentTimeMillis, (millis) => {
    const first = takePlaces(millis, count)
    const head = headOfLast
    const bytes = count * (digitsOfRandom / 2)
    const isPooled = bytes <= poolBytes
    const start = isPooled ? takeOfPool(2 * bytes) : 0
    const digits = isPooled ? pool : randomDigits(bytes)
    return Array.from({ length: count }, (_, index) =>
      idOf(head, first + index, digits, start + index * digitsOfRandom)
    )
  })
