import { assert, describe, it } from "@effect/vitest"
import * as Bucketing from "@hypermarket/core/Bucketing"
import type { FlagEnvironment } from "@hypermarket/platform/FeatureFlag"
import { Schema } from "effect"
import * as FlagEvaluator from "@hypermarket/platform/FlagEvaluator"
import { flagsOf, segmentsOf, usersOf } from "./generatedFlags.ts"

const flagOf = (
  flagKey: string,
  definition: Partial<FlagEnvironment>,
  rest: Partial<FlagEvaluator.Flag> = {}
): FlagEvaluator.Flag => ({
  flagKey,
  kind: "string",
  variants: ["a", "b", "c"].map((name) => ({ name, value: name })),
  metadata: {},
  salt: flagKey,
  hashing: "murmur3",
  definition: { isEnabled: true, rules: [], otherwise: { variant: "c" }, ...definition },
  ...rest
})

const setOf = (...flags: ReadonlyArray<FlagEvaluator.Flag>) =>
  FlagEvaluator.make({
    environment: "live",
    revision: 1n,
    flags,
    segments: new Map(Object.entries(segmentsOf()))
  })

const evaluate = (flag: FlagEvaluator.Flag, attributes: { readonly [name: string]: unknown }) =>
  setOf(flag).evaluate(flag.flagKey, attributes)

const Thousandths = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50_000 }))
const Percentage = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000 }))
const Unit = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(20))
const Odd = Schema.Union([
  Schema.String,
  Schema.Finite,
  Schema.Boolean,
  Schema.Null,
  Schema.Array(Schema.Finite)
])

describe("A flag", () => {
  it.prop(
    "gives each variant exactly its share of the 100,000 buckets",
    [Thousandths, Thousandths],
    ([first, second]) => {
      const weights = [first, second, 100_000 - first - second]
      const counts = [0, 0, 0]
      for (let bucket = 0; bucket < Bucketing.buckets; bucket++) {
        // A bucket without a variant would be missing in the counts.
        const index = Bucketing.choose(weights, bucket / Bucketing.buckets)
        if (index !== undefined) counts[index] = (counts[index] ?? 0) + 1
      }
      assert.deepStrictEqual(counts, weights)
    },
    { arbitrary: { runs: 10 } }
  )

  it("spreads 100,000 customers over a rollout and its variants uniformly and independently", () => {
    for (const hashing of ["murmur3", "unleash"] as const) {
      const set = setOf(
        flagOf(
          "spread",
          {
            rules: [
              {
                ruleId: "r",
                percentage: 40,
                serve: {
                  weights: [
                    { variant: "a", weight: 75 },
                    { variant: "b", weight: 25 }
                  ]
                }
              }
            ]
          },
          { hashing }
        )
      )
      const counts = { a: 0, b: 0, c: 0 }
      for (let user = 0; user < 100_000; user++) {
        const variant = set.evaluate("spread", { targetingKey: `customer-${user}` }).variant
        if (variant === "a" || variant === "b" || variant === "c") counts[variant]++
      }
      // Five standard deviations of each count.
      assert.closeTo(counts.a, 30_000, 5 * Math.sqrt(100_000 * 0.3 * 0.7), hashing)
      assert.closeTo(counts.b, 10_000, 5 * Math.sqrt(100_000 * 0.1 * 0.9), hashing)
      assert.closeTo(counts.c, 60_000, 5 * Math.sqrt(100_000 * 0.6 * 0.4), hashing)
    }
  })

  it.prop(
    "keeps a customer in a rollout that grows",
    [Unit, Percentage, Percentage],
    ([unit, one, other]) => {
      const within = (thousandths: number) =>
        evaluate(
          flagOf("grows", {
            rules: [{ ruleId: "r", percentage: thousandths / 1_000, serve: { variant: "a" } }]
          }),
          { targetingKey: unit }
        )?.variant === "a"
      const [small, large] = one < other ? [one, other] : [other, one]
      assert.isTrue(!within(small) || within(large))
    }
  )

  it.prop("finds the bucket as specified: the seed is the hash of the salt", [Unit, Unit], ([salt, unit]) => {
    const seed = Bucketing.murmur3(salt, 0)
    const bucket = Math.floor((Bucketing.murmur3(unit, seed) * 100_000) / 2 ** 32)
    const at = (thousandths: number) =>
      evaluate(
        flagOf(
          "f",
          { rules: [{ ruleId: "r", percentage: thousandths / 1_000, serve: { variant: "a" } }] },
          { salt }
        ),
        { targetingKey: unit }
      )?.variant
    assert.strictEqual(at(bucket), "c")
    assert.strictEqual(at(bucket + 1), "a")
  })

  it('takes 42 and "42" for one unit, and an empty or missing one for none', () => {
    const split = {
      weights: [
        { variant: "a", weight: 50 },
        { variant: "b", weight: 50 }
      ]
    }
    const flag = flagOf("units", { rules: [{ ruleId: "r", serve: split }] })
    for (let unit = 0; unit < 100; unit++) {
      assert.deepStrictEqual(
        evaluate(flag, { targetingKey: unit }),
        evaluate(flag, { targetingKey: String(unit) })
      )
    }
    for (const targetingKey of ["", undefined, null, true, [], {}, Number.NaN]) {
      assert.deepInclude(evaluate(flag, { targetingKey }), { variant: "c", reason: "DEFAULT" })
    }
    assert.strictEqual(
      evaluate(flagOf("units", { requiresTargetingKey: true }), { targetingKey: "" })?.errorCode,
      "TARGETING_KEY_MISSING"
    )
  })

  it("keeps every customer's variant when it is renamed, because the salt stays", () => {
    const rules = [{ ruleId: "r", percentage: 50, serve: { variant: "a" } }]
    for (let unit = 0; unit < 1_000; unit++) {
      const before = evaluate(flagOf("old", { rules }), { targetingKey: unit })
      const after = evaluate(flagOf("new", { rules }, { salt: "old" }), { targetingKey: unit })
      assert.strictEqual(after?.variant, before?.variant)
    }
  })

  it.prop(
    "reads a comparison with a missing or ill-typed attribute as false, and its negation as true",
    [Odd],
    ([value]) => {
      const operators = [
        { attribute: "x", operator: "before", value: "2026-01-01T00:00:00Z" },
        { attribute: "x", operator: "network", values: ["10.0.0.0/8"] },
        { attribute: "x", operator: "versionGt", value: "1.0.0" },
        { attribute: "x", operator: "includesAll", values: ["a"] }
      ] as const
      for (const comparison of operators) {
        // Text that spells an instant, an address or a version, and lists and numbers where they are meant, are well typed.
        if (typeof value === "string" || (comparison.operator === "before" && typeof value === "number"))
          continue
        if (comparison.operator === "includesAll" && Array.isArray(value)) continue
        const rule = (condition: FlagEnvironment["rules"][number]["condition"]) =>
          flagOf("f", {
            rules: [
              { ruleId: "r", ...(condition === undefined ? {} : { condition }), serve: { variant: "a" } }
            ]
          })
        for (const attributes of [{ x: value }, {}]) {
          assert.strictEqual(evaluate(rule(comparison), attributes)?.variant, "c")
          assert.strictEqual(evaluate(rule({ not: comparison }), attributes)?.variant, "a")
        }
      }
    }
  )

  it("compares numeric text as a number", () => {
    const flag = flagOf("f", {
      rules: [
        { ruleId: "r", condition: { attribute: "age", operator: "lt", value: 10 }, serve: { variant: "a" } }
      ]
    })
    assert.deepStrictEqual(
      [8, "8", "80", "eight", undefined].map((age) => evaluate(flag, { age })?.variant),
      ["a", "a", "c", "c", "c"]
    )
  })

  it("errs at a stored rule that is broken, also when it is negated, and serves rules before it", () => {
    const stored = (condition: object) =>
      flagOf(
        "f",
        {},
        {
          definition: {
            isEnabled: true,
            rules: [
              {
                ruleId: "first",
                condition: { attribute: "x", operator: "exists" },
                serve: { variant: "a" }
              },
              { ruleId: "broken", condition, serve: { variant: "b" } }
            ],
            otherwise: { variant: "c" }
          }
        }
      )
    for (const condition of [{ segment: "nowhere" }, { attribute: "x", operator: "resembles", value: 1 }]) {
      for (const flag of [stored(condition), stored({ not: condition })]) {
        assert.deepInclude(evaluate(flag, {}), {
          reason: "ERROR",
          errorCode: "PARSE_ERROR",
          ruleId: "broken"
        })
        assert.deepInclude(evaluate(flag, { x: 1 }), { variant: "a", ruleId: "first" })
      }
    }
    const unknownFlag = stored({ all: [] })
    const needing = flagOf("g", {
      rules: [{ ruleId: "r", prerequisites: [{ flag: "nowhere", variants: ["a"] }], serve: { variant: "a" } }]
    })
    assert.deepInclude(setOf(unknownFlag, needing).evaluate("g", {}), { reason: "ERROR" })
  })

  it("takes `not in segments` for in none of them, and errs where one of them is unknown", () => {
    const segments = new Map<string, unknown>([
      ["gold", { attribute: "plan", operator: "in", values: ["gold"] }],
      ["alpine", { attribute: "country", operator: "in", values: ["AT", "CH"] }]
    ])
    const variantOf = (names: ReadonlyArray<string>, attributes: { readonly [name: string]: string }) => {
      const condition = { not: { any: names.map((segment) => ({ segment })) } }
      const flag = flagOf("f", { rules: [{ ruleId: "r", condition, serve: { variant: "a" } }] })
      const set = FlagEvaluator.make({ environment: "live", revision: 3n, flags: [flag], segments })
      const { errorCode, variant } = set.evaluate("f", attributes)
      return errorCode ?? variant
    }
    const both = ["gold", "alpine"]
    assert.strictEqual(variantOf(both, { plan: "gold", country: "AT" }), "c")
    assert.strictEqual(variantOf(both, { plan: "gold", country: "FR" }), "c")
    assert.strictEqual(variantOf(both, { plan: "free", country: "CH" }), "c")
    assert.strictEqual(variantOf(both, { plan: "free", country: "FR" }), "a")
    // A user without either attribute is in none of them too.
    assert.strictEqual(variantOf(both, {}), "a")
    assert.strictEqual(variantOf([...both, "silver"], { plan: "free" }), "PARSE_ERROR")
  })

  it("errs in a cycle of prerequisites and beside it, and does not hang", () => {
    const needs = (flagKey: string, ...flags: ReadonlyArray<string>) =>
      flagOf(flagKey, {
        rules: flags.map((flag) => ({
          ruleId: flag,
          prerequisites: [{ flag, variants: ["a"] }],
          serve: { variant: "a" }
        }))
      })
    const set = setOf(
      needs("a", "b", "d"),
      needs("b", "c"),
      needs("c", "a"),
      needs("d", "c"),
      needs("e", "d"),
      needs("f")
    )
    for (const key of ["a", "b", "c", "d"]) {
      const evaluation = set.evaluate(key, {})
      assert.deepInclude(evaluation, { reason: "ERROR", errorCode: "PARSE_ERROR" })
      assert.match(evaluation?.errorDetails ?? "", new RegExp(`: ${key} > .* > ${key}$`))
    }
    assert.deepInclude(set.evaluate("e", {}), { reason: "ERROR", errorCode: "GENERAL" })
    assert.deepInclude(set.evaluate("f", {}), { variant: "c" })
    // Each level needs the next one twice: 2^30 evaluations.
    const deep = Array.from({ length: 30 }, (_, level) =>
      needs(`l${level}`, `l${level + 1}`, `l${level + 1}`)
    )
    const bounded = setOf(...deep, needs("l30"))
    assert.deepInclude(bounded.evaluate("l0", {}), { errorCode: "PARSE_ERROR" })
    assert.deepInclude(bounded.evaluate("l25", {}), { variant: "c" })
  })

  it("is off while a prerequisite of it is not met", () => {
    const other = flagOf("other", {
      rules: [{ ruleId: "r", condition: { attribute: "x", operator: "exists" }, serve: { variant: "a" } }]
    })
    const flag = flagOf("f", { prerequisites: [{ flag: "other", variants: ["a"] }], offVariant: "b" })
    const set = setOf(other, flag)
    assert.deepInclude(set.evaluate("f", { x: 1 }), { variant: "c", reason: "STATIC" })
    assert.deepInclude(set.evaluate("f", {}), { variant: "b", reason: "DISABLED" })
  })

  it("does not depend on the order in which rows are read", () => {
    const stored = flagsOf(5, 40).map(({ environments, flagKey, hashing, kind, variants }) =>
      flagOf(
        flagKey,
        {},
        { kind, variants: variants ?? [], hashing: hashing ?? "murmur3", definition: environments?.["live"] }
      )
    )
    const forward = setOf(...stored)
    const backward = setOf(...stored.toReversed())
    for (const user of usersOf(6, 50))
      assert.deepStrictEqual(backward.evaluateAll(user), forward.evaluateAll(user))
  })

  it("explains the same decision that it makes", () => {
    const stored = flagsOf(7, 60).map(({ environments, flagKey, hashing, kind, variants }) =>
      flagOf(
        flagKey,
        {},
        { kind, variants: variants ?? [], hashing: hashing ?? "murmur3", definition: environments?.["live"] }
      )
    )
    let decided = 0
    const set = setOf(...stored)
    for (const user of usersOf(8, 50)) {
      for (const { flagKey, ruleId } of set.evaluateAll(user)) {
        const deciding = set.explain(flagKey, user).rules.filter((rule) => rule.decided)
        assert.deepStrictEqual(
          deciding.map((rule) => rule.ruleId),
          ruleId === undefined ? [] : [ruleId]
        )
        decided += deciding.length
      }
    }
    assert.isAbove(decided, 500)
  })
})
