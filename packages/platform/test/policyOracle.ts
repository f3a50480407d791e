/**
 * Policies and questions by chance, and the decision by definition: places are sets of atoms, and every policy is looked at for every
 * question. It shares no code with the engine.
 */
import type * as Condition from "@hypermarket/core/Condition"
import type { NewRegionPolicy, PolicyQuestion } from "@hypermarket/platform/RegionPolicy"
import { DateTime, Effect, Random } from "effect"

export type Drafted = NewRegionPolicy

const instants = ["2019-06-01T00:00:00Z", "2020-06-01T00:00:00Z", "2024-06-01T00:00:00Z"].map((text) =>
  DateTime.makeUnsafe(text)
)

/** Each atom is in one country. The United Kingdom leaves the groups on 2020-02-01. */
const atoms: Readonly<Record<string, ReadonlyArray<string>>> = {
  utah: ["US-UT", "US"],
  california: ["US-CA", "US"],
  nevada: ["US"],
  bavaria: ["DE-BY", "DE", "EU", "EEA"],
  berlin: ["DE", "EU", "EEA"],
  france: ["FR", "EU", "EEA"],
  norway: ["NO", "EEA"],
  britain: ["GB", "EU", "EEA"],
  japan: ["JP"]
}
const regions = ["GLOBAL", "EU", "EEA", "US", "US-UT", "US-CA", "DE", "DE-BY", "FR", "NO", "GB", "JP"]
const ranks: Readonly<Record<string, number>> = { GLOBAL: 0, EU: 1, EEA: 1 }
const rankOf = (policy: Drafted): number => {
  const region = policy.region ?? "GLOBAL"
  const ofRegion = ranks[region] ?? (region.includes("-") ? 3 : 2)
  return ofRegion + (policy.channel === undefined && policy.category === undefined ? 0 : 8)
}

const placesOf = (region: string, atMillis: number): ReadonlySet<string> =>
  new Set(
    Object.entries(atoms).flatMap(([atom, within]) => {
      const hasLeft = atom === "britain" && region !== "GB" && atMillis >= Date.UTC(2020, 1, 1)
      return region === "GLOBAL" || (within.includes(region) && !hasLeft) ? [atom] : []
    })
  )

const adult: Condition.Condition = { attribute: "age", operator: "gte", value: 18 }
const conditions: ReadonlyArray<Condition.Condition | undefined> = [
  undefined,
  undefined,
  adult,
  { not: adult },
  { all: [adult, { attribute: "verified", operator: "equals", value: true }] }
]

const pick = <A>(from: ReadonlyArray<A>): Effect.Effect<A> =>
  Effect.flatMap(Random.nextIntBetween(0, from.length), (index) => {
    const item = from[Math.min(index, from.length - 1)]
    return item === undefined ? Effect.die(new TypeError("nothing to pick")) : Effect.succeed(item)
  })

/** Undefined is a choice too. */
const maybe = <A>(from: ReadonlyArray<A>): Effect.Effect<A | undefined> =>
  Effect.flatMap(Random.nextBoolean, (isThere) => (isThere ? pick(from) : Effect.succeed(undefined)))

export const generatedPolicies = (count: number, prefix: string, isOfInstallation: boolean) =>
  Effect.forEach(
    Array.from({ length: count }, (_, index) => index),
    (index) =>
      Effect.gen(function* () {
        const effect = yield* pick([
          "allow",
          "deny",
          "require",
          "require",
          "require",
          "value",
          "value",
          "value",
          "value"
        ] as const)
        const region = yield* pick(regions)
        const channel = isOfInstallation ? undefined : yield* maybe(["web"])
        const category = yield* maybe(["wine", "beer"])
        const index_ = yield* Random.nextIntBetween(0, conditions.length)
        const condition = conditions[Math.min(index_, conditions.length - 1)]
        const [from, until] = yield* pick([
          [undefined, undefined],
          [undefined, undefined],
          [instants[0], undefined],
          [undefined, instants[1]],
          [instants[0], instants[2]],
          [instants[1], instants[2]]
        ] as const)
        const policy: Drafted = {
          policyKey: `${prefix}-${index}`,
          actions: yield* pick([["listing.publish"], ["listing.publish", "payout.send"]]),
          region,
          effect,
          priority: yield* pick([0, 1, 2]),
          legalBasis: "Test Code",
          source: "https://example.com",
          ...(channel === undefined ? {} : { channel }),
          ...(category === undefined ? {} : { category }),
          ...(condition === undefined ? {} : { condition }),
          ...(from === undefined ? {} : { effectiveFrom: from }),
          ...(until === undefined ? {} : { effectiveUntil: until }),
          ...(effect === "require"
            ? { requirements: [yield* pick(["age_check", "vat_id", "document"])] }
            : {}),
          ...(effect === "value" ? { value: index } : {})
        }
        return policy
      })
  )

export const generatedQuestions = (count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, index) => index),
    () =>
      Effect.gen(function* () {
        const region = yield* maybe(regions)
        const channel = yield* maybe(["web", "app"])
        const category = yield* maybe(["wine", "beer", "cheese"])
        const age = yield* maybe([17, 18, "20", "unknown"])
        const verified = yield* maybe([true, false])
        const question: PolicyQuestion = {
          action: yield* pick(["listing.publish", "payout.send"]),
          at: yield* pick([...instants, DateTime.makeUnsafe("2020-01-31T23:00:00Z")]),
          ...(region === undefined ? {} : { region }),
          ...(channel === undefined ? {} : { channel }),
          ...(category === undefined ? {} : { category }),
          attributes: {
            ...(age === undefined ? {} : { age }),
            ...(verified === undefined ? {} : { verified })
          }
        }
        return question
      })
  )

type Three = true | false | undefined

const allOf = (...parts: ReadonlyArray<Three>): Three =>
  parts.includes(false) ? false : parts.includes(undefined) ? undefined : true

const holds = (condition: Condition.Condition | undefined, question: PolicyQuestion): Three => {
  if (condition === undefined) return true
  if ("not" in condition) {
    const inner = holds(condition.not, question)
    return inner === undefined ? undefined : !inner
  }
  if ("all" in condition) return allOf(...condition.all.map((part) => holds(part, question)))
  const { age, verified } = question.attributes ?? {}
  if (condition === adult) {
    return age === undefined || Number.isNaN(Number(age)) ? undefined : Number(age) >= 18
  }
  return typeof verified === "boolean" ? verified : undefined
}

const named = (wanted: string | undefined, asked: string | undefined): Three =>
  wanted === undefined ? true : asked === undefined ? undefined : wanted === asked

const placed = (policy: Drafted, question: PolicyQuestion, atMillis: number): Three => {
  const asked = placesOf(question.region ?? "GLOBAL", atMillis)
  const within = placesOf(policy.region ?? "GLOBAL", atMillis)
  const common = Array.from(asked).filter((atom) => within.has(atom)).length
  return common === asked.size ? true : common === 0 ? false : undefined
}

const verdictOf = (policies: ReadonlyArray<Drafted>, question: PolicyQuestion) => {
  const atMillis = question.at === undefined ? 0 : DateTime.toEpochMillis(question.at)
  const inForce = policies.filter(
    ({ actions, effectiveFrom, effectiveUntil }) =>
      actions.includes(question.action) &&
      (effectiveFrom === undefined || DateTime.toEpochMillis(effectiveFrom) <= atMillis) &&
      (effectiveUntil === undefined || atMillis < DateTime.toEpochMillis(effectiveUntil))
  )
  const judged = inForce.flatMap((policy) => {
    const isNamed = allOf(named(policy.channel, question.channel), named(policy.category, question.category))
    const isThere = placed(policy, question, atMillis)
    const outcome = allOf(isNamed, isThere, holds(policy.condition, question))
    return isNamed === false ? [] : [{ policy, outcome, isNamed }]
  })
  const of = (effect: string, outcomes: ReadonlyArray<Three>) =>
    judged.filter(({ outcome, policy }) => policy.effect === effect && outcomes.includes(outcome))
  const denies = of("deny", [true, undefined])
  const lists = of("allow", [true, undefined, false])
  const allows = of("allow", [true])
  const isMissing = lists.length > 0 && allows.length === 0
  const keysOf = (entries: typeof judged) => entries.map(({ policy }) => policy.policyKey)
  if (denies.length > 0 || isMissing) {
    const isListed = lists.some(({ isNamed }) => isNamed === true)
    const isCertain =
      of("deny", [true]).length > 0 || (isMissing && isListed && of("allow", [undefined]).length === 0)
    return {
      isDenied: true,
      because: keysOf(denies.length > 0 ? denies : lists),
      isOpen: !isCertain
    } as const
  }
  const requires = of("require", [true, undefined])
  const values = of("value", [true, undefined])
  const isFirst = ({ policy }: (typeof values)[number]) =>
    !values.some(
      (other) =>
        rankOf(other.policy) > rankOf(policy) ||
        (rankOf(other.policy) === rankOf(policy) && (other.policy.priority ?? 0) > (policy.priority ?? 0))
    )
  const first = values.filter(isFirst)
  const isValueOpen = first.some(({ outcome }) => outcome === undefined)
  return {
    isDenied: false,
    because: keysOf([...allows, ...requires, ...first]),
    requires: requires.flatMap(({ policy }) => policy.requirements ?? []),
    value: isValueOpen ? undefined : first[0]?.policy.value,
    isValueOpen,
    isOpen: requires.some(({ outcome }) => outcome === undefined) || isValueOpen
  } as const
}

/** The decision without its revision, by keys. */
export const oracle = (
  ofInstallation: ReadonlyArray<Drafted>,
  ofTenant: ReadonlyArray<Drafted>,
  question: PolicyQuestion
) => {
  const installation = verdictOf(ofInstallation, question)
  const tenant = verdictOf(ofTenant, question)
  const denying = [installation, tenant].filter(({ isDenied }) => isDenied)
  if (installation.isDenied || tenant.isDenied) {
    return {
      effect: "deny" as const,
      requires: [],
      undetermined: denying.every(({ isOpen }) => isOpen),
      because: denying.flatMap(({ because }) => because).toSorted()
    }
  }
  const value =
    installation.value !== undefined || installation.isValueOpen ? installation.value : tenant.value
  return {
    effect: "allow" as const,
    requires: Array.from(new Set([...installation.requires, ...tenant.requires])).toSorted(),
    undetermined: installation.isOpen || tenant.isOpen,
    ...(value === undefined ? {} : { value }),
    because: [...installation.because, ...tenant.because].toSorted()
  }
}
