/**
 * Features that another domain adds to the flags of the GrowthBook endpoint: the experiments. Experiments implements it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import type * as Condition from "./Condition.ts"
import type { Tenant } from "./Tenant.ts"

/**
 * A feature in GrowthBook's notation. Its targeting is in ours.
 *
 * @category models
 * @since 0.1.0
 */
export interface Feature {
  readonly key: string
  readonly definition: { readonly [field: string]: Schema.Json }
  /** Restricts the feature to whom it matches. The endpoint writes it in GrowthBook's notation, or refuses the feature. */
  readonly targeting?: Condition.Condition
  /** Reasons why an SDK would evaluate it otherwise than we do: the feature is named with them, and not served. */
  readonly refused?: ReadonlyArray<string>
}

/**
 * @category services
 * @since 0.1.0
 */
export interface FeatureSource {
  /** Returns the features of an environment, at most one per key. */
  readonly features: (environment: string) => Effect.Effect<ReadonlyArray<Feature>, SqlError, Tenant>
  /** Returns a number that grows with every change of the features. */
  readonly revision: Effect.Effect<bigint, SqlError, Tenant>
}

/**
 * Has no features by default, at revision 0.
 *
 * @category services
 * @since 0.1.0
 */
export const FeatureSource = Context.Reference<FeatureSource>("@hypermarket/core/FeatureSource", {
  defaultValue: () => ({ features: () => Effect.succeed([]), revision: Effect.succeed(0n) })
})
