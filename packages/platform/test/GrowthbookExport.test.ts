import { assert, describe, it } from "@effect/vitest"
import { GrowthBook } from "@growthbook/growthbook"
import * as Bucketing from "@hypermarket/core/Bucketing"
import type { Condition } from "@hypermarket/core/Condition"
import type { FlagRule, NewFeatureFlag } from "@hypermarket/platform/FeatureFlag"
import * as FlagExports from "@hypermarket/platform/FlagExports"
import { evaluatorOf, flagOf, oddUsersOf } from "./exportedFlags.ts"
import { flagsOf, type User, usersOf } from "./generatedFlags.ts"

const seed = Number(process.env["HM_TEST_SEED"] ?? 23)
const isFull = process.env["HM_TEST_FLAGS"] === "full"
const flagsCount = isFull ? 1_000 : 200
const usersCount = isFull ? 1_000 : 100

const clientOf = (features: FlagExports.FlagExports["features"]) => {
  const client = new GrowthBook()
  client.initSync({ payload: JSON.parse(JSON.stringify({ features: Object.fromEntries(features) })) })
  return client
}

const exportOf = (flags: ReadonlyArray<NewFeatureFlag>) => {
  const evaluator = evaluatorOf(flags)
  const exports = FlagExports.growthbook(evaluator)
  return { evaluator, ...exports }
}

/** Compares every exported flag for every user, in the SDK and here; returns how many a rule decided. */
const compare = (flags: ReadonlyArray<NewFeatureFlag>, users: ReadonlyArray<User>) => {
  const { evaluator, features, refused } = exportOf(flags)
  const client = clientOf(features)
  let evaluated = 0
  let byRule = 0
  for (const user of users) {
    const { targetingKey, ...others } = user
    client.setAttributes({ ...others, ...(targetingKey === undefined ? {} : { id: targetingKey }) })
    for (const [flagKey, feature] of features) {
      const ours = evaluator.evaluate(flagKey, user)
      const theirs = client.evalFeature(flagKey)
      evaluated++
      if (ours.ruleId !== undefined) byRule++
      const wanted = [ours.value ?? null, ours.ruleId ?? ""]
      const found = [theirs.value, theirs.ruleId]
      // Compared as text first: deep comparisons of all of them take longer than what is compared.
      if (JSON.stringify(found) !== JSON.stringify(wanted)) {
        assert.deepStrictEqual(found, wanted, JSON.stringify({ seed, feature, user }))
      }
    }
  }
  return { evaluated, byRule, exported: features.size, refused }
}

const on = { variant: "on" }

const conditioned = (condition: Condition): FlagRule => ({ ruleId: "r", condition, serve: on })

describe("Flags in GrowthBook's notation", () => {
  it(`have the value in its SDK that they have here: missing, ill-typed, numeric and empty attributes, seed ${seed}`, () => {
    const flags = flagsOf(seed, flagsCount).map((flag) => ({ ...flag, hashing: "gb_v2" as const }))
    const users = [...usersOf(seed + 1, usersCount), ...oddUsersOf(seed + 2, usersCount)]
    const { byRule, evaluated, exported } = compare(flags, users)
    assert.isAtLeast(exported, flagsCount / 3)
    assert.isAtLeast(byRule / evaluated, 0.3)
  })

  it("do not include the end of a rollout, which `coverage` does", () => {
    const users = usersOf(seed, 40)
    // The bound is the bucket of a user: that user is outside.
    const flags = users.map(({ targetingKey }, index) => {
      const salt = `salt-${index}`
      const percentage = Math.round(Bucketing.bucket("gb_v2", salt, String(targetingKey)) * 1e5) / 1e3
      return flagOf(`flag-${index}`, { rules: [{ ruleId: "r", percentage, serve: on }] }, { salt })
    })
    const { evaluated } = compare(flags, users)
    assert.strictEqual(evaluated, 40 * 40)
  })

  it("are off while a prerequisite is not met, leave the value to the code without one, and need their unit", () => {
    const german: FlagRule = conditioned({ segment: "german" })
    const needs = [{ flag: "base", variants: ["on"] }]
    const flags = [
      flagOf("base", { rules: [german] }),
      flagOf(
        "object",
        { otherwise: { variant: "b" }, rules: [{ ...german, serve: { variant: "a" } }] },
        {
          kind: "json",
          variants: [
            { name: "a", value: { list: [1, null], text: "x" } },
            { name: "b", value: {} }
          ]
        }
      ),
      flagOf("a-off", { prerequisites: needs, offVariant: "on", otherwise: { variant: "off" } }),
      flagOf("a-none", { prerequisites: needs, otherwise: { variant: "on" } }),
      flagOf("a-both", { prerequisites: [...needs, { flag: "object", variants: ["b"] }], otherwise: on }),
      flagOf("a-object", {
        rules: [{ ruleId: "r", prerequisites: [{ flag: "object", variants: ["a"] }], serve: on }]
      }),
      flagOf("code", { otherwise: null, rules: [german] }),
      flagOf("disabled", { isEnabled: false, offVariant: "on" }),
      flagOf("disabled-code", { isEnabled: false }),
      flagOf("keyed", { requiresTargetingKey: true, otherwise: on, rules: [german] }),
      flagOf("split", {
        otherwise: {
          weights: [
            { variant: "on", weight: 30.5 },
            { variant: "off", weight: 69.5 }
          ]
        },
        rules: [{ ...german, percentage: 33.333, serve: { weights: [{ variant: "on", weight: 100 }] } }]
      })
    ]
    const users = [
      ...usersOf(seed, 200),
      ...oddUsersOf(seed, 200),
      {},
      { targetingKey: "" },
      { targetingKey: 0 }
    ]
    const { byRule, refused } = compare(flags, users)
    assert.deepStrictEqual(Array.from(refused), [])
    assert.isAtLeast(byRule, 400)
  })

  it("match the same texts by a pattern that both engines read alike", () => {
    const patterns = [
      "^u[0-9]+@",
      ".*@shop\\.example$",
      "(?:mail|shop)\\.(test|example)",
      "\\d{2,}",
      "^[^]$",
      "a.c",
      "\\s",
      "é"
    ]
    const flags = patterns.map((pattern, index) =>
      flagOf(`flag-${index}`, { rules: [conditioned({ attribute: "email", operator: "matches", pattern })] })
    )
    const { exported, refused } = compare(flags, [
      ...usersOf(seed, 100),
      { email: "a\r\n@shop.example" },
      { email: "\u2028@shop.example" },
      { email: "😀@shop.example" },
      { email: `${"x".repeat(9_000)}@shop.example` }
    ])
    assert.strictEqual(exported, 4)
    assert.sameMembers(Array.from(refused.keys()), ["flag-4", "flag-5", "flag-6", "flag-7"])
  })

  it("are refused where its SDKs would evaluate otherwise, each with its reason", () => {
    const percentage = flagOf(
      "murmur",
      { rules: [{ ruleId: "r", percentage: 5, serve: on }] },
      { hashing: "murmur3" }
    )
    const conditions: { readonly [flagKey: string]: Condition } = {
      network: { attribute: "ip", operator: "network", values: ["10.0.0.0/8"] },
      date: { attribute: "since", operator: "before", value: "2026-01-01T00:00:00Z" },
      prerelease: { attribute: "app", operator: "versionGte", value: "1.2.0-rc.1" },
      path: { attribute: "address.country", operator: "in", values: ["DE"] },
      inherited: { attribute: "constructor", operator: "exists" },
      operator: { attribute: "$in", operator: "exists" },
      null: { attribute: "coupon", operator: "type", value: "null" },
      order: { attribute: "address", operator: "equals", value: { a: 1, b: 2 } },
      folded: { attribute: "email", operator: "contains", values: ["a"], ignoreCase: true },
      "no-item": {
        attribute: "tags",
        operator: "some",
        condition: { not: { operator: "in", values: ["a"] } }
      }
    }
    const { features, refused } = exportOf([
      percentage,
      flagOf("needs", { prerequisites: [{ flag: "network", variants: ["on"] }] }),
      flagOf("fine", {}),
      ...Object.entries(conditions).map(([flagKey, condition]) =>
        flagOf(flagKey, { rules: [conditioned(condition)] })
      )
    ])
    assert.deepStrictEqual(Array.from(features.keys()), ["fine"])
    assert.deepStrictEqual(Object.fromEntries(refused), {
      date: ['rule "r": GrowthBook has no operator before'],
      folded: ['rule "r": GrowthBook folds the case of text otherwise: contains with ignoreCase'],
      inherited: ['rule "r": GrowthBook has no attribute constructor'],
      murmur: ['rule "r": GrowthBook has no hashing murmur3: a flag for its SDKs has the hashing gb_v2'],
      needs: ["it needs the flag network, which is not exported"],
      network: ['rule "r": GrowthBook has no operator network'],
      "no-item": [
        'rule "r": GrowthBook skips items that are null: a negation in some or every',
        'rule "r": GrowthBook cannot combine conditions on an item'
      ],
      null: ['rule "r": GrowthBook takes a missing attribute for null'],
      operator: ['rule "r": GrowthBook has no attribute $in'],
      order: ['rule "r": GrowthBook compares the fields of an object in their order'],
      path: ['rule "r": GrowthBook reads a path in the attribute address.country'],
      prerelease: ['rule "r": GrowthBook orders prereleases otherwise: versionGte 1.2.0-rc.1']
    })
  })
})
