/**
 * Ids: ours are UUIDv7, the adopter's are text.
 *
 * @since 0.1.0
 */
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

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
  Schema.isMinLength(1),
  Schema.isMaxLength(adopterIdLengthMax),
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

/**
 * Several at once, in order.
 *
 * @category constructors
 * @since 0.1.0
 */
export const nextMany = (count: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.sync(() => Array.from({ length: count }, () => SecureRandom.uuidV7Unsafe()))
