/** The public cases of two other systems' conditions. Skipped, with a line that names the file, where they are absent. */
import { assert, describe, it } from "@effect/vitest"
import * as Condition from "@hypermarket/core/Condition"
import { Result } from "effect"
import * as ConformanceData from "@hypermarket/testing/ConformanceData"
import { translate, Untranslatable } from "./growthbookConditions.ts"
import { conditionOf, type Constraint } from "@hypermarket/testing/UnleashConditions"

type GrowthBookCase = readonly [
  string,
  unknown,
  Condition.Attributes,
  boolean,
  Readonly<Record<string, unknown>>?
]

/** Cases whose meaning GrowthBook guesses: ours refuses the condition, or reads the version as none. */
const refusedByDesign = new Set([
  "unknown operator - pass",
  "$regex invalid - pass",
  "$regex invalid - fail",
  "$inGroup fails for unknown group id",
  "$notInGroup passes for unknown group id",
  "version a.b.c.d.e.f > 1.2.3",
  "version 1-2-3 == 1.2.3",
  "version 1-2-3 == 1-2.3+build99",
  "version 1-2-3 == v1.2.3",
  "version 1.2.3.4 == 1.2.3-4"
])

describe("GrowthBook's conditions", () => {
  it("mean the same after translation, in every public case that names a meaning", () => {
    const text = ConformanceData.text("growthbook/cases.json")
    if (text === undefined) return
    const cases: ReadonlyArray<GrowthBookCase> = JSON.parse(text).evalCondition
    const differing: Array<string> = []
    let passed = 0
    for (const [name, condition, attributes, expected, groups = {}] of cases) {
      const result = Result.try({
        try: () => Condition.compile(translate(condition, groups), {}),
        catch: (error) => {
          if (error instanceof Untranslatable) return error
          throw error
        }
      })
      const outcome =
        Result.isSuccess(result) && Result.isSuccess(result.success)
          ? result.success.success.matches(attributes)
          : undefined
      if (outcome === expected) passed++
      else differing.push(name)
    }
    assert.deepStrictEqual(differing.toSorted(), [...refusedByDesign].toSorted())
    ConformanceData.report("growthbook evalCondition", passed, differing.length)
  })
})

interface UnleashFile {
  readonly state: {
    readonly features: ReadonlyArray<{
      readonly name: string
      readonly enabled: boolean
      readonly strategies: ReadonlyArray<{
        readonly name: string
        readonly constraints?: ReadonlyArray<Constraint>
        readonly segments?: ReadonlyArray<number>
      }>
    }>
    readonly segments?: ReadonlyArray<{
      readonly id: number
      readonly constraints: ReadonlyArray<Constraint>
    }>
  }
  readonly tests: ReadonlyArray<{
    readonly description: string
    readonly context: { readonly properties?: Condition.Attributes } & Condition.Attributes
    readonly toggleName: string
    readonly expectedResult: boolean
  }>
}

describe("Unleash's constraints", () => {
  it("mean the same after translation, in every public case of the default strategy", () => {
    let passed = 0
    let refused = 0
    for (const file of [
      "09-strategy-constraints",
      "11-strategy-constraints-edge-cases",
      "13-constraint-operators",
      "14-constraint-semver-operators",
      "15-global-constraints"
    ]) {
      const text = ConformanceData.text(`unleash/${file}.json`)
      if (text === undefined) return
      const { state, tests }: UnleashFile = JSON.parse(text)
      const segments = new Map(
        (state.segments ?? []).map(({ constraints, id }) => [
          String(id),
          { all: constraints.map(conditionOf) }
        ])
      )
      for (const { context, description, expectedResult, toggleName } of tests) {
        const feature = state.features.find(({ name }) => name === toggleName)
        // Cases of an absent feature and of other strategies are no matter of constraints.
        if (feature === undefined || feature.strategies.some(({ name }) => name !== "default")) continue
        const attributes = { ...context, ...context.properties }
        const outcomes = feature.strategies.map((strategy) => {
          const result = Condition.compile(
            {
              all: [
                ...(strategy.constraints ?? []).map(conditionOf),
                ...(strategy.segments ?? []).map((id) => ({ segment: String(id) }))
              ]
            },
            segments
          )
          if (Result.isFailure(result)) refused++
          return Result.isSuccess(result) && result.success.matches(attributes)
        })
        assert.strictEqual(feature.enabled && outcomes.includes(true), expectedResult, description)
        passed++
      }
    }
    ConformanceData.report("unleash constraints", passed, refused)
    assert.isAbove(passed, 90)
  })
})
