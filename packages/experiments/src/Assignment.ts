/**
 * The assignment of units to variants: deterministic, synchronous, without a query. Pure: works in a browser.
 *
 * @since 0.1.0
 */
import * as Bucketing from "@hypermarket/core/Bucketing"
import * as Condition from "@hypermarket/core/Condition"
import * as Result from "effect/Result"

/**
 * All that an assignment depends on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Definition {
  readonly key: string
  readonly status: "draft" | "running" | "paused" | "stopped"
  readonly scheme: "murmur3" | "gb_v2"
  readonly seed: string
  /** In buckets of 0.001 %. */
  readonly coverage: number
  readonly variants: ReadonlyArray<{ readonly key: string; readonly weight: number }>
  readonly targeting: Condition.Condition | null
  readonly layer: {
    readonly key: string
    readonly from: number
    readonly until: number
    readonly holdout: number
  } | null
}

/**
 * Why a unit has a variant, or none.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason =
  | "assigned"
  | "sticky"
  | "forced"
  | "unknown-experiment"
  | "not-running"
  | "holdout"
  | "layer"
  | "targeting"
  | "coverage"

/**
 * @category models
 * @since 0.1.0
 */
export interface Assignment {
  readonly experiment: string
  /** Undefined: the unit is not in the experiment. */
  readonly variant: string | undefined
  readonly reason: Reason
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Variants by experiment that the unit has seen: it stays in them, whatever weights and coverage are now. */
  readonly previous?: Readonly<Record<string, string>> | undefined
  /** Variants by experiment for a preview. */
  readonly forced?: Readonly<Record<string, string>> | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Evaluator {
  readonly keys: ReadonlyArray<string>
  /** Returns the variant of a unit. Logs no exposure. */
  readonly assign: (
    experiment: string,
    unit: string,
    attributes?: Condition.Attributes,
    options?: Options
  ) => Assignment
}

/** The salt of a layer's buckets. It differs from that of every experiment, whose seed is a UUID. */
const layerSalt = (key: string): string => `layer/${key}`

/**
 * Returns the salt of the bucket that chooses a variant: another one than that of coverage.
 *
 * @category constructors
 * @since 0.1.0
 */
export const variantSaltOf = (seed: string): string => `${seed}/variant`

const two32 = 4_294_967_296

/** Returns the number of a unit's bucket, of 100,000. The salt is hashed once. */
const placesOf = (scheme: Definition["scheme"], salt: string): ((unit: string) => number) => {
  if (scheme !== "murmur3") {
    // Rounded, because 0.00029 times 100,000 is less than 29.
    return (unit) => Math.round(Bucketing.bucket(scheme, salt, unit) * Bucketing.buckets)
  }
  const seed = Bucketing.murmur3(salt, 0)
  return (unit) => Math.floor((Bucketing.murmur3(unit, seed) * Bucketing.buckets) / two32)
}

/**
 * Compiles definitions, once per revision. A definition whose targeting does not compile matches no unit: it was accepted by
 * a newer release.
 *
 * A unit is in an experiment by its bucket under the seed, and gets its variant by another bucket, so that more or less
 * coverage moves no unit between variants.
 *
 * @category constructors
 * @since 0.1.0
 */
export const compile = (definitions: Iterable<Definition>): Evaluator => {
  const compiled = new Map(
    Array.from(definitions, (definition) => {
      const targeting =
        definition.targeting === null
          ? () => true
          : Result.match(Condition.compile(definition.targeting, {}), {
              onFailure: () => () => false,
              onSuccess: (condition) => condition.matches
            })
      const weights = definition.variants.map(({ weight }) => weight)
      const { layer, scheme, seed } = definition
      const entry = {
        definition,
        targeting,
        weights,
        layerPlace: layer === null ? () => 0 : placesOf("murmur3", layerSalt(layer.key)),
        coveragePlace: placesOf(scheme, seed),
        variantPlace: placesOf(scheme, variantSaltOf(seed))
      }
      return [definition.key, entry] as const
    })
  )
  const find = (
    experiment: string,
    unit: string,
    attributes: Condition.Attributes,
    options: Options | undefined
  ): readonly [string | undefined, Reason] => {
    const entry = compiled.get(experiment)
    if (entry === undefined) return [undefined, "unknown-experiment"]
    const { definition, targeting, weights } = entry
    const has = (key: string | undefined) =>
      key !== undefined && definition.variants.some((variant) => variant.key === key)
    const forced = options?.forced?.[experiment]
    if (has(forced)) return [forced, "forced"]
    if (definition.status !== "running") return [undefined, "not-running"]
    const previous = options?.previous?.[experiment]
    if (has(previous)) return [previous, "sticky"]
    const { layer } = definition
    if (layer !== null) {
      const place = entry.layerPlace(unit)
      if (place < layer.holdout) return [undefined, "holdout"]
      if (place < layer.from || place >= layer.until) return [undefined, "layer"]
    }
    if (!targeting(attributes)) return [undefined, "targeting"]
    if (definition.coverage < Bucketing.buckets && entry.coveragePlace(unit) >= definition.coverage) {
      return [undefined, "coverage"]
    }
    const index = Bucketing.choose(weights, entry.variantPlace(unit) / Bucketing.buckets)
    return [index === undefined ? undefined : definition.variants[index]?.key, "assigned"]
  }
  return {
    keys: Array.from(compiled.keys()),
    assign: (experiment, unit, attributes = {}, options) => {
      const [variant, reason] = find(experiment, unit, attributes, options)
      return { experiment, variant, reason }
    }
  }
}
