/**
 * Integers that are bounded like the columns that keep them.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/**
 * The largest value of an `integer` column.
 *
 * @category limits
 * @since 0.1.0
 */
export const int4Max = 2_147_483_647

/**
 * The largest value of a `bigint` column.
 *
 * @category limits
 * @since 0.1.0
 */
export const int8Max = 9_223_372_036_854_775_807n

/**
 * An integer from `minimum` to `maximum`, as a JSON number.
 *
 * @category schemas
 * @since 0.1.0
 */
export const make = (range: { readonly minimum: number; readonly maximum: number }) =>
  Schema.Int.check(
    Schema.isBetween(range, { message: `Expected an integer from ${range.minimum} to ${range.maximum}` })
  )

/**
 * The range of an `integer` column.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Int4 = make({ minimum: -int4Max - 1, maximum: int4Max })

/**
 * {@link Int4} from 1.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PositiveInt4 = make({ minimum: 1, maximum: int4Max })

/**
 * An integer from 1 to 2^53 - 1, for a `bigint` column: as far as a JSON number is exact.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PositiveSafeInt = make({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER })

/** As many digits as 2^63 has: longer text is refused before it is read as a number, which is quadratic. */
const int8Pattern = /^(?:0|-?[1-9]\d{0,18})$/

/**
 * A `bigint` from `minimum` to `maximum`; on the wire decimal text, because JSON numbers lose digits above 2^53.
 *
 * @category schemas
 * @since 0.1.0
 */
export const makeBigInt = (range: { readonly minimum: bigint; readonly maximum: bigint }) => {
  const message = `Expected decimal text of an integer from ${range.minimum} to ${range.maximum}`
  return Schema.String.check(Schema.isPattern(int8Pattern, { message })).pipe(
    Schema.decodeTo(Schema.BigInt.check(Schema.isBetweenBigInt(range, { message })), {
      decode: SchemaTransformation.bigintFromString.decode,
      encode: SchemaTransformation.bigintFromString.encode
    })
  )
}

/**
 * The range of a `bigint` column; on the wire decimal text.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Int8 = makeBigInt({ minimum: -int8Max - 1n, maximum: int8Max })

/**
 * {@link Int8} from 1.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PositiveInt8 = makeBigInt({ minimum: 1n, maximum: int8Max })

/**
 * {@link Int8} that stays text, for a key that is never computed with.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Int8Text = Schema.String.check(
  Schema.makeFilter(
    (text: string) =>
      int8Pattern.test(text) && BigInt(text) <= int8Max && BigInt(text) >= -int8Max - 1n
        ? undefined
        : `Expected decimal text of an integer from ${-int8Max - 1n} to ${int8Max}`,
    { expected: "decimal text of an integer", toJsonSchema: () => ({ pattern: int8Pattern.source }) }
  )
)

/** No parameter of a query is larger. */
const digitsPattern = /^\d{1,10}$/

/**
 * An integer from `minimum` to `maximum` in the query of a URL.
 *
 * @category schemas
 * @since 0.1.0
 */
export const fromText = (range: { readonly minimum: number; readonly maximum: number }) => {
  const message = `Expected an integer from ${range.minimum} to ${range.maximum}`
  return Schema.String.check(
    Schema.makeFilter((text: string) => (digitsPattern.test(text) ? undefined : message), {
      expected: "an integer",
      // The reference shows text with a minimum as the integer that it is.
      toJsonSchema: () => ({ pattern: digitsPattern.source, ...range })
    })
  ).pipe(Schema.decodeTo(make(range), SchemaTransformation.transform({ decode: Number, encode: String })))
}
