/** Unleash's public client specification, evaluated here. Nothing runs where the data beside the repository is absent. */
import { assert, describe, it } from "@effect/vitest"
import * as Bucketing from "@hypermarket/core/Bucketing"
import type { Attributes } from "@hypermarket/platform/FlagEvaluation"
import * as ConformanceData from "@hypermarket/testing/ConformanceData"
import { defaultUnits, evaluatorOf, type State, type Toggle, type Variant } from "./unleashFlags.ts"

const files = [
  "01-simple-examples",
  "02-user-with-id-strategy",
  "03-gradual-rollout-user-id-strategy",
  "04-gradual-rollout-session-id-strategy",
  "05-gradual-rollout-random-strategy",
  "06-remote-address-strategy",
  "07-multiple-strategies",
  "08-variants",
  "09-strategy-constraints",
  "10-flexible-rollout-strategy",
  "11-strategy-constraints-edge-cases",
  "12-custom-stickiness",
  "13-constraint-operators",
  "14-constraint-semver-operators",
  "15-global-constraints",
  "16-strategy-variants",
  "18-utf8-flag-names"
]

interface Case<Result> {
  readonly description: string
  readonly context: Readonly<Record<string, unknown>> & { readonly properties?: Attributes }
  readonly toggleName: string
  readonly expectedResult: Result
}

interface File {
  readonly state: State
  readonly tests?: ReadonlyArray<Case<boolean>>
  readonly variantTests?: ReadonlyArray<
    Case<{ readonly name: string; readonly enabled: boolean; readonly payload?: unknown }>
  >
}

const attributesOf = ({ context: { properties, ...fields } }: Case<unknown>): Attributes => ({
  random: String(Math.random()),
  ...JSON.parse(JSON.stringify(fields)),
  ...properties
})

/**
 * The variant of an enabled toggle. Unleash's server makes weights that add up to 1,000, as our flags have them; the weights
 * of the cases add up to other sums, which are the number of buckets.
 */
const variantOf = (
  variants: ReadonlyArray<Variant>,
  salt: string,
  attributes: Attributes,
  inherited = "default"
): Variant | undefined => {
  const overridden = variants.find(({ overrides = [] }) =>
    overrides.some(({ contextName, values }) => values.includes(String(attributes[contextName])))
  )
  if (overridden !== undefined) return overridden
  const stickiness = variants[0]?.stickiness ?? inherited
  const units = (stickiness === "default" ? defaultUnits : [stickiness]).map((name) => attributes[name])
  const unit = units.find((value) => value !== undefined) ?? attributes["random"]
  const weights = variants.map(({ weight }) => weight)
  const buckets = weights.reduce((sum, weight) => sum + weight, 0)
  const bucket = Bucketing.bucket("unleash", salt, String(unit), {
    buckets,
    seed: Bucketing.unleashVariantSeed
  })
  const index = Bucketing.choose(weights, bucket)
  return index === undefined ? undefined : variants[index]
}

const chosenOf = (toggle: Toggle, ruleId: string | undefined, attributes: Attributes) => {
  const strategy = ruleId === undefined ? undefined : toggle.strategies[Number.parseInt(ruleId, 10)]
  const own = strategy?.variants ?? []
  return own.length > 0
    ? variantOf(
        own,
        strategy?.parameters?.["groupId"] ?? toggle.name,
        attributes,
        strategy?.parameters?.["stickiness"]
      )
    : variantOf(toggle.variants ?? [], toggle.name, attributes)
}

/** Compares the answers of a file, and returns the number of its cases. */
const compare = (file: string, text: string): number => {
  const { state, tests = [], variantTests = [] }: File = JSON.parse(text)
  const evaluator = evaluatorOf(state)
  for (const entry of tests) {
    const { value } = evaluator.evaluate(entry.toggleName, attributesOf(entry))
    assert.strictEqual(value ?? false, entry.expectedResult, `${file}: ${entry.description}`)
  }
  for (const entry of variantTests) {
    const attributes = attributesOf(entry)
    const { ruleId, value } = evaluator.evaluate(entry.toggleName, attributes)
    const toggle = state.features.find(({ name }) => name === entry.toggleName)
    const chosen = value === true && toggle !== undefined ? chosenOf(toggle, ruleId, attributes) : undefined
    const { enabled, name, payload } = entry.expectedResult
    assert.deepStrictEqual(
      { name: chosen?.name ?? "disabled", enabled: chosen !== undefined, payload: chosen?.payload },
      { name, enabled, payload },
      `${file}: ${entry.description}`
    )
  }
  return tests.length + variantTests.length
}

describe("Unleash's client specification", () => {
  it("has the same answer here in all of its 187 cases", () => {
    let ran = 0
    for (const file of files) {
      const text = ConformanceData.text(`unleash/${file}.json`)
      if (text === undefined) return
      ran += compare(file, text)
    }
    ConformanceData.report("unleash client specification", ran)
    assert.strictEqual(ran, 187)
  })
})
