/**
 * Checks, compiles and evaluates rule sets. Pure: the same frozen input gives the same verdict on any machine.
 */
import * as Effect from "effect/Effect"
import * as Ast from "../cel/Ast.ts"
import * as Checker from "../cel/Checker.ts"
import * as Compiler from "../cel/Compiler.ts"
import type * as Parser from "../cel/Parser.ts"
import * as Type from "../cel/Type.ts"
import * as V from "../cel/Value.ts"
import * as Feature from "../Feature.ts"
import { EntityKind, SignalKind } from "../FraudSignal.ts"
import { type RiskScorer, score as scoreOf, type Score } from "../RiskScorer.ts"
import { Outcome, type Rule, type Thresholds } from "../RiskRuleSet.ts"
import * as Attribute from "./attribute.ts"

/** Steps of all rules of a decision together: some 300 ms. */
const decisionStepsMax = 1_000_000

const entityFields = new Map(EntityKind.literals.map((kind) => [kind, Type.bool] as const))

/** The name by which rules read the scorer's result. It is declared where the version has a scorer. */
export const probabilityName = "probability"

/** The names that rules may use: declared attributes, and the result of a scorer. */
export interface Declared {
  readonly attributes: ReadonlyArray<Attribute.Attribute>
  readonly hasScorer: boolean
}

/** Returns the names that a rule of some kinds may use: an attribute that one of them lacks is not declared for it. */
const environmentOf = (
  { attributes, hasScorer }: Declared,
  kinds: ReadonlyArray<SignalKind>
): Checker.Environment => {
  const [first, ...others] = kinds.map((kind) => Attribute.attributesOf(attributes, kind))
  const fields = Array.from(first ?? []).filter(([name, type]) =>
    others.every((other) => other.get(name) === type)
  )
  return {
    variables: new Map<string, Type.Type>([
      ["kind", Type.string],
      ["result", Type.string],
      ["subject", Type.string],
      ["source", Type.string],
      ["amount", Type.int],
      ["currency", Type.string],
      ["at", Type.timestamp],
      ...(hasScorer ? [[probabilityName, Type.double] as const] : []),
      ["entities", Type.object("entities", entityFields)],
      [
        "attributes",
        Type.object("attributes", new Map(fields.map(([name, type]) => [name, Attribute.celTypes[type]])))
      ]
    ]),
    literalFunctions: Feature.functions,
    literalPatterns: true
  }
}

/** A rule with its checked tree, as it is stored. */
export interface StoredRule {
  readonly rule: Rule
  readonly ast: Ast.Ast
  readonly variables: ReadonlyArray<string>
}

export interface RuleIssue {
  readonly path: ReadonlyArray<string | number>
  readonly rule: string
  readonly message: string
  readonly line: number
  readonly column: number
}

/** Checks a rule whose expression is parsed. */
export const checkRule = (
  rule: Rule,
  parsed: Parser.Parsed,
  index: number,
  declared: Declared
): { readonly stored: StoredRule } | { readonly issues: ReadonlyArray<RuleIssue> } => {
  const issues = (list: ReadonlyArray<Ast.Issue>) => ({
    issues: list.map(({ column, line, message }) => ({
      path: ["rules", index, "expression"],
      rule: rule.key,
      message,
      line,
      column
    }))
  })
  if (!parsed.ok) return issues([parsed.issue])
  const checked = Checker.check(
    rule.expression,
    parsed.ast,
    environmentOf(declared, rule.kinds ?? SignalKind.literals)
  )
  if (checked.issues.length > 0) return issues(checked.issues)
  if (checked.type.type !== "bool") {
    return issues([
      Ast.issueAt(rule.expression, 0, `Expected a rule of type bool and not ${Type.format(checked.type)}`)
    ])
  }
  return { stored: { rule, ast: checked.ast, variables: checked.variables } }
}

interface CompiledRule {
  readonly rule: Rule
  readonly program: Compiler.Program
  readonly kinds: ReadonlySet<string>
}

export interface CompiledSet {
  readonly version: number
  readonly rules: ReadonlyArray<CompiledRule>
  /** The place of each name that a rule reads in the list of values that all rules share. */
  readonly slots: ReadonlyMap<string, number>
  readonly thresholds: Thresholds
  readonly strict: ReadonlyArray<EntityKind>
  readonly attributes: ReadonlyArray<Attribute.Attribute>
  readonly features: ReadonlyMap<string, ReadonlyArray<Feature.Feature>>
  readonly scorer?: RiskScorer
}

/** The features that the rules of a kind read. */
export const featuresOf = (set: CompiledSet | undefined, kind: SignalKind): ReadonlyArray<Feature.Feature> =>
  set?.features.get(kind) ?? []

export const compile = (options: {
  readonly version: number
  readonly rules: ReadonlyArray<StoredRule>
  readonly thresholds: Thresholds
  readonly strict: ReadonlyArray<EntityKind>
  readonly attributes: ReadonlyArray<Attribute.Attribute>
  readonly scorer?: RiskScorer
}): CompiledSet => {
  const names = new Set(options.rules.flatMap(({ variables }) => variables))
  const slots = new Map(Array.from(names, (name, slot) => [name, slot]))
  const rules = options.rules.map(({ ast, rule, variables }) => ({
    rule,
    program: Compiler.compile(ast, variables, slots),
    kinds: new Set<string>(rule.kinds ?? SignalKind.literals)
  }))
  const features = new Map(
    SignalKind.literals.map((kind) => {
      const names = new Set([
        ...rules.filter((rule) => rule.kinds.has(kind)).flatMap(({ program }) => program.variables),
        ...(options.scorer?.kinds.includes(kind) === true
          ? options.scorer.inputs.map(({ name }) => name)
          : [])
      ])
      return [
        kind,
        Array.from(names).flatMap((name) => {
          const feature = Feature.fromName(name)
          return feature === undefined ? [] : [feature]
        })
      ] as const
    })
  )
  return { ...options, rules, slots, features }
}

/** All that rules read: what a decision keeps, and what a version is tried on later. */
export interface Frozen {
  readonly kind: SignalKind
  readonly subject: string
  readonly source: string
  readonly result: string
  readonly at: string
  readonly amount: string | null
  readonly currency: string | null
  readonly entities: ReadonlyArray<string>
  readonly attributes: Readonly<Record<string, unknown>>
  readonly features: Feature.Values
  /** The names of distinct counts that stopped at their limit. */
  readonly capped?: ReadonlyArray<string>
  /** Rules that are snoozed for an entity of the signal. */
  readonly snoozed: ReadonlyArray<string>
  readonly listed: "allow" | "block" | null
}

/** A rule that fired, with what it read. */
export interface Fired {
  readonly rule: string
  readonly reason: string
  readonly weight: number
  readonly outcome: Outcome | null
  readonly values: Readonly<Record<string, string>>
}

export interface Verdict {
  readonly outcome: Outcome
  readonly score: number
  readonly reasons: ReadonlyArray<string>
  readonly fired: ReadonlyArray<Fired>
  readonly errors: ReadonlyArray<{ readonly rule: string; readonly reason: string; readonly message: string }>
  readonly snoozed: ReadonlyArray<string>
  /** The outcome of the rules, when a list decided. */
  readonly overridden: Outcome | null
  /** The result of the version's scorer, for the kinds of signals that it was trained on. */
  readonly scored?: Score
}

const severity = (outcome: Outcome): number => Outcome.literals.indexOf(outcome)

const gravest = (outcomes: ReadonlyArray<Outcome>): Outcome =>
  outcomes.reduce<Outcome>(
    (worst, outcome) => (severity(outcome) > severity(worst) ? outcome : worst),
    "allow"
  )

/** Returns the value of a name that a rule reads; undefined when it is missing. */
const valueOf = (
  name: string,
  frozen: Frozen,
  attributes: ReadonlyArray<Attribute.Attribute>,
  probability: number | undefined
): V.Value | undefined => {
  switch (name) {
    case "kind":
    case "result":
    case "subject":
    case "source":
      return frozen[name]
    case "at":
      return new V.Timestamp(BigInt(Date.parse(frozen.at)) * 1_000_000n)
    case "amount":
      return frozen.amount === null ? undefined : BigInt(frozen.amount)
    case "currency":
      return frozen.currency ?? undefined
    case probabilityName:
      return probability
    case "entities":
      return Attribute.toMap(frozen.entities.map((kind) => [kind, true]))
    case "attributes":
      return Attribute.toMap(
        Array.from(Attribute.attributesOf(attributes, frozen.kind)).flatMap(([attribute, type]) => {
          const value = Object.hasOwn(frozen.attributes, attribute)
            ? Attribute.attributeValue(frozen.attributes[attribute], type)
            : undefined
          return value === undefined ? [] : [[attribute, value] as const]
        })
      )
    default: {
      const value = Object.hasOwn(frozen.features, name) ? frozen.features[name] : undefined
      return typeof value === "string" ? BigInt(value) : value
    }
  }
}

/** Values of an explanation are short: attributes are in the decision anyway. */
const shownMaxCharacters = 200

const shown = (value: V.Value | undefined): string | undefined => {
  if (typeof value === "bigint" || typeof value === "number" || typeof value === "boolean")
    return String(value)
  return typeof value === "string" ? value.slice(0, shownMaxCharacters) : undefined
}

const thresholdOutcome = (score: number, thresholds: Thresholds): Outcome =>
  gravest(
    Outcome.literals.filter((outcome) => {
      const threshold = outcome === "allow" ? undefined : thresholds[outcome]
      return threshold !== undefined && score >= threshold
    })
  )

/**
 * Steps after which an evaluation pauses, between two rules. A rule takes at most 50 ms for its 100,000 steps; ten of them in one go
 * would hold up each other request of the process for half a second.
 */
const pauseSteps = 10_000

/** The evaluation of a version, which yields wherever others may run. */
function* evaluation(set: CompiledSet | undefined, frozen: Frozen): Generator<void, Verdict, void> {
  const scored =
    set?.scorer?.kinds.some((kind) => kind === frozen.kind) === true
      ? scoreOf(set.scorer, frozen.features, frozen.amount)
      : undefined
  const values = Array.from(set?.slots.keys() ?? [], (name) =>
    valueOf(name, frozen, set?.attributes ?? [], scored?.probability)
  )
  const budget = { remaining: decisionStepsMax }
  const fired: Array<Fired> = []
  const errors: Array<Verdict["errors"][number]> = []
  const snoozed: Array<string> = []
  let pauseAt = decisionStepsMax - pauseSteps
  for (const { kinds, program, rule } of set?.rules ?? []) {
    if (!kinds.has(frozen.kind)) continue
    if (budget.remaining <= pauseAt) {
      pauseAt = budget.remaining - pauseSteps
      yield
    }
    const outcome = program.run(values, budget)
    if (outcome instanceof V.Failure) {
      errors.push({ rule: rule.key, reason: outcome.reason, message: outcome.message })
      continue
    }
    if (outcome !== true) continue
    if (frozen.snoozed.includes(rule.key)) {
      snoozed.push(rule.key)
      continue
    }
    fired.push({
      rule: rule.key,
      reason: rule.reason,
      weight: rule.weight ?? 0,
      outcome: rule.outcome ?? null,
      values: Object.fromEntries(
        program.variables.flatMap((name) => {
          const text = shown(values[set?.slots.get(name) ?? -1])
          return text === undefined ? [] : [[name, text] as const]
        })
      )
    })
  }
  const score = fired.reduce((sum, { weight }) => sum + weight, 0)
  const ruled = gravest([
    ...fired.flatMap(({ outcome }) => (outcome === null ? [] : [outcome])),
    thresholdOutcome(score, set?.thresholds ?? {})
  ])
  const outcome = frozen.listed === null ? ruled : frozen.listed
  // A rule that reads the probability fires for the inputs that raised it.
  const reasons = Array.from(
    new Set(
      fired.flatMap(({ reason, values: read }) =>
        scored !== undefined && Object.hasOwn(read, probabilityName) ? [reason, ...scored.reasons] : [reason]
      )
    )
  )
  return {
    outcome,
    score,
    reasons:
      frozen.listed === null
        ? reasons
        : [frozen.listed === "block" ? "BLOCK_LIST" : "ALLOW_LIST", ...reasons],
    fired,
    errors,
    snoozed,
    overridden: frozen.listed === null ? null : ruled,
    ...(scored === undefined ? {} : { scored })
  }
}

/** Evaluates the rules of a version, and lets others run between two rules that take long. */
export const evaluate = Effect.fnUntraced(function* (set: CompiledSet | undefined, frozen: Frozen) {
  const run = evaluation(set, frozen)
  for (;;) {
    const next = run.next()
    if (next.done === true) return next.value
    yield* Effect.yieldNow
  }
})
