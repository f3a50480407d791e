import { assert, describe, it } from "@effect/vitest"
import * as Bucketing from "@hypermarket/core/Bucketing"
import { Schema } from "effect"
import * as ConformanceData from "@hypermarket/testing/ConformanceData"

const schemes = ["murmur3", "gb_v1", "gb_v2", "unleash"] as const

describe("Bucketing.murmur3", () => {
  it("is MurmurHash3_x86_32 over UTF-8, for every length of tail", () => {
    // Vectors of the reference implementation.
    const vectors = [
      ["", 0, 0],
      ["", 1, 0x514e28b7],
      ["", 0xffffffff, 0x81f16f39],
      ["a", 0x9747b28c, 0x7fa09ea6],
      ["aa", 0x9747b28c, 0x5d211726],
      ["aaa", 0x9747b28c, 0x283e0130],
      ["aaaa", 0x9747b28c, 0x5a97808a],
      ["abc", 0, 0xb3dd93fa],
      ["Hello, world!", 0x9747b28c, 0x24884cba],
      ["ππππππππ", 0x9747b28c, 0xd58063c1],
      ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd]
    ] as const
    for (const [text, seed, hash] of vectors) assert.strictEqual(Bucketing.murmur3(text, seed), hash, text)
  })

  it("hashes a text that is longer than its buffer like a shorter one", () => {
    const rotl = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits))
    let hash = 7
    for (let block = 0; block < 300; block++) {
      const mixed = Math.imul(rotl(Math.imul(0x61616161, 0xcc9e2d51), 15), 0x1b873593)
      hash = (Math.imul(rotl(hash ^ mixed, 13), 5) + 0xe6546b64) | 0
      const finished = (length: number) => {
        let value = hash ^ length
        value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
        value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
        return (value ^ (value >>> 16)) >>> 0
      }
      const length = (block + 1) * 4
      assert.strictEqual(Bucketing.murmur3("a".repeat(length), 7), finished(length))
    }
  })
})

const Text = Schema.String.check(Schema.isMaxLength(50))

describe("Bucketing.bucket", () => {
  it.prop("is in [0, 1) and always the same, in every scheme", [Text, Text], ([salt, unit]) => {
    for (const scheme of schemes) {
      const bucket = Bucketing.bucket(scheme, salt, unit)
      assert.isTrue(bucket >= 0 && bucket < 1, scheme)
      assert.strictEqual(Bucketing.bucket(scheme, salt, unit), bucket)
    }
  })

  it("spreads units uniformly, and independently of another salt", () => {
    const units = 50_000
    const cells = 20
    for (const scheme of ["murmur3", "gb_v2", "unleash"] as const) {
      const counts = Array.from({ length: cells }, () => 0)
      let both = 0
      for (let unit = 0; unit < units; unit++) {
        const bucket = Bucketing.bucket(scheme, "checkout", `user-${unit}`)
        const cell = Math.floor(bucket * cells)
        counts[cell] = (counts[cell] ?? 0) + 1
        if (bucket < 0.5 && Bucketing.bucket(scheme, "shipping", `user-${unit}`) < 0.5) both++
      }
      const expected = units / cells
      const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
      // 19 degrees of freedom: above 50 by chance once in 7,000.
      assert.isBelow(chiSquare, 50, scheme)
      // A quarter, within five standard deviations.
      assert.closeTo(both / units, 0.25, 5 * Math.sqrt((0.25 * 0.75) / units), scheme)
    }
  })

  it("gives murmur3 100,000 buckets, so that a rollout moves by 0.001 %", () => {
    for (let unit = 0; unit < 1_000; unit++) {
      const bucket = Bucketing.bucket("murmur3", "s", String(unit))
      assert.strictEqual(Math.round(bucket * 100_000) / 100_000, bucket)
    }
  })
})

const Weights = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000 }))).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(8)
)

describe("Bucketing.choose", () => {
  it.prop("gives each weight exactly its number of buckets", [Weights], ([weights]) => {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    const counts = weights.map(() => 0)
    for (let bucket = 0; bucket < total; bucket++) {
      const index = Bucketing.choose(weights, bucket / total)
      if (index !== undefined) counts[index] = (counts[index] ?? 0) + 1
    }
    assert.deepStrictEqual(counts, [...weights])
  })

  it("gives the last bucket a variant, whatever the weights add up to", () => {
    const last = 1 - Number.EPSILON
    assert.strictEqual(Bucketing.choose([0.33333333, 0.33333333, 0.33333333], last), 2)
    assert.strictEqual(Bucketing.choose([0.1, 0.2, 0.7], last), 2)
    assert.strictEqual(Bucketing.choose([50, 50, 0], last), 1)
  })

  it("chooses nothing without a weight, with a weight that is none, and outside of [0, 1)", () => {
    for (const weights of [[], [0, 0], [-1, 2], [Number.NaN], [Number.POSITIVE_INFINITY]]) {
      assert.isUndefined(Bucketing.choose(weights, 0.5), String(weights))
    }
    for (const bucket of [-0.1, 1, Number.NaN]) assert.isUndefined(Bucketing.choose([1], bucket))
  })
})

interface GrowthBook {
  readonly hash: ReadonlyArray<
    readonly [seed: string, value: string, version: number, expected: number | null]
  >
  readonly getBucketRange: ReadonlyArray<
    readonly [string, readonly [number, number, ReadonlyArray<number> | null], ReadonlyArray<Bucketing.Range>]
  >
  readonly chooseVariation: ReadonlyArray<readonly [string, number, ReadonlyArray<Bucketing.Range>, number]>
  readonly inNamespace: ReadonlyArray<readonly [string, string, readonly [string, number, number], boolean]>
}

const rounded = (ranges: ReadonlyArray<Bucketing.Range>) =>
  ranges.map((range) => range.map((bound) => Math.round(bound * 1e6) / 1e6))

describe("GrowthBook's hashes and ranges", () => {
  it("are ours, in every public case", () => {
    const text = ConformanceData.text("growthbook/cases.json")
    if (text === undefined) return
    const cases: GrowthBook = JSON.parse(text)
    let passed = 0
    let refused = 0
    for (const [seed, value, version, expected] of cases.hash) {
      const scheme = version === 1 ? "gb_v1" : version === 2 ? "gb_v2" : undefined
      if (scheme === undefined) {
        // A version that no SDK has: the type has no such scheme.
        assert.isNull(expected)
        refused++
        continue
      }
      assert.strictEqual(Bucketing.bucket(scheme, seed, value), expected)
      passed++
    }
    for (const [name, [count, coverage, weights], expected] of cases.getBucketRange) {
      const ranges = Bucketing.ranges(count, coverage, weights ?? undefined)
      assert.deepStrictEqual(rounded(ranges), rounded(expected), name)
      passed++
    }
    for (const [name, bucket, ranges, expected] of cases.chooseVariation) {
      assert.strictEqual(Bucketing.chooseRange(ranges, bucket) ?? -1, expected, name)
      passed++
    }
    for (const [name, user, [namespace, from, until], expected] of cases.inNamespace) {
      const bucket = Bucketing.bucket("gb_v1", `__${namespace}`, user)
      assert.strictEqual(Bucketing.chooseRange([[from, until]], bucket) === 0, expected, name)
      passed++
    }
    ConformanceData.report("growthbook hash, getBucketRange, chooseVariation, inNamespace", passed, refused)
  })
})

interface Unleash {
  readonly state: {
    readonly features: ReadonlyArray<{
      readonly name: string
      readonly strategies: ReadonlyArray<{
        readonly name: string
        readonly parameters?: {
          readonly percentage?: string
          readonly rollout?: string
          readonly groupId?: string
        }
        readonly constraints?: ReadonlyArray<unknown>
        readonly segments?: ReadonlyArray<unknown>
        readonly variants?: ReadonlyArray<{ readonly name: string; readonly weight: number }>
      }>
      readonly variants?: ReadonlyArray<{
        readonly name: string
        readonly weight: number
        readonly overrides?: ReadonlyArray<unknown>
      }>
    }>
  }
  readonly tests?: ReadonlyArray<{
    readonly toggleName: string
    readonly context: { readonly userId?: string }
    readonly expectedResult: boolean
    readonly description: string
  }>
  readonly variantTests?: ReadonlyArray<{
    readonly toggleName: string
    readonly context: { readonly userId?: string }
    readonly expectedResult: { readonly name: string }
    readonly description: string
  }>
}

describe("Unleash's hashes", () => {
  it("are ours, in every public case of a rollout by user and of variants by user", () => {
    let rollouts = 0
    let variants = 0
    for (const file of [
      "03-gradual-rollout-user-id-strategy",
      "08-variants",
      "16-strategy-variants",
      "18-utf8-flag-names"
    ]) {
      const text = ConformanceData.text(`unleash/${file}.json`)
      if (text === undefined) return
      const data: Unleash = JSON.parse(text)
      const features = new Map(data.state.features.map((feature) => [feature.name, feature]))
      for (const { context, description, expectedResult, toggleName } of data.tests ?? []) {
        const [strategy, ...others] = features.get(toggleName)?.strategies ?? []
        if (strategy?.name !== "gradualRolloutUserId" || others.length > 0) continue
        const { groupId = "", percentage } = strategy.parameters ?? {}
        const inside =
          context.userId !== undefined &&
          Bucketing.bucket("unleash", groupId, context.userId) < Number(percentage) / 100
        assert.strictEqual(inside, expectedResult, description)
        rollouts++
      }
      for (const { context, description, expectedResult, toggleName } of data.variantTests ?? []) {
        const feature = features.get(toggleName)
        const strategy = feature?.strategies.length === 1 ? feature.strategies[0] : undefined
        const ofStrategy = strategy?.variants ?? []
        const list = ofStrategy.length > 0 ? ofStrategy : (feature?.variants ?? [])
        const plain =
          strategy?.constraints === undefined &&
          strategy?.segments === undefined &&
          list.every((variant) => !("overrides" in variant) && !("stickiness" in variant))
        if (context.userId === undefined || list.length === 0 || !plain || expectedResult.name === "disabled")
          continue
        const total = list.reduce((sum, { weight }) => sum + weight, 0)
        const salt = (ofStrategy.length > 0 ? strategy?.parameters?.groupId : undefined) ?? toggleName
        const bucket = Bucketing.bucket("unleash", salt, context.userId, {
          buckets: total,
          seed: Bucketing.unleashVariantSeed
        })
        const chosen = Bucketing.choose(
          list.map(({ weight }) => weight),
          bucket
        )
        assert.strictEqual(list[chosen ?? -1]?.name, expectedResult.name, description)
        variants++
      }
    }
    ConformanceData.report("unleash rollouts and variants", rollouts + variants, 0)
    assert.isAtLeast(rollouts, 5)
    assert.isAtLeast(variants, 5)
  })
})
