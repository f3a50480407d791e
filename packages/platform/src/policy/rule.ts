/** Policies as rules: compiled once per revision, with what decisions read of them. */
import * as Condition from "@hypermarket/core/Condition"
import type * as Region from "@hypermarket/core/Region"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Places from "./places.ts"

/** A version of a policy as it is stored. The condition is of this or a newer release. */
export interface StoredPolicy {
  readonly policyId: string
  readonly policyKey: string
  readonly version: number
  readonly actions: ReadonlyArray<string>
  readonly region: string
  readonly channel?: string | undefined
  readonly category?: string | undefined
  readonly tenant?: string | undefined
  readonly effect: string
  readonly requirements?: ReadonlyArray<string> | undefined
  readonly value?: Schema.Json | undefined
  readonly condition?: unknown
  readonly priority: number
  readonly effectiveFromMillis: number
  readonly effectiveUntilMillis: number
  readonly recordedAtMillis: number
  readonly supersededAtMillis: number
  readonly legalBasis: string
  readonly source: string
}

export interface Reference {
  readonly policyId: string
  readonly policyKey: string
  readonly version: number
  readonly legalBasis: string
  readonly source: string
}

/** A requirement of the set, and the last sum that has it: a new set per sum costs more than the rest. */
interface Mark {
  readonly name: string
  seen: number
}

/** A condition of the set. Policies share conditions such as an age, and then the function is the same. */
export type Test = (attributes: Condition.Attributes) => Condition.Outcome

export interface Rule extends StoredPolicy {
  readonly marks: ReadonlyArray<Mark>
  readonly isNamed: boolean
  readonly place: Region.Region | undefined
  readonly rank: number
  readonly test: Test | undefined
  readonly reference: Reference
  /** The place in the order of the set. Comparing ids costs more than all other parts of a decision. */
  position: number
}

const decodeCondition = Schema.decodeUnknownOption(Condition.Schema)

/** A condition that cannot be read is unknown: its policy is never skipped. */
const testOf = (condition: unknown, tests: Map<string, Test>): Rule["test"] => {
  if (condition === undefined || condition === null) return undefined
  const text = JSON.stringify(condition)
  const existing = tests.get(text)
  if (existing !== undefined) return existing
  const unknown: Test = () => "unknown"
  const test = Option.match(decodeCondition(condition), {
    onNone: () => unknown,
    onSome: (decoded) =>
      Result.match(Condition.compile(decoded, {}), {
        onFailure: () => unknown,
        onSuccess: (compiled): Test => compiled.test
      })
  })
  tests.set(text, test)
  return test
}

/** The state that the rules of a set share. */
export interface Shared {
  readonly marks: Map<string, Mark>
  readonly tests: Map<string, Test>
}

export const toRule = (
  policy: StoredPolicy,
  { marks, tests }: Shared = { marks: new Map(), tests: new Map() }
): Rule => {
  const place = Places.parse(policy.region)
  const { channel, category, legalBasis, policyId, policyKey, source, tenant, version } = policy
  const markOf = (name: string): Mark => {
    const mark = marks.get(name) ?? { name, seen: 0 }
    marks.set(name, mark)
    return mark
  }
  return {
    ...policy,
    marks: Array.from(policy.requirements ?? [], markOf),
    isNamed: channel !== undefined || category !== undefined,
    place,
    rank: Places.rankOf({ region: place, tenant, channel, category }),
    test: testOf(policy.condition, tests),
    reference: Object.freeze({ policyId, policyKey, version, legalBasis, source }),
    position: 0
  }
}

export const compareText = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0)

/** Unknown where the question does not say it. */
export const sameName = (wanted: string | undefined, asked: string | undefined): Condition.Outcome =>
  wanted === undefined || wanted === asked ? "true" : asked === undefined ? "unknown" : "false"

export const and = (left: Condition.Outcome, right: Condition.Outcome): Condition.Outcome =>
  left === "false" || right === "false" ? "false" : left === "unknown" ? left : right

/** Positive when the first value goes before the second. */
export const compareValues = (left: Rule, right: Rule): number =>
  left.rank - right.rank || left.priority - right.priority
