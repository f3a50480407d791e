/** Compares a policy's place with that of a question, in three values. */
import type { Outcome } from "@hypermarket/core/Condition"
import * as Region from "@hypermarket/core/Region"
import * as Result from "effect/Result"

/** Undefined for a code that is none. */
export const parse = (code: string): Region.Region | undefined =>
  Result.getOrElse(Region.parse(code), () => undefined)

const membersOf = (code: string, day: string): ReadonlyArray<string> =>
  Region.groups
    .find((group) => group.code === code)
    ?.members.flatMap(({ country }) => (Region.isMember(code, country, day) ? [country] : [])) ?? []

/** All members are in the other group, some of them, or none. */
const groupIn = (inner: string, outer: string, day: string): Outcome => {
  const members = membersOf(inner, day)
  const common = members.filter((country) => Region.isMember(outer, country, day)).length
  return common === 0 ? "false" : common === members.length ? "true" : "unknown"
}

/**
 * Returns `true` where all of the asked place is in the policy's, and `false` where none of it is. Otherwise it is `unknown`: a
 * country is asked about and the policy is of one of its states, or the asked code is none.
 */
export const matches = (
  policy: Region.Region | undefined,
  asked: Region.Region | undefined,
  day: string
): Outcome => {
  if (policy?.kind === "global") return "true"
  if (policy === undefined || asked === undefined) return "unknown"
  if (Region.contains(policy, asked, day)) return "true"
  if (Region.contains(asked, policy, day)) return "unknown"
  return policy.kind === "group" && asked.kind === "group" ? groupIn(asked.code, policy.code, day) : "false"
}

/** True when one place may be in both on some day. Groups change their members: any member of both counts. */
export const mayOverlap = (left: Region.Region | undefined, right: Region.Region | undefined): boolean => {
  if (left === undefined || right === undefined || left.code === right.code) return true
  if (left.kind === "global" || right.kind === "global") return true
  const countriesOf = (region: Region.Region): ReadonlySet<string> =>
    new Set(
      region.kind === "group"
        ? Region.groups.find(({ code }) => code === region.code)?.members.map(({ country }) => country)
        : [region.kind === "subdivision" ? region.parent : region.code]
    )
  if (left.kind === "subdivision" && right.kind === "subdivision") return false
  const others = countriesOf(right)
  return Array.from(countriesOf(left)).some((country) => others.has(country))
}

const rankOfKind: Readonly<Record<Region.Region["kind"], number>> = {
  global: 0,
  group: 1,
  country: 2,
  subdivision: 3
}

/** The place in the lattice: global < group < country < subdivision < tenant < channel or category. */
export const rankOf = (scope: {
  readonly region: Region.Region | undefined
  readonly tenant: string | undefined
  readonly channel: string | undefined
  readonly category: string | undefined
}): number =>
  (scope.region === undefined ? 0 : rankOfKind[scope.region.kind]) +
  (scope.tenant === undefined ? 0 : 4) +
  (scope.channel === undefined && scope.category === undefined ? 0 : 8)
