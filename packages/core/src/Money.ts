/**
 * Money: integer minor units and a currency. No floating point anywhere.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An ISO 4217 alphabetic code.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Currency = Schema.String.check(
  Schema.isPattern(/^[A-Z]{3}$/, { message: "Expected an ISO 4217 code such as EUR" })
).pipe(Schema.brand("@hypermarket/core/Currency"))

/**
 * @category models
 * @since 0.1.0
 */
export type Currency = typeof Currency.Type

const int8Max = 9_223_372_036_854_775_807n

/**
 * Minor units (cents) as `bigint`; on the wire a decimal string, because JSON numbers lose digits above 2^53. Fits
 * Postgres's `bigint`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MinorUnits = Schema.BigIntFromString.check(
  Schema.isBetweenBigInt({ minimum: -int8Max, maximum: int8Max })
)

/**
 * On the wire `{ "amount": "129900", "currency": "EUR" }`.
 *
 * @category models
 * @since 0.1.0
 */
export class Money extends Schema.Class<Money>("@hypermarket/core/Money")({
  amount: MinorUnits,
  currency: Currency
}) {}
