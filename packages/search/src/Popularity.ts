/**
 * The popularity of a product: sums of user actions, exponentially decayed over three windows. The service is
 * `ProductPopularity`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The decayed sums. Each halves within its window.
 *
 * @category models
 * @since 0.1.0
 */
export const Popularity = Schema.Struct({ day: Schema.Number, week: Schema.Number, month: Schema.Number })

/**
 * @category models
 * @since 0.1.0
 */
export type Popularity = typeof Popularity.Type

const daySeconds = 86_400

/**
 * The half-life of each window, in seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const halfLifeSeconds: Readonly<Record<keyof Popularity, number>> = {
  day: daySeconds,
  week: 7 * daySeconds,
  month: 30 * daySeconds
}
