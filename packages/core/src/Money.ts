/**
 * Money: integer minor units and a currency. No floating point anywhere.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as BoundedInt from "./BoundedInt.ts"
import { Currency } from "./Currency.ts"

/**
 * @category schemas
 * @since 0.1.0
 */
export { Currency }

/**
 * Minor units (cents) as `bigint`; on the wire decimal text, because JSON numbers lose digits above 2^53. Fits
 * Postgres's `bigint`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MinorUnits = BoundedInt.Int8

/**
 * The largest amount of a fact, in minor units: a hundred billion of a currency with cents. The amounts of an order with
 * 1,000 lines add up to 10^16, far below 2^63.
 *
 * @category limits
 * @since 0.1.0
 */
export const amountMax = 10_000_000_000_000n

/**
 * Minor units from 0 to {@link amountMax}, as facts have them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Amount = BoundedInt.makeBigInt({ minimum: 0n, maximum: amountMax })

/**
 * On the wire `{ "amount": "129900", "currency": "EUR" }`, also through `JSON.stringify`.
 *
 * @category models
 * @since 0.1.0
 */
export class Money extends Schema.Class<Money>("@hypermarket/core/Money")({
  amount: MinorUnits,
  currency: Currency
}) {
  toJSON(): { readonly amount: string; readonly currency: string } {
    return { amount: this.amount.toString(), currency: this.currency }
  }
}
