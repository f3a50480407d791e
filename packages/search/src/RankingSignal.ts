/**
 * A ranking signal: a value from 0 to 1 that the tenant assigns to a product, such as margin, promotion or quality. The
 * settings of an index weight it; a version has the values it was built with. The service is `RankingSignals`.
 *
 * @since 0.1.0
 */
import { isNotTiny } from "./internal/tiny.ts"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Schema from "effect/Schema"

/**
 * Maximum values of one call: one statement.
 *
 * @category limits
 * @since 0.1.0
 */
export const batchMax = 1_000

/**
 * The name of a signal.
 *
 * @category schemas
 * @since 0.1.0
 */
export const SignalName = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_]{0,62}$/, { message: "Expected a name of a-z, 0-9 and _" })
)

/**
 * The value of a signal for a product.
 *
 * @category models
 * @since 0.1.0
 */
export const RankingSignal = Schema.Struct({
  signal: SignalName,
  productId: AdopterId,
  value: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1 }), isNotTiny)
})

/**
 * @category models
 * @since 0.1.0
 */
export type RankingSignal = typeof RankingSignal.Type
