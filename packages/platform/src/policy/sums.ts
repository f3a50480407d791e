/**
 * Adds up the policies that may apply to a question. What applies all day to everyone in a place is added up once and remembered.
 * Conditions, hours and tenants are gates: a question opens some of them, and questions that open the same have one verdict, which
 * is remembered too.
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
  /** The subject, for the log: it decides nothing. */
  readonly reference?: string | undefined
  /** True when the question names the time in force itself. */
  readonly isDated: boolean
}

/** The part of a decision that one owner's policies make. Its lists are frozen: later decisions have them too. */
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

/** The outcomes of a gate: out of its hours or of another tenant, or that of its condition. */
const closed = 0
const outcomes = ["false", "false", "unknown", "true"] as const
type Opened = 0 | 1 | 2 | 3
const openedBy = { false: 1, unknown: 2, true: 3 } as const

/** A condition with hours and a tenant. Policies share it, and it keeps its outcome for the question that is decided now. */
interface Gate {
  readonly test: Test | undefined
  readonly fromMillis: number
  readonly untilMillis: number
  readonly tenant: string | undefined
  opened: Opened
}

/** Outcomes have two bits: those of so many gates are a small integer, which is the fastest key of a map. */
const gatesPerStep = 15

/** The verdicts by the outcomes of the gates, a step for each 15 gates. */
interface Remembered {
  readonly next: Map<number, Remembered>
  verdict: Verdict | undefined
}

/** How many verdicts a set may still remember. */
export interface Room {
  left: number
}

interface Gated extends Pick<Candidate, "rule" | "known" | "isNamedSurely"> {
  readonly gate: Gate
}

/** Policies that could apply to a question, apart from conditions, hours and tenants. */
export interface Prepared {
  /** Those that apply all day to everyone there, added up. */
  readonly sums: Sums
  readonly verdict: Verdict
  /** Those that each question decides. */
  readonly others: ReadonlyArray<Gated>
  /** Those of them that have a value, the first one to go first. */
  readonly values: ReadonlyArray<Gated>
  /** The gates of both. */
  readonly steps: ReadonlyArray<ReadonlyArray<Gate>>
  readonly remembered: Remembered
  readonly room: Room
}

export const none: Verdict = {
  isDenied: false,
  requires: Object.freeze([]),
  value: undefined,
  isValueUnknown: false,
  because: Object.freeze([]),
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

/** Counts sums, for marks. */
let decisions = 0

/** Open all day to everyone: for policies without a condition. */
const open: Gate = {
  test: undefined,
  fromMillis: -Infinity,
  untilMillis: Infinity,
  tenant: undefined,
  opened: openedBy.true
}

const outcomeOf = ({ gate, known }: Gated): Condition.Outcome => and(known, outcomes[gate.opened])

/** Adds a policy that has no value. */
const add = (sums: Sums, candidate: Gated): void => {
  const { rule } = candidate
  const outcome = outcomeOf(candidate)
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
const addValue = (sums: Sums, candidate: Gated): void => {
  const { rule } = candidate
  const [best] = sums.best
  const order = best === undefined ? 1 : compareValues(rule, best)
  if (order < 0) return
  const outcome = outcomeOf(candidate)
  if (outcome === "false") return
  sums.isValueUnknown = outcome === "unknown" || (order === 0 && sums.isValueUnknown)
  sums.best = order > 0 ? [rule] : [...sums.best, rule]
}

/** Merges lists of names. Both are in order, and most often one adds nothing. */
export const union = (left: ReadonlyArray<string>, right: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (left.length === 0 || right.length === 0) return left.length === 0 ? right : left
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
      because: Object.freeze(
        sums.isDenied ? referencesOf(before.denies, sums.denies) : referencesOf(before.lists, sums.lists)
      ),
      undetermined: !(sums.isDenyCertain || (isMissing && sums.isListCertain && !sums.isAllowUnknown))
    }
  }
  const applied = sums.best.reduce<ReadonlyArray<Rule>>(withRule, sums.applied)
  return {
    isDenied: false,
    requires: Object.freeze(union(before.requires, sums.requires.toSorted(compareText))),
    value: sums.isValueUnknown ? undefined : sums.best[0]?.value,
    isValueUnknown: sums.isValueUnknown,
    because: Object.freeze(referencesOf(before.applied, applied)),
    undetermined: sums.isRequireUnknown || sums.isValueUnknown
  }
}

const openGate = (
  { fromMillis, tenant, test, untilMillis }: Gate,
  { atMillis, attributes }: Question,
  tenantId: string
): Opened => {
  if (atMillis < fromMillis || atMillis >= untilMillis) return closed
  if (tenant !== undefined && tenant !== tenantId) return closed
  return test === undefined ? openedBy.true : openedBy[test(attributes)]
}

/** The verdict by the gates as they are open now. */
const judgeOpened = ({ others, sums: before, values }: Prepared): Verdict => {
  decisions++
  const sums = continued(before)
  for (const candidate of others) if (candidate.gate.opened !== closed) add(sums, candidate)
  for (const candidate of values) {
    if (candidate.gate.opened === closed) continue
    const [best] = sums.best
    // Those that follow go behind it too.
    if (best !== undefined && compareValues(candidate.rule, best) < 0) break
    addValue(sums, candidate)
  }
  return verdictOf(sums, before)
}

const nothingRemembered = (): Remembered => ({ next: new Map(), verdict: undefined })

export const judge = (prepared: Prepared, question: Question, tenantId: string): Verdict => {
  const { room, steps } = prepared
  if (steps.length === 0) return prepared.verdict
  let remembered = prepared.remembered
  for (const gates of steps) {
    let outcome = 0
    for (const gate of gates) {
      gate.opened = openGate(gate, question, tenantId)
      outcome = (outcome << 2) | gate.opened
    }
    let next = remembered.next.get(outcome)
    if (next === undefined) {
      next = nothingRemembered()
      if (room.left > 0) remembered.next.set(outcome, next)
    }
    remembered = next
  }
  if (remembered.verdict !== undefined) return remembered.verdict
  const verdict = judgeOpened(prepared)
  remembered.verdict = verdict
  room.left--
  return verdict
}

/** One gate for the policies that share a condition, hours and a tenant. */
const gateMaker = (startMillis: number, endMillis: number) => {
  const made = new Map<Test | undefined, Array<Gate>>()
  const gateOf = (candidate: Candidate): Gate => {
    // An allow that is elsewhere lists its actions whatever its condition is.
    const test = candidate.known === "false" ? undefined : candidate.test
    const fromMillis = candidate.fromMillis <= startMillis ? -Infinity : candidate.fromMillis
    const untilMillis = candidate.untilMillis >= endMillis ? Infinity : candidate.untilMillis
    const { tenant } = candidate
    const gates = made.get(test) ?? []
    const existing = gates.find(
      (gate) => gate.fromMillis === fromMillis && gate.untilMillis === untilMillis && gate.tenant === tenant
    )
    if (existing !== undefined) return existing
    const gate: Gate = { test, fromMillis, untilMillis, tenant, opened: closed }
    made.set(test, [...gates, gate])
    return gate
  }
  const all = (): ReadonlyArray<Gate> => Array.from(made.values()).flat()
  return { all, gateOf }
}

const inSteps = (gates: ReadonlyArray<Gate>): ReadonlyArray<ReadonlyArray<Gate>> =>
  Array.from({ length: Math.ceil(gates.length / gatesPerStep) }, (_, step) =>
    gates.slice(step * gatesPerStep, (step + 1) * gatesPerStep)
  )

/** Adds up the policies that apply for the whole day, whatever the attributes and the tenant are. */
export const prepare = (
  candidates: ReadonlyArray<Candidate>,
  startMillis: number,
  endMillis: number,
  room: Room
): Prepared => {
  const isFixed = ({ fromMillis, tenant, test, untilMillis }: Candidate): boolean =>
    test === undefined && tenant === undefined && fromMillis <= startMillis && untilMillis >= endMillis
  const sums = continued(nothing)
  decisions++
  for (const candidate of candidates) {
    if (!isFixed(candidate)) continue
    if (candidate.rule.effect === "value") addValue(sums, { ...candidate, gate: open })
    else add(sums, { ...candidate, gate: open })
  }
  sums.requires.sort(compareText)
  const gates = gateMaker(startMillis, endMillis)
  const gated = candidates
    .filter((candidate) => !isFixed(candidate))
    .map((candidate): Gated => ({
      rule: candidate.rule,
      known: candidate.known,
      isNamedSurely: candidate.isNamedSurely,
      gate: gates.gateOf(candidate)
    }))
  return {
    sums,
    verdict: verdictOf(sums, nothing),
    others: gated.filter(({ rule }) => rule.effect !== "value"),
    values: gated
      .filter(({ rule }) => rule.effect === "value")
      .toSorted((left, right) => compareValues(right.rule, left.rule)),
    steps: inSteps(gates.all()),
    remembered: nothingRemembered(),
    room
  }
}
