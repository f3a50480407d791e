/**
 * Adds up the policies that may apply to a question. What applies all day to everyone in a place is added up once and remembered;
 * conditions, hours and tenants are decided per question.
 */
import type * as Condition from "@hypermarket/core/Condition"
import type * as Schema from "effect/Schema"
import { and, compareText, compareValues, type Reference, type Rule, type Test } from "./rule.ts"

export interface Question {
  readonly action: string
  readonly region?: string | undefined
  readonly channel?: string | undefined
  readonly category?: string | undefined
  readonly attributes: Condition.Attributes
  readonly atMillis: number
  readonly knownAtMillis?: number | undefined
}

/** The part of a decision that one owner's policies make. */
export interface Verdict {
  readonly isDenied: boolean
  readonly requires: ReadonlyArray<string>
  readonly value: Schema.Json | undefined
  /** True when an unknown condition takes the value away. */
  readonly isValueUnknown: boolean
  readonly because: ReadonlyArray<Reference>
  readonly undetermined: boolean
}

/** A rule that may apply to questions of one place and name, with what a decision reads of it. */
export interface Candidate {
  readonly rule: Rule
  /** The outcome without the condition. */
  readonly known: Condition.Outcome
  readonly isNamedSurely: boolean
  readonly test: Rule["test"]
  readonly fromMillis: number
  readonly untilMillis: number
  readonly tenant: string | undefined
}

/** Policies that could apply to a question, apart from conditions, hours and tenants. */
export interface Prepared {
  /** Those that apply all day to everyone there, added up. */
  readonly sums: Sums
  readonly verdict: Verdict
  /** Those that each question decides. */
  readonly others: ReadonlyArray<Candidate>
  /** Those of them that have a value, the first one to go first. */
  readonly values: ReadonlyArray<Candidate>
}

export const none: Verdict = {
  isDenied: false,
  requires: [],
  value: undefined,
  isValueUnknown: false,
  because: [],
  undetermined: false
}

/** The sum of policies, the same in any order of adding. Lists are in the order of the policies' ids. */
interface Sums {
  isListed: boolean
  isListCertain: boolean
  isAllowed: boolean
  isAllowUnknown: boolean
  isDenied: boolean
  isDenyCertain: boolean
  isRequireUnknown: boolean
  /** The first of the values; several when the asked place may be that of each. */
  best: ReadonlyArray<Rule>
  isValueUnknown: boolean
  readonly denies: Array<Rule>
  readonly lists: Array<Rule>
  /** Those that allow and require. */
  readonly applied: Array<Rule>
  readonly requires: Array<string>
}

const nothing: Sums = {
  isListed: false,
  isListCertain: false,
  isAllowed: false,
  isAllowUnknown: false,
  isDenied: false,
  isDenyCertain: false,
  isRequireUnknown: false,
  best: [],
  isValueUnknown: false,
  denies: [],
  lists: [],
  applied: [],
  requires: []
}

/** The flags and values of other sums, with lists of their own. */
const continued = (sums: Sums): Sums => ({ ...sums, denies: [], lists: [], applied: [], requires: [] })

/** Counts decisions, for marks. */
let decisions = 0

const resultOf = (test: Test, attributes: Condition.Attributes): Condition.Outcome => {
  if (test.seen !== decisions) {
    test.outcome = test.run(attributes)
    test.seen = decisions
  }
  return test.outcome
}

/** The outcome of a policy whose time and tenant fit. */
const outcomeOf = (
  { known, test }: Candidate,
  attributes: Condition.Attributes | undefined
): Condition.Outcome =>
  test === undefined || attributes === undefined || known === "false"
    ? known
    : and(known, resultOf(test, attributes))

/** Adds a policy that has no value. */
const add = (sums: Sums, candidate: Candidate, attributes: Condition.Attributes | undefined): void => {
  const { rule } = candidate
  const outcome = outcomeOf(candidate, attributes)
  switch (rule.effect) {
    case "allow":
      sums.isListed = true
      if (candidate.isNamedSurely) sums.isListCertain = true
      sums.lists.push(rule)
      if (outcome === "true") {
        sums.isAllowed = true
        sums.applied.push(rule)
      } else if (outcome === "unknown") sums.isAllowUnknown = true
      break
    case "require":
      if (outcome === "false") return
      sums.applied.push(rule)
      if (outcome === "unknown") sums.isRequireUnknown = true
      for (const mark of rule.marks) {
        if (mark.seen === decisions) continue
        mark.seen = decisions
        sums.requires.push(mark.name)
      }
      break
    // An effect of a newer release denies: it is never skipped.
    default:
      if (outcome === "false") return
      sums.isDenied = true
      sums.denies.push(rule)
      if (outcome === "true" && rule.effect === "deny") sums.isDenyCertain = true
  }
}

/** Adds a policy that has a value. */
const addValue = (sums: Sums, candidate: Candidate, attributes: Condition.Attributes | undefined): void => {
  const { rule } = candidate
  const [best] = sums.best
  const order = best === undefined ? 1 : compareValues(rule, best)
  if (order < 0) return
  const outcome = outcomeOf(candidate, attributes)
  if (outcome === "false") return
  sums.isValueUnknown = outcome === "unknown" || (order === 0 && sums.isValueUnknown)
  sums.best = order > 0 ? [rule] : [...sums.best, rule]
}

/** Merges lists of names. Both are in order, and most often one adds nothing. */
export const union = (left: ReadonlyArray<string>, right: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (left.length === 0) return right
  const added = right.filter((name) => !left.includes(name))
  return added.length === 0 ? left : [...left, ...added].toSorted(compareText)
}

/** The references of two lists in one order. */
const referencesOf = (left: ReadonlyArray<Rule>, right: ReadonlyArray<Rule>): ReadonlyArray<Reference> => {
  const merged: Array<Reference> = []
  let at = 0
  for (const rule of left) {
    for (let next = right[at]; next !== undefined && next.position < rule.position; next = right[at]) {
      merged.push(next.reference)
      at++
    }
    merged.push(rule.reference)
  }
  for (; at < right.length; at++) {
    const next = right[at]
    if (next !== undefined) merged.push(next.reference)
  }
  return merged
}

/** A list with one rule more, in order. */
const withRule = (rules: ReadonlyArray<Rule>, rule: Rule): ReadonlyArray<Rule> => {
  const place = rules.findIndex(({ position }) => position > rule.position)
  return place === -1 ? [...rules, rule] : [...rules.slice(0, place), rule, ...rules.slice(place)]
}

/** The verdict of sums, with the lists of sums that they continue. */
const verdictOf = (sums: Sums, before: Sums): Verdict => {
  const isMissing = sums.isListed && !sums.isAllowed
  if (sums.isDenied || isMissing) {
    return {
      isDenied: true,
      requires: none.requires,
      value: undefined,
      isValueUnknown: false,
      because: sums.isDenied
        ? referencesOf(before.denies, sums.denies)
        : referencesOf(before.lists, sums.lists),
      undetermined: !(sums.isDenyCertain || (isMissing && sums.isListCertain && !sums.isAllowUnknown))
    }
  }
  const applied = sums.best.reduce<ReadonlyArray<Rule>>(withRule, sums.applied)
  return {
    isDenied: false,
    requires: union(before.requires, sums.requires.toSorted(compareText)),
    value: sums.isValueUnknown ? undefined : sums.best[0]?.value,
    isValueUnknown: sums.isValueUnknown,
    because: referencesOf(before.applied, applied),
    undetermined: sums.isRequireUnknown || sums.isValueUnknown
  }
}

const isInForce = (
  { fromMillis, tenant, untilMillis }: Candidate,
  atMillis: number,
  tenantId: string
): boolean =>
  fromMillis <= atMillis && atMillis < untilMillis && (tenant === undefined || tenant === tenantId)

export const judge = (prepared: Prepared, { atMillis, attributes }: Question, tenantId: string): Verdict => {
  const { others, sums: before, values, verdict } = prepared
  let sums: Sums | undefined
  for (const candidate of others) {
    if (!isInForce(candidate, atMillis, tenantId)) continue
    if (sums === undefined) {
      decisions++
      sums = continued(before)
    }
    add(sums, candidate, attributes)
  }
  for (const candidate of values) {
    if (!isInForce(candidate, atMillis, tenantId)) continue
    if (sums === undefined) {
      decisions++
      sums = continued(before)
    }
    const [best] = sums.best
    // Those that follow go behind it too.
    if (best !== undefined && compareValues(candidate.rule, best) < 0) break
    addValue(sums, candidate, attributes)
  }
  return sums === undefined ? verdict : verdictOf(sums, before)
}

/** Adds up the policies that apply for the whole day, whatever the attributes and the tenant are. */
export const prepare = (
  candidates: ReadonlyArray<Candidate>,
  startMillis: number,
  endMillis: number
): Prepared => {
  const isFixed = ({ fromMillis, tenant, test, untilMillis }: Candidate): boolean =>
    test === undefined && tenant === undefined && fromMillis <= startMillis && untilMillis >= endMillis
  const sums = continued(nothing)
  decisions++
  for (const candidate of candidates) {
    if (!isFixed(candidate)) continue
    if (candidate.rule.effect === "value") addValue(sums, candidate, undefined)
    else add(sums, candidate, undefined)
  }
  sums.requires.sort(compareText)
  const open = candidates.filter((candidate) => !isFixed(candidate))
  return {
    sums,
    verdict: verdictOf(sums, nothing),
    others: open.filter(({ rule }) => rule.effect !== "value"),
    values: open
      .filter(({ rule }) => rule.effect === "value")
      .toSorted((left, right) => compareValues(right.rule, left.rule))
  }
}
