/** A rule as closures: `apply` on the hot path, `explain` for people. */
import * as Condition from "@hypermarket/core/Condition"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { FlagRule } from "../FeatureFlag.ts"
import type { Attributes, FlagEvaluation, FlagExplanation } from "../FlagEvaluation.ts"
import { boundOf, bucketOf, chooser, type Hashing, unitReader } from "./buckets.ts"

export interface Issue {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

export interface RuleContext {
  readonly flagKey: string
  readonly hashing: Hashing
  readonly salt: string
  readonly segments: ReadonlyMap<string, Condition.Condition>
  readonly outcome: (variant: string, reason: FlagEvaluation["reason"], ruleId?: string) => FlagEvaluation
  readonly error: (code: "PARSE_ERROR" | "GENERAL", details: string, ruleId?: string) => FlagEvaluation
  /** Evaluates another flag of the environment; undefined when there is none. */
  readonly evaluate: (flagKey: string, attributes: Attributes) => FlagEvaluation | undefined
  readonly variantsOf: (flagKey: string) => ReadonlyArray<string> | undefined
}

type RuleExplanation = Omit<FlagExplanation["rules"][number], "decided">

export interface CompiledRule {
  /** Returns the outcome of a rule that applies or is broken, else undefined. */
  readonly apply: (attributes: Attributes) => FlagEvaluation | undefined
  readonly explain: (attributes: Attributes) => RuleExplanation
}

const toJson = (explanation: Condition.Explanation): Schema.Json => ({
  outcome: explanation.outcome,
  path: explanation.path,
  kind: explanation.kind,
  ...(explanation.attribute === undefined ? {} : { attribute: explanation.attribute }),
  ...(explanation.segment === undefined ? {} : { segment: explanation.segment }),
  ...(explanation.because === undefined ? {} : { because: explanation.because }),
  parts: explanation.parts.map(toJson)
})

const brokenRule = (ruleId: string, evaluation: FlagEvaluation): CompiledRule => ({
  apply: () => evaluation,
  explain: () => ({ ruleId, outcome: "broken", errorDetails: evaluation.errorDetails ?? "" })
})

const describe = (issue: Issue): string => `${issue.path.join(".")}: ${issue.message}`

interface Prerequisites {
  /** Returns true when all are met, false when one is not, and the error of one that cannot be evaluated. */
  readonly met: (attributes: Attributes) => boolean | FlagEvaluation
  readonly explain: (attributes: Attributes) => NonNullable<RuleExplanation["prerequisites"]>
}

const compilePrerequisites = (
  prerequisites: NonNullable<FlagRule["prerequisites"]>,
  context: RuleContext,
  path: Issue["path"],
  ruleId: string | undefined,
  found: Array<Issue>
): Prerequisites => {
  const entries = prerequisites.map(({ flag, variants }, index) => {
    const existing = context.variantsOf(flag)
    if (existing === undefined) {
      found.push({
        path: [...path, "prerequisites", index, "flag"],
        message: `Expected a flag of the environment: ${flag}`
      })
    }
    for (const [position, variant] of variants.entries()) {
      if (existing !== undefined && !existing.includes(variant)) {
        found.push({
          path: [...path, "prerequisites", index, "variants", position],
          message: `Expected a variant of ${flag}`
        })
      }
    }
    return { flag, variants: new Set(variants) }
  })
  const isMet = (evaluation: FlagEvaluation, variants: ReadonlySet<string>): boolean =>
    evaluation.variant !== undefined && variants.has(evaluation.variant)
  return {
    met: (attributes) => {
      for (const { flag, variants } of entries) {
        const evaluation = context.evaluate(flag, attributes)
        if (evaluation === undefined || evaluation.reason === "ERROR") {
          return context.error(
            "GENERAL",
            `The prerequisite ${flag} cannot be evaluated: ${evaluation?.errorDetails ?? "no such flag"}`,
            ruleId
          )
        }
        if (!isMet(evaluation, variants)) return false
      }
      return true
    },
    explain: (attributes) =>
      entries.flatMap(({ flag, variants }) => {
        const evaluation = context.evaluate(flag, attributes)
        return evaluation === undefined ? [] : [{ evaluation, isMet: isMet(evaluation, variants) }]
      })
  }
}

export const compileRule = (
  rule: FlagRule | { readonly ruleId: string; readonly broken: string },
  context: RuleContext,
  path: Issue["path"],
  issues: Array<Issue>
): CompiledRule => {
  const { ruleId } = rule
  if ("broken" in rule) {
    issues.push({ path, message: rule.broken })
    return brokenRule(ruleId, context.error("PARSE_ERROR", rule.broken, ruleId))
  }
  const found: Array<Issue> = []
  const condition =
    rule.condition === undefined ? undefined : Condition.compile(rule.condition, context.segments)
  if (condition !== undefined && Result.isFailure(condition)) {
    for (const issue of condition.failure) {
      found.push({ path: [...path, "condition", ...issue.path], message: issue.message })
    }
  }
  const prerequisites =
    rule.prerequisites === undefined || rule.prerequisites.length === 0
      ? undefined
      : compilePrerequisites(rule.prerequisites, context, path, ruleId, found)
  const [first] = found
  if (first !== undefined) {
    issues.push(...found)
    return brokenRule(ruleId, context.error("PARSE_ERROR", describe(first), ruleId))
  }
  const compiled = condition !== undefined && Result.isSuccess(condition) ? condition.success : undefined
  const matches = compiled?.matches

  const salt = rule.salt ?? context.salt
  const { percentage, serve } = rule
  const unitOf = unitReader(rule.by ?? "targetingKey")
  const bucket = bucketOf(context.hashing, salt)
  const bound = percentage === undefined ? 1 : boundOf(percentage)
  const decide = decision(rule, context, salt)

  const apply: CompiledRule["apply"] = (attributes) => {
    if (matches !== undefined && !matches(attributes)) return undefined
    if (prerequisites !== undefined) {
      const met = prerequisites.met(attributes)
      if (met === false) return undefined
      if (met !== true) return met
    }
    if (typeof decide !== "function") return decide
    const unit = unitOf(attributes)
    if (unit === undefined) return undefined
    // GrowthBook covers a part of each weight, which its choice does.
    if (percentage !== undefined && (context.hashing !== "gb_v2" || "variant" in serve)) {
      if (!(bucket(unit) < bound)) return undefined
    }
    return decide(unit)
  }

  const explain: CompiledRule["explain"] = (attributes) => {
    const parts = compiled?.explain(attributes)
    const asked = prerequisites?.explain(attributes)
    const unit = unitOf(attributes)
    const shown = {
      ruleId,
      ...(parts === undefined ? {} : { condition: toJson(parts) }),
      ...(asked === undefined ? {} : { prerequisites: asked }),
      ...(unit === undefined || typeof decide !== "function" ? {} : { bucket: bucket(unit) })
    }
    if (matches !== undefined && !matches(attributes)) return { ...shown, outcome: "condition" }
    const met = prerequisites?.met(attributes) ?? true
    if (met === false) return { ...shown, outcome: "prerequisite" }
    if (met !== true) return { ...shown, outcome: "broken", errorDetails: met.errorDetails ?? "" }
    if (typeof decide === "function" && unit === undefined) return { ...shown, outcome: "no unit" }
    return { ...shown, outcome: apply(attributes) === undefined ? "bucket" : "applies" }
  }
  return { apply, explain }
}

/** One outcome for everyone, or the outcome of a unit. */
const decision = (
  rule: FlagRule,
  context: RuleContext,
  salt: string
): FlagEvaluation | ((unit: string) => FlagEvaluation | undefined) => {
  const { percentage, ruleId, serve } = rule
  if ("variant" in serve) {
    if (percentage === undefined) return context.outcome(serve.variant, "TARGETING_MATCH", ruleId)
    const outcome = context.outcome(serve.variant, "SPLIT", ruleId)
    return () => outcome
  }
  const outcomes = serve.weights.map(({ variant }) => context.outcome(variant, "SPLIT", ruleId))
  const choose = chooser(context.hashing, salt, serve.weights, percentage)
  return (unit) => {
    const index = choose(unit)
    return index === undefined ? undefined : outcomes[index]
  }
}
