/**
 * The flags of one environment, compiled to closures once per revision.
 *
 * A definition that cannot be evaluated does not stop the others: its flag errs, and so does every flag that needs it.
 */
import * as Condition from "@hypermarket/core/Condition"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { FlagEnvironment, type FlagServe, FlagRule, Hashing, Kind } from "../FeatureFlag.ts"
import type { Attributes, FlagEvaluation, FlagExplanation } from "../FlagEvaluation.ts"
import { type CompiledRule, compileRule, type Issue, type RuleContext } from "./flagRule.ts"
import { type Graph, cyclesOf, costsOf, evaluationsMax } from "./prerequisites.ts"
import { chooser, unitReader } from "./buckets.ts"

/** A flag in one environment, as it is stored. */
export const StoredFlag = Schema.Struct({
  flagKey: Schema.String,
  kind: Kind,
  // Their bounds were checked when they were written.
  variants: Schema.Array(Schema.Struct({ name: Schema.String, value: Schema.Json })),
  metadata: Schema.Record(Schema.String, Schema.Json),
  salt: Schema.String,
  hashing: Hashing,
  definition: Schema.Unknown
})
export type StoredFlag = typeof StoredFlag.Type

/** Rules are decoded one by one: an unknown operator in one of them leaves the others as they are. */
const StoredEnvironment = Schema.Struct({
  ...FlagEnvironment.fields,
  rules: Schema.Array(Schema.Unknown)
})
const decodeEnvironment = Schema.decodeUnknownResult(StoredEnvironment)
const decodeRule = Schema.decodeUnknownResult(FlagRule)
const decodeCondition = Schema.decodeUnknownResult(Condition.Schema)
const RuleId = Schema.Struct({ ruleId: Schema.String })
const decodeRuleId = Schema.decodeUnknownResult(RuleId)

export interface CompiledFlag {
  readonly flagKey: string
  readonly kind: StoredFlag["kind"]
  readonly metadata: StoredFlag["metadata"]
  readonly evaluate: (attributes: Attributes) => FlagEvaluation
  readonly explain: (attributes: Attributes) => FlagExplanation["rules"]
}

export interface FlagSet {
  readonly environment: string
  readonly revision: bigint
  /** In the order of their keys. */
  readonly flags: ReadonlyMap<string, CompiledFlag>
  /** Why a flag cannot be evaluated, in the paths of its environment; flags without a problem are absent. */
  readonly issues: ReadonlyMap<string, ReadonlyArray<Issue>>
}

export const notFound = (flagKey: string): FlagEvaluation => ({
  flagKey,
  reason: "ERROR",
  errorCode: "FLAG_NOT_FOUND",
  errorDetails: `The environment has no flag ${JSON.stringify(flagKey)}`
})

const errorOf = (
  flagKey: string,
  errorCode: NonNullable<FlagEvaluation["errorCode"]>,
  errorDetails: string,
  ruleId?: string
): FlagEvaluation => ({
  flagKey,
  reason: "ERROR",
  errorCode,
  errorDetails,
  ...(ruleId === undefined ? {} : { ruleId })
})

const segmentsOf = (stored: ReadonlyMap<string, unknown>): ReadonlyMap<string, Condition.Condition> => {
  const segments = new Map<string, Condition.Condition>()
  for (const [key, condition] of stored) {
    const decoded = decodeCondition(condition)
    if (Result.isSuccess(decoded)) segments.set(key, decoded.success)
  }
  return segments
}

interface Parsed {
  readonly stored: StoredFlag
  readonly environment: typeof StoredEnvironment.Type | undefined
  readonly rules: ReadonlyArray<FlagRule | { readonly ruleId: string; readonly broken: string }>
}

const parse = (stored: StoredFlag): Parsed => {
  const decoded = decodeEnvironment(stored.definition)
  if (Result.isFailure(decoded)) return { stored, environment: undefined, rules: [] }
  return {
    stored,
    environment: decoded.success,
    rules: decoded.success.rules.map((rule, index) => {
      const parsed = decodeRule(rule)
      if (Result.isSuccess(parsed)) return parsed.success
      const named = decodeRuleId(rule)
      return {
        ruleId: Result.isSuccess(named) ? named.success.ruleId : String(index),
        broken: "This release cannot read the rule"
      }
    })
  }
}

const isObject = (value: unknown): value is { readonly [name: string]: unknown } =>
  typeof value === "object" && value !== null

const neededBy = (owner: unknown): ReadonlyArray<string> => {
  const list = isObject(owner) ? owner["prerequisites"] : undefined
  if (!Array.isArray(list)) return []
  return list.flatMap((entry: unknown) =>
    isObject(entry) && typeof entry["flag"] === "string" ? [entry["flag"]] : []
  )
}

/** The flags that a definition needs. It is not decoded: a change asks this of every flag of its environment. */
export const edgesOf = ({ definition }: StoredFlag): ReadonlyArray<string> => {
  const rules = isObject(definition) ? definition["rules"] : undefined
  return [...neededBy(definition), ...(Array.isArray(rules) ? rules.flatMap(neededBy) : [])]
}

/** Compiles the flags of an environment, or `only` some of them. The order of `flags` does not matter. */
export const compile = (options: {
  readonly environment: string
  readonly revision: bigint
  readonly flags: ReadonlyArray<StoredFlag>
  readonly segments: ReadonlyMap<string, unknown>
  readonly only?: ReadonlySet<string>
}): FlagSet => {
  const segments = segmentsOf(options.segments)
  const stored = new Map(
    options.flags
      .map((flag) => [flag.flagKey, flag] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  )
  const graph: Graph = new Map(Array.from(stored, ([key, flag]) => [key, edgesOf(flag)]))
  const cycles = cyclesOf(graph)
  const costs = costsOf(graph, cycles)
  const flags = new Map<string, CompiledFlag>()
  const issues = new Map<string, ReadonlyArray<Issue>>()

  for (const [flagKey, flag] of stored) {
    if (options.only !== undefined && !options.only.has(flagKey)) continue
    const found: Array<Issue> = []
    flags.set(flagKey, compileFlag(parse(flag), segments, stored, flags, cycles.get(flagKey), costs, found))
    if (found.length > 0) issues.set(flagKey, found)
  }
  return { environment: options.environment, revision: options.revision, flags, issues }
}

const compileFlag = (
  { environment, rules, stored }: Parsed,
  segments: ReadonlyMap<string, Condition.Condition>,
  all: ReadonlyMap<string, StoredFlag>,
  flags: ReadonlyMap<string, CompiledFlag>,
  cycle: ReadonlyArray<string> | undefined,
  costs: ReadonlyMap<string, number>,
  issues: Array<Issue>
): CompiledFlag => {
  const { flagKey, kind, metadata } = stored
  const fixed = (evaluation: FlagEvaluation): CompiledFlag => ({
    flagKey,
    kind,
    metadata,
    evaluate: () => evaluation,
    explain: () => []
  })
  const broken = (message: string): CompiledFlag => {
    issues.push({ path: ["prerequisites"], message })
    return fixed(errorOf(flagKey, "PARSE_ERROR", message))
  }
  if (environment === undefined) {
    issues.push({ path: [], message: "This release cannot read the definition" })
    return fixed(errorOf(flagKey, "PARSE_ERROR", "This release cannot read the definition"))
  }
  if (cycle !== undefined) return broken(`Expected no cycle of prerequisites: ${cycle.join(" > ")}`)
  if ((costs.get(flagKey) ?? 0) > evaluationsMax) {
    return broken(`Expected prerequisites with at most ${evaluationsMax} evaluations in all`)
  }

  const values = new Map(stored.variants.map(({ name, value }) => [name, value]))
  const outcome = (variant: string, reason: FlagEvaluation["reason"], ruleId?: string): FlagEvaluation => {
    const value = values.get(variant)
    return value === undefined
      ? errorOf(flagKey, "PARSE_ERROR", `The flag has no variant ${JSON.stringify(variant)}`, ruleId)
      : { flagKey, value, variant, reason, ...(ruleId === undefined ? {} : { ruleId }) }
  }
  const checkVariant = (variant: string, path: Issue["path"]): void => {
    if (!values.has(variant)) issues.push({ path, message: "Expected a variant of the flag" })
  }
  const checkServe = (serve: FlagServe, path: Issue["path"]): void => {
    if ("variant" in serve) return checkVariant(serve.variant, [...path, "variant"])
    for (const [index, { variant }] of serve.weights.entries()) {
      checkVariant(variant, [...path, "weights", index, "variant"])
    }
  }

  const context: RuleContext = {
    flagKey,
    hashing: stored.hashing,
    salt: stored.salt,
    segments,
    outcome,
    error: (code, details, ruleId) => errorOf(flagKey, code, details, ruleId),
    evaluate: (key, attributes) => flags.get(key)?.evaluate(attributes),
    variantsOf: (key) => all.get(key)?.variants.map(({ name }) => name)
  }
  const compiled: ReadonlyArray<CompiledRule> = rules.map((rule, index) => {
    const path = ["rules", index] as const
    if (!("broken" in rule)) checkServe(rule.serve, [...path, "serve"])
    return compileRule(rule, context, path, issues)
  })

  const off: FlagEvaluation =
    environment.offVariant === undefined
      ? { flagKey, reason: "DISABLED" }
      : outcome(environment.offVariant, "DISABLED")
  if (environment.offVariant !== undefined) checkVariant(environment.offVariant, ["offVariant"])
  const prerequisites = compileRule(
    {
      ruleId: "",
      ...(environment.prerequisites === undefined ? {} : { prerequisites: environment.prerequisites }),
      serve: { variant: "" }
    },
    { ...context, outcome: () => off, error: (code, details) => errorOf(flagKey, code, details) },
    [],
    issues
  )
  const otherwise = compileOtherwise(environment.otherwise, context, compiled.length > 0)
  if (environment.otherwise !== null) checkServe(environment.otherwise, ["otherwise"])
  const explain = (attributes: Attributes): FlagExplanation["rules"] => {
    let hasDecided = !environment.isEnabled || prerequisites.apply(attributes) !== off
    return compiled.map((rule) => {
      const explained = rule.explain(attributes)
      const decided = !hasDecided && (explained.outcome === "applies" || explained.outcome === "broken")
      hasDecided ||= decided
      return { ...explained, decided }
    })
  }
  if (!environment.isEnabled) return { flagKey, kind, metadata, evaluate: () => off, explain }

  const unit = environment.requiresTargetingKey === true ? unitReader("targetingKey") : undefined
  const missing = errorOf(flagKey, "TARGETING_KEY_MISSING", "The flag requires a targetingKey")
  const hasPrerequisites = (environment.prerequisites ?? []).length > 0
  const evaluate = (attributes: Attributes): FlagEvaluation => {
    if (unit !== undefined && unit(attributes) === undefined) return missing
    if (hasPrerequisites) {
      // Its outcome is `off` when all are met, and undefined when one is not.
      const met = prerequisites.apply(attributes)
      if (met !== off) return met ?? off
    }
    for (let index = 0; index < compiled.length; index++) {
      const decided = compiled[index]?.apply(attributes)
      if (decided !== undefined) return decided
    }
    return otherwise(attributes)
  }
  return { flagKey, kind, metadata, evaluate, explain }
}

const compileOtherwise = (
  serve: FlagServe | null,
  context: RuleContext,
  hasRules: boolean
): ((attributes: Attributes) => FlagEvaluation) => {
  const reason = hasRules ? "DEFAULT" : "STATIC"
  const codeDefault: FlagEvaluation = { flagKey: context.flagKey, reason: "DEFAULT" }
  if (serve === null) return () => codeDefault
  if ("variant" in serve) {
    const outcome = context.outcome(serve.variant, reason)
    return () => outcome
  }
  const outcomes = serve.weights.map(({ variant }) => context.outcome(variant, "SPLIT"))
  const choose = chooser(context.hashing, context.salt, serve.weights, undefined)
  const unitOf = unitReader("targetingKey")
  return (attributes) => {
    const unit = unitOf(attributes)
    const index = unit === undefined ? undefined : choose(unit)
    return (index === undefined ? undefined : outcomes[index]) ?? codeDefault
  }
}
