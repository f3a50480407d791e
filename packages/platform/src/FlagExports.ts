/**
 * Flags in the notations of other systems, for SDKs that evaluate by themselves. A flag that an SDK would evaluate otherwise
 * than the platform is refused with every reason, never approximated. Pure.
 *
 * @since 0.1.0
 */
import type * as Schema from "effect/Schema"
import type { FlagEvaluator } from "./FlagEvaluator.ts"
import { exportFlags } from "./flags/exports.ts"
import { featureOf } from "./flags/growthbook/feature.ts"
import { toggleOf } from "./flags/unleash/toggle.ts"

/**
 * A flag in another system's notation.
 *
 * @category models
 * @since 0.1.0
 */
export type Feature = { readonly [field: string]: Schema.Json }

/**
 * @category models
 * @since 0.1.0
 */
export interface FlagExports {
  /** The exported flags by key, in the order of their keys. */
  readonly features: ReadonlyMap<string, Feature>
  /** The reasons of every other flag. */
  readonly refused: ReadonlyMap<string, ReadonlyArray<string>>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * True leaves out flags without public rules.
   *
   * @default false
   */
  readonly publicOnly?: boolean
}

/**
 * Exports flags for GrowthBook's SDKs. `id` is the targeting key; rollouts need the hashing `gb_v2`.
 *
 * @category exports
 * @since 0.1.0
 */
export const growthbook = (evaluator: FlagEvaluator, options?: Options): FlagExports =>
  exportFlags(evaluator.source(), { publicOnly: options?.publicOnly === true }, featureOf)

/**
 * Exports flags for Unleash's SDKs. `userId` is the targeting key; rollouts need the hashing `unleash`. Numbers and versions
 * are compared with the operator `REGEX`, which SDKs have of older releases lack.
 *
 * @category exports
 * @since 0.1.0
 */
export const unleash = (evaluator: FlagEvaluator): FlagExports =>
  exportFlags(evaluator.source(), { publicOnly: false }, toggleOf)
