/**
 * Decides by the policies of one owner, and by those of the installation and a tenant together. Pure: the same question has the
 * same decision at the same revision, in whatever order the policies came.
 */
import type * as Schema from "effect/Schema"
import * as Places from "./places.ts"
import {
  and,
  compareText,
  type Reference,
  type Rule,
  sameName,
  type Shared,
  type StoredPolicy,
  toRule
} from "./rule.ts"
import {
  type Candidate,
  judge,
  none,
  prepare,
  type Prepared,
  type Question,
  type Room,
  union,
  type Verdict
} from "./sums.ts"

export type { Question, Reference, StoredPolicy }

export interface Decision {
  readonly effect: "allow" | "deny"
  readonly value?: Schema.Json
  readonly requires: ReadonlyArray<string>
  readonly because: ReadonlyArray<Reference>
  readonly undetermined: boolean
}

/** Questions without their attributes that are remembered: an hour of a shop that sells everywhere. All are forgotten beyond it. */
const rememberedMax = 5_000

/** Verdicts that a set remembers: some megabytes with 1,000 policies. All are forgotten beyond it. */
const verdictsMax = 4_000

const dayMillis = 86_400_000

export interface PolicySet {
  readonly revision: bigint
  readonly policies: ReadonlyArray<StoredPolicy>
  readonly decide: (question: Question, tenantId: string) => Verdict
}

/** Merges lists that are each in the order of their ids. Most often one of them is empty. */
const merge = (left: ReadonlyArray<Reference>, right: ReadonlyArray<Reference>): ReadonlyArray<Reference> => {
  if (right.length === 0) return left
  if (left.length === 0) return right
  const merged: Array<Reference> = []
  let at = 0
  for (const reference of left) {
    for (let next = right[at]; next !== undefined && next.policyId < reference.policyId; next = right[at]) {
      merged.push(next)
      at++
    }
    merged.push(reference)
  }
  for (; at < right.length; at++) {
    const next = right[at]
    if (next !== undefined) merged.push(next)
  }
  return merged
}

/** Compiles the versions of one owner's policies. */
export const compile = (policies: ReadonlyArray<StoredPolicy>, revision: bigint): PolicySet => {
  const shared: Shared = { marks: new Map(), tests: new Map() }
  const rules = policies
    .map((policy) => toRule(policy, shared))
    .toSorted((left, right) => compareText(left.policyId, right.policyId) || left.version - right.version)
  const current = new Map<string, Array<Rule>>()
  for (const [position, rule] of rules.entries()) {
    rule.position = position
    if (rule.supersededAtMillis !== Infinity) continue
    for (const action of new Set(rule.actions)) {
      const list = current.get(action)
      if (list === undefined) current.set(action, [rule])
      else list.push(rule)
    }
  }

  const channels = new Set(rules.flatMap(({ channel }) => channel ?? []))
  const categories = new Set(rules.flatMap(({ category }) => category ?? []))
  /** A name that no policy has is as any other such name. */
  const other = "\u0000"
  const nameOf = (names: ReadonlySet<string>, name: string | undefined): string =>
    name === undefined ? "" : names.has(name) ? `=${name}` : other

  const placed = (
    list: ReadonlyArray<Rule>,
    question: Question,
    region: string
  ): ReadonlyArray<Candidate> => {
    const { atMillis, category, channel } = question
    const day = new Date(atMillis).toISOString().slice(0, 10)
    const asked = Places.parse(region)
    return list.flatMap((rule) => {
      const named = rule.isNamed
        ? and(sameName(rule.channel, channel), sameName(rule.category, category))
        : "true"
      if (named === "false") return []
      const place = Places.matches(rule.place, asked, day)
      // An allow that is elsewhere still lists the action.
      if (place === "false" && rule.effect !== "allow") return []
      const candidate: Candidate = {
        rule,
        known: and(place, named),
        isNamedSurely: named === "true",
        test: rule.test,
        fromMillis: rule.effectiveFromMillis,
        untilMillis: rule.effectiveUntilMillis,
        tenant: rule.tenant
      }
      return [candidate]
    })
  }

  /** By action, place, names and day: groups change their members by the day. */
  let remembered = new Map<string, Prepared>()
  const room: Room = { left: verdictsMax }
  const preparedOf = (question: Question, region: string): Prepared => {
    const { action, atMillis, category, channel } = question
    const day = Math.floor(atMillis / dayMillis)
    const key = `${action} ${region} ${day} ${nameOf(channels, channel)} ${nameOf(categories, category)}`
    const existing = remembered.get(key)
    if (existing !== undefined && room.left > 0) return existing
    if (remembered.size >= rememberedMax || room.left <= 0) {
      remembered = new Map()
      room.left = verdictsMax
    }
    const candidates = placed(current.get(action) ?? [], question, region)
    const prepared = prepare(candidates, day * dayMillis, (day + 1) * dayMillis, room)
    remembered.set(key, prepared)
    return prepared
  }

  return {
    revision,
    policies,
    decide: (question, tenantId) => {
      if (rules.length === 0) return none
      const { action, knownAtMillis, region = "GLOBAL" } = question
      if (knownAtMillis === undefined) return judge(preparedOf(question, region), question, tenantId)
      const known = rules.filter(
        (rule) =>
          rule.recordedAtMillis <= knownAtMillis &&
          knownAtMillis < rule.supersededAtMillis &&
          rule.actions.includes(action)
      )
      const { atMillis } = question
      const candidates = placed(known, question, region)
      // Nothing of it is asked again: it remembers no verdict.
      return judge(prepare(candidates, atMillis, atMillis + 1, { left: 0 }), question, tenantId)
    }
  }
}

/** The installation binds every tenant, and a tenant can only narrow it. */
const combine = (installation: Verdict, tenant: Verdict): Decision => {
  if (installation.isDenied || tenant.isDenied) {
    return {
      effect: "deny",
      requires: [],
      because: merge(
        installation.isDenied ? installation.because : none.because,
        tenant.isDenied ? tenant.because : none.because
      ),
      // A deny that is certain stays one, whatever the other owner does not know.
      undetermined:
        (!installation.isDenied || installation.undetermined) && (!tenant.isDenied || tenant.undetermined)
    }
  }
  const value =
    installation.value !== undefined || installation.isValueUnknown ? installation.value : tenant.value
  return {
    effect: "allow",
    ...(value === undefined ? {} : { value }),
    requires: union(installation.requires, tenant.requires),
    because: merge(installation.because, tenant.because),
    undetermined: installation.undetermined || tenant.undetermined
  }
}

export const decide = (
  installation: PolicySet,
  tenant: PolicySet,
  question: Question,
  tenantId: string
): Decision => combine(installation.decide(question, tenantId), tenant.decide(question, tenantId))

/** The keys of current values that could apply to one question with this one, neither before the other. */
export const tiesOf = (policy: StoredPolicy, others: ReadonlyArray<StoredPolicy>): ReadonlyArray<string> => {
  if (policy.effect !== "value") return []
  const rule = toRule(policy)
  const mayBeSame = (left: string | undefined, right: string | undefined) =>
    left === undefined || right === undefined || left === right
  return others.flatMap((stored) => {
    if (stored.effect !== "value" || stored.policyId === policy.policyId) return []
    if (stored.supersededAtMillis !== Infinity) return []
    const other = toRule(stored)
    const isTie =
      other.rank === rule.rank &&
      other.priority === rule.priority &&
      other.actions.some((action) => rule.actions.includes(action)) &&
      mayBeSame(other.channel, rule.channel) &&
      mayBeSame(other.category, rule.category) &&
      mayBeSame(other.tenant, rule.tenant) &&
      other.effectiveFromMillis < rule.effectiveUntilMillis &&
      rule.effectiveFromMillis < other.effectiveUntilMillis &&
      Places.mayOverlap(other.place, rule.place)
    return isTie ? [stored.policyKey] : []
  })
}
