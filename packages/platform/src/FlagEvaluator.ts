/**
 * The flags of one environment at one revision, compiled: evaluates without a database and without promises. Pure: the same
 * context has the same outcome at the same revision.
 *
 * @since 0.1.0
 */
import type * as Schema from "effect/Schema"
import type { Hashing, Kind } from "./FeatureFlag.ts"
import type { Attributes, FlagEvaluation, FlagExplanation } from "./FlagEvaluation.ts"
import { compile, notFound } from "./flags/flagSet.ts"

/**
 * A flag as it is in one environment. `definition` is a `FlagEnvironment` of this or a newer release: what cannot be read errs
 * when it is evaluated, and leaves the other flags as they are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Flag {
  readonly flagKey: string
  readonly kind: typeof Kind.Type
  readonly variants: ReadonlyArray<{ readonly name: string; readonly value: Schema.Json }>
  readonly metadata: { readonly [name: string]: Schema.Json }
  readonly salt: string
  readonly hashing: typeof Hashing.Type
  readonly definition: unknown
}

/**
 * The compiled flags.
 *
 * @category models
 * @since 0.1.0
 */
export interface FlagEvaluator {
  readonly environment: string
  /** Grows by one with every change that may concern this environment. */
  readonly revision: bigint
  /** Evaluates one flag. Pure: the same context has the same outcome at the same revision. */
  readonly evaluate: (flagKey: string, attributes: Attributes) => FlagEvaluation
  /** The metadata of a flag, for SDKs that show it. */
  readonly metadataOf: (flagKey: string) => { readonly [name: string]: Schema.Json }
  /** Evaluates every flag of the environment, in the order of their keys. */
  readonly evaluateAll: (attributes: Attributes) => ReadonlyArray<FlagEvaluation>
  /** Returns every rule of a flag with its outcome. Slower than `evaluate`. */
  readonly explain: (flagKey: string, attributes: Attributes) => FlagExplanation
  /** Returns the flags by key and the segments that were compiled. */
  readonly source: () => {
    readonly flags: ReadonlyMap<string, Flag>
    readonly segments: ReadonlyMap<string, unknown>
    /** Why flags cannot be evaluated, by their keys; the others are absent. */
    readonly issues: ReadonlyMap<
      string,
      ReadonlyArray<{ readonly path: ReadonlyArray<string | number>; readonly message: string }>
    >
  }
}

/**
 * Compiles the flags of an environment, once per revision. The order of `flags` does not matter. `segments` are conditions by
 * key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly environment: string
  readonly revision: bigint
  readonly flags: ReadonlyArray<Flag>
  readonly segments: ReadonlyMap<string, unknown>
}): FlagEvaluator => {
  const set = compile(options)
  const source = {
    flags: new Map(options.flags.map((flag) => [flag.flagKey, flag])),
    segments: options.segments,
    issues: set.issues
  }
  const evaluate = (flagKey: string, attributes: Attributes): FlagEvaluation =>
    set.flags.get(flagKey)?.evaluate(attributes) ?? notFound(flagKey)
  return {
    environment: set.environment,
    revision: set.revision,
    evaluate,
    metadataOf: (flagKey) => set.flags.get(flagKey)?.metadata ?? {},
    evaluateAll: (attributes) => Array.from(set.flags.values(), (flag) => flag.evaluate(attributes)),
    explain: (flagKey, attributes) => ({
      evaluation: evaluate(flagKey, attributes),
      environment: set.environment,
      revision: String(set.revision),
      rules: set.flags.get(flagKey)?.explain(attributes) ?? []
    }),
    source: () => source
  }
}
