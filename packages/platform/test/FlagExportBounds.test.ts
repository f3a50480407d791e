import { assert, describe, it } from "@effect/vitest"
import type * as Condition from "@hypermarket/core/Condition"
import type { FlagRule, NewFeatureFlag } from "@hypermarket/platform/FeatureFlag"
import * as FlagEvaluator from "@hypermarket/platform/FlagEvaluator"
import * as FlagExports from "@hypermarket/platform/FlagExports"
import { flagOf } from "./exportedFlags.ts"

const variants = [
  { name: "on", value: true },
  { name: "off", value: false }
]

const evaluatorOf = (
  flags: ReadonlyArray<NewFeatureFlag>,
  segments: Readonly<Record<string, Condition.Condition>> = {}
) =>
  FlagEvaluator.make({
    environment: "live",
    revision: 1n,
    flags: flags.map((flag) => ({
      flagKey: flag.flagKey,
      kind: flag.kind,
      variants: flag.variants ?? variants,
      metadata: {},
      salt: flag.flagKey,
      hashing: flag.hashing ?? "murmur3",
      definition: flag.environments?.["live"]
    })),
    segments: new Map(Object.entries(segments))
  })

const exporters = { GrowthBook: FlagExports.growthbook, Unleash: FlagExports.unleash }
const charactersOf = ({ features }: FlagExports.FlagExports): number =>
  JSON.stringify(Array.from(features)).length

const listed = (prefix: string, count: number): Condition.Condition => ({
  attribute: "sku",
  operator: "in",
  values: Array.from({ length: count }, (_, index) => `${prefix}-${index}`.padEnd(40, "x"))
})

const ruleOf = (index: number, condition: Condition.Condition): FlagRule => ({
  ruleId: `r-${index}`,
  condition,
  serve: { variant: "on" }
})

for (const [name, exported] of Object.entries(exporters)) {
  describe(`An export for ${name}`, () => {
    it("refuses a flag whose segments are too much written out, and exports the others", () => {
      const uses: Condition.Condition = {
        all: Array.from({ length: 40 }, () => ({ segment: "catalogue" }))
      }
      const evaluator = evaluatorOf(
        [
          flagOf("a-large", { rules: Array.from({ length: 100 }, (_, index) => ruleOf(index, uses)) }),
          flagOf("b-small", { rules: [ruleOf(0, { segment: "catalogue" })] })
        ],
        { catalogue: listed("p", 2_000) }
      )
      const exports = exported(evaluator)
      assert.deepStrictEqual(Array.from(exports.features.keys()), ["b-small"])
      assert.deepStrictEqual(Object.fromEntries(exports.refused), {
        "a-large": ["it has more than 4000000 characters of JSON in this notation"]
      })
    })

    it("refuses a flag whose values are too much written out", () => {
      const text = "v".repeat(60_000)
      const evaluator = evaluatorOf([
        flagOf(
          "texts",
          {
            rules: Array.from({ length: 90 }, (_, index) =>
              ruleOf(index, { attribute: "x", operator: "exists" })
            )
          },
          {
            kind: "string",
            variants: [
              { name: "on", value: text },
              { name: "off", value: "" }
            ]
          }
        )
      ])
      assert.deepStrictEqual(Array.from(exported(evaluator).refused.keys()), ["texts"])
    })

    it("has at most 16,000,000 characters, and names the flags that are beyond", () => {
      const flags = Array.from({ length: 60 }, (_, index) =>
        flagOf(`flag-${String(index).padStart(2, "0")}`, {
          rules: [ruleOf(index, listed(`f-${index}`, 9_000))]
        })
      )
      const exports = exported(evaluatorOf(flags))
      assert.strictEqual(exports.features.size + exports.refused.size, flags.length)
      assert.isAtLeast(charactersOf(exports), 15_000_000)
      assert.isAtMost(charactersOf(exports), 16_000_000)
      assert.deepStrictEqual(exports.refused.get("flag-59"), [
        "the export has more than 16000000 characters of JSON"
      ])
    })
  })
}
