/**
 * Checks, compiles and evaluates rule sets. Pure: the same frozen input gives the same verdict on any machine.
 */
import * as Ast from "../cel/Ast.ts"
import * as Checker from "../cel/Checker.ts"
import * as Compiler from "../cel/Compiler.ts"
import type * as Parser from "../cel/Parser.ts"
import * as CelText from "../cel/Text.ts"
import * as Type from "../cel/Type.ts"
import * as V from "../cel/Value.ts"
import * as Feature from "../Feature.ts"
import { EntityKind, SignalKind } from "../FraudSignal.ts"
import { Outcome, type AttributeType, type Rule, type Thresholds } from "../RiskRuleSet.ts"

/** Steps of all rules of a decision together: some 300 ms. */
const decisionStepsMax = 1_000_000

export interface Attribute {
  readonly kind: SignalKind
  readonly name: string
  readonly type: AttributeType
}

/** The attributes that facts of the shop bring, in every tenant. */
export const builtInAttributes: ReadonlyArray<Attribute> = [
  { kind: "order", name: "orderId", type: "string" },
  { kind: "order", name: "lines", type: "int" },
  { kind: "order", name: "quantity", type: "int" },
  { kind: "order", name: "channel", type: "string" },
  { kind: "order", name: "region", type: "string" },
  { kind: "order", name: "shipToCountry", type: "string" },
  { kind: "order", name: "paymentMethod", type: "string" },
  { kind: "order", name: "giftCard", type: "bool" },
  { kind: "order", name: "guest", type: "bool" },
  { kind: "order", name: "coupons", type: "list(string)" },
  { kind: "payout", name: "payoutId", type: "string" },
  { kind: "return", name: "orderId", type: "string" },
  { kind: "return", name: "reason", type: "string" }
]

const celTypes: Readonly<Record<AttributeType, Type.Type>> = {
  bool: Type.bool,
  int: Type.int,
  double: Type.double,
  string: Type.string,
  timestamp: Type.timestamp,
  "list(string)": Type.list(Type.string),
  "list(int)": Type.list(Type.int),
  "map(string, string)": Type.map(Type.string, Type.string),
  dyn: Type.dyn
}

/** Which attributes exist, per kind. */
const attributesOf = (attributes: ReadonlyArray<Attribute>, kind: SignalKind) =>
  new Map(
    attributes.filter((attribute) => attribute.kind === kind).map(({ name, type }) => [name, type] as const)
  )

const entityFields = new Map(EntityKind.literals.map((kind) => [kind, Type.bool] as const))

/** Returns the names that a rule of some kinds may use: an attribute that one of them lacks is not declared for it. */
const environmentOf = (
  attributes: ReadonlyArray<Attribute>,
  kinds: ReadonlyArray<SignalKind>
): Checker.Environment => {
  const [first, ...others] = kinds.map((kind) => attributesOf(attributes, kind))
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
      ["entities", Type.object("entities", entityFields)],
      ["attributes", Type.object("attributes", new Map(fields.map(([name, type]) => [name, celTypes[type]])))]
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
  attributes: ReadonlyArray<Attribute>
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
    environmentOf(attributes, rule.kinds ?? SignalKind.literals)
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
  readonly thresholds: Thresholds
  readonly strict: ReadonlyArray<EntityKind>
  readonly attributes: ReadonlyArray<Attribute>
  readonly features: ReadonlyMap<string, ReadonlyArray<Feature.Feature>>
}

/** The features that the rules of a kind read. */
export const featuresOf = (set: CompiledSet | undefined, kind: SignalKind): ReadonlyArray<Feature.Feature> =>
  set?.features.get(kind) ?? []

export const compile = (options: {
  readonly version: number
  readonly rules: ReadonlyArray<StoredRule>
  readonly thresholds: Thresholds
  readonly strict: ReadonlyArray<EntityKind>
  readonly attributes: ReadonlyArray<Attribute>
}): CompiledSet => {
  const rules = options.rules.map(({ ast, rule, variables }) => ({
    rule,
    program: Compiler.compile(ast, variables),
    kinds: new Set<string>(rule.kinds ?? SignalKind.literals)
  }))
  const features = new Map(
    SignalKind.literals.map((kind) => {
      const names = new Set(
        rules.filter((rule) => rule.kinds.has(kind)).flatMap(({ program }) => program.variables)
      )
      return [
        kind,
        Array.from(names).flatMap((name) => {
          const feature = Feature.fromName(name)
          return feature === undefined ? [] : [feature]
        })
      ] as const
    })
  )
  return { ...options, rules, features }
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
}

const severity = (outcome: Outcome): number => Outcome.literals.indexOf(outcome)

const gravest = (outcomes: ReadonlyArray<Outcome>): Outcome =>
  outcomes.reduce<Outcome>(
    (worst, outcome) => (severity(outcome) > severity(worst) ? outcome : worst),
    "allow"
  )

const toMap = (entries: ReadonlyArray<readonly [string, V.Value]>): V.MapValue => {
  const map = new V.MapValue()
  for (const [key, value] of entries) map.add(key, value)
  return map
}

/** A value without a declared type: numbers are doubles, as in JSON. */
const dynamicOf = (value: unknown): V.Value => {
  if (
    value === null ||
    typeof value === "string" ||
    typeof value === "boolean" ||
    typeof value === "number"
  ) {
    return value
  }
  if (Array.isArray(value)) return value.map(dynamicOf)
  return typeof value === "object"
    ? toMap(Object.entries(value).map(([key, each]) => [key, dynamicOf(each)]))
    : null
}

const allOf = (value: unknown, type: AttributeType): V.Value | undefined => {
  if (!Array.isArray(value)) return undefined
  const elements = value.map((element) => attributeValue(element, type))
  return elements.every((element) => element !== undefined) ? elements : undefined
}

/** An attribute's value by its declared type; undefined when it has another one. */
export const attributeValue = (value: unknown, type: AttributeType): V.Value | undefined => {
  switch (type) {
    case "bool":
      return typeof value === "boolean" ? value : undefined
    case "int":
      return typeof value === "number" && Number.isSafeInteger(value) ? BigInt(value) : undefined
    case "double":
      return typeof value === "number" ? value : undefined
    case "string":
      return typeof value === "string" ? value : undefined
    case "timestamp": {
      const at = typeof value === "string" ? CelText.parseTimestamp(value) : undefined
      return at instanceof V.Timestamp ? at : undefined
    }
    case "list(string)":
      return allOf(value, "string")
    case "list(int)":
      return allOf(value, "int")
    case "map(string, string)": {
      if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined
      const entries = Object.entries(value)
      return entries.every(([, each]) => typeof each === "string") ? dynamicOf(value) : undefined
    }
    case "dyn":
      return dynamicOf(value)
  }
}

const valuesOf = (frozen: Frozen, attributes: ReadonlyArray<Attribute>): ReadonlyMap<string, V.Value> => {
  const values = new Map<string, V.Value>([
    ["kind", frozen.kind],
    ["result", frozen.result],
    ["subject", frozen.subject],
    ["source", frozen.source],
    ["at", new V.Timestamp(BigInt(Date.parse(frozen.at)) * 1_000_000n)],
    ["entities", toMap(frozen.entities.map((kind) => [kind, true]))],
    [
      "attributes",
      toMap(
        Array.from(attributesOf(attributes, frozen.kind)).flatMap(([name, type]) => {
          const value = Object.hasOwn(frozen.attributes, name)
            ? attributeValue(frozen.attributes[name], type)
            : undefined
          return value === undefined ? [] : [[name, value] as const]
        })
      )
    ]
  ])
  if (frozen.amount !== null) values.set("amount", BigInt(frozen.amount))
  if (frozen.currency !== null) values.set("currency", frozen.currency)
  for (const [name, value] of Object.entries(frozen.features)) {
    values.set(name, typeof value === "string" ? BigInt(value) : value)
  }
  return values
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

export const evaluate = (set: CompiledSet | undefined, frozen: Frozen): Verdict => {
  const values = valuesOf(frozen, set?.attributes ?? [])
  const budget = { remaining: decisionStepsMax }
  const fired: Array<Fired> = []
  const errors: Array<Verdict["errors"][number]> = []
  const snoozed: Array<string> = []
  for (const { kinds, program, rule } of set?.rules ?? []) {
    if (!kinds.has(frozen.kind)) continue
    const outcome = program.run(
      program.variables.map((name) => values.get(name)),
      budget
    )
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
          const text = shown(values.get(name))
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
  const reasons = Array.from(new Set(fired.map(({ reason }) => reason)))
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
    overridden: frozen.listed === null ? null : ruled
  }
}
