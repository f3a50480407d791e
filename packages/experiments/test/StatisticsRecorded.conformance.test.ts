/** The public reference values of ../shared/conformance/statistics. Skipped, and said so, where the folder is absent. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { delta, difference, type Sides } from "@hypermarket/experiments/internal/statistics/effects"
import { coefficient, pooled } from "@hypermarket/experiments/internal/statistics/estimates"
import { sampleRatio } from "@hypermarket/experiments/internal/statistics/sampleRatio"
import { errorOf, isPresent } from "./statisticsData.ts"
import {
  decodeOutput,
  decodeStatistic,
  estimatesOf,
  overN,
  cases as recorded,
  read4
} from "./recordedCases.ts"

describe("gbstats-recorded", () => {
  it("matches the recorded vectors of the fixed-horizon tests to 1e-9, p-values to 1e-7", () => {
    if (!isPresent()) return
    const cases = recorded()
    const counts = { passed: 0, srm: 0, refused: 0, underflow: 0, elsewhere: 0 }
    const wrong: Array<string> = []
    for (const { from, input, kind, output } of cases) {
      if (kind === "srm") {
        // Recorded with an older scipy: its p has ten digits.
        const { p } = sampleRatio([{ units: input.users ?? [], weights: input.weights ?? [] }])
        const expected = Schema.decodeUnknownSync(Schema.Finite)(output)
        counts.srm++
        if (!(errorOf(p, expected) < 1e-7)) wrong.push(`${from}: srm ${p}, not ${expected}`)
        continue
      }
      const [strata] = [input.stats ?? []]
      const type = String(strata[0]?.[0]?.["_type"])
      const isFixed =
        kind === "moments" || (kind === "frequentist" && !(input.class ?? "").startsWith("Sequential"))
      if (
        !isFixed ||
        type === "QuantileStatistic" ||
        (strata.length > 1 && input.config?.post_stratify === true)
      ) {
        counts.elsewhere++
        continue
      }
      const arms = [0, 1].map((arm) =>
        strata.map((pair) => read4(decodeStatistic(pair[arm]))).reduce((sum, next) => pooled(sum, next))
      )
      let [control, treatment] = arms
      const recorded = decodeOutput(output)
      if (control === undefined || treatment === undefined) continue
      let theta = decodeStatistic(strata[0]?.[0]).theta ?? undefined
      const refused = (recorded.error_message ?? recorded.errorMessage ?? null) !== null
      const counted = strata[0]?.[0]?.["post_statistic"]
      if (typeof counted === "object" && JSON.stringify(counted).includes("ProportionStatistic")) {
        // The reference divides by n: theta is a quotient, so only the variances change.
        theta ??= coefficient(control, treatment, "mean")
        control = overN(control)
        treatment = overN(treatment)
      }
      const estimates = estimatesOf(type, control, treatment, theta)
      const sides: Sides =
        input.class === "OneSidedTreatmentGreaterTTest"
          ? "greater"
          : input.class === "OneSidedTreatmentLesserTTest"
            ? "less"
            : "two"
      const relative = input.relative ?? input.config?.difference_type === "relative"
      const alpha = input.config?.alpha ?? 0.05
      const result =
        estimates === undefined
          ? undefined
          : relative
            ? delta(estimates.a, estimates.b, alpha, sides, estimates.baseline)
            : difference(estimates.a, estimates.b, alpha, sides)
      if (refused) {
        // The reference also refuses a baseline below 0; ours is over |baseline|.
        counts.refused++
        continue
      }
      const expected: ReadonlyArray<readonly [string, number, number, number]> =
        result === undefined
          ? []
          : [
              ["estimate", result.estimate, recorded.point_estimate ?? recorded.expected ?? NaN, 1e-9],
              [
                "error",
                result.standardError,
                recorded.standard_error ?? recorded.uplift?.stddev ?? NaN,
                1e-9
              ],
              ...(recorded.ci ?? []).flatMap((bound, index) =>
                typeof bound === "number"
                  ? [["bound", (index === 0 ? result.low : result.high) ?? NaN, bound, 1e-9] as const]
                  : []
              ),
              ...(typeof recorded.pValue === "number" && recorded.pValue > 0
                ? [["p", result.p, recorded.pValue, 1e-7] as const]
                : [])
            ]
      if (recorded.pValue === 0) counts.underflow++
      const differing = expected.filter(
        ([, actual, value, tolerance]) =>
          !(errorOf(actual, value) < tolerance || Math.abs(actual - value) < tolerance)
      )
      if (result === undefined || differing.length > 0) {
        wrong.push(`${from} ${kind} ${type} ${relative}: ${JSON.stringify(differing)}`)
      } else counts.passed++
    }
    process.stdout.write(`gbstats-recorded: ${cases.length} cases, ${JSON.stringify(counts)}\n`)
    assert.deepStrictEqual(wrong, [])
    assert.deepInclude(counts, { passed: 92, srm: 10 })
  })
})
