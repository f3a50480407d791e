/**
 * Columns of rows, whichever driver read them. A `timestamptz` comes as a Date, or from Drizzle as Postgres's text; a
 * `bigint` as bigint, text or number; a `numeric` as text, or from Prisma as an object of a decimal library.
 *
 * @since 0.1.0
 */
import * as BigDecimal from "effect/BigDecimal"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/** `2026-11-24 13:59:25.123456+00` in the notation of RFC 3339. */
const toRfc3339 = (text: string): string => text.replace(" ", "T").replace(/([+-]\d\d)$/, "$1:00")

/**
 * A `timestamptz` that is not infinite, cut to milliseconds.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Timestamp = Schema.Union([
  // eslint-disable-next-line eslint/no-restricted-properties -- this is the place where it belongs
  Schema.DateTimeUtcFromDate,
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.DateTimeUtcFromString,
      SchemaTransformation.transform({ decode: toRfc3339, encode: (text: string) => text })
    )
  )
])

/**
 * A `bigint`. A number is taken when it is exact.
 *
 * @category schemas
 * @since 0.1.0
 */
export const BigInt = Schema.Union([
  Schema.BigInt,
  Schema.BigIntFromString,
  Schema.Int.pipe(
    Schema.decodeTo(
      Schema.BigInt,
      SchemaTransformation.transform({ decode: (int: number) => globalThis.BigInt(int), encode: Number })
    )
  )
])

const Decimal = Schema.declare(
  (input: unknown): input is { toString(): string } =>
    typeof input === "object" && input !== null && /^-?\d/.test(String(input))
)

/**
 * A `numeric` that is a number and not infinite.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Numeric = Schema.Union([
  Schema.BigDecimalFromString,
  Decimal.pipe(
    Schema.decodeTo(
      Schema.BigDecimalFromString,
      SchemaTransformation.transform({ decode: String, encode: (text: string) => ({ toString: () => text }) })
    )
  ),
  Schema.Finite.pipe(
    Schema.decodeTo(
      Schema.BigDecimal,
      SchemaTransformation.transform({
        decode: BigDecimal.fromNumberUnsafe,
        encode: BigDecimal.toNumberUnsafe
      })
    )
  )
])
