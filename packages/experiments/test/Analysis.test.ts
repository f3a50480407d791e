import { assert, describe, it } from "@effect/vitest"
import type { Experiment } from "@hypermarket/experiments/Experiment"
import { planDefaults } from "@hypermarket/experiments/ExperimentPlan"
import { ExperimentLook } from "@hypermarket/experiments/ExperimentLook"
import { analyse, type Cell } from "@hypermarket/experiments/internal/analysis"
import { DateTime, Schema } from "effect"
import * as Laboratory from "./Laboratory.ts"
import { experimentOf, metricOf } from "./simulations.ts"

type Row = readonly [y: bigint, d: bigint, x: bigint, e: bigint]

/** The cells of one arm in one phase, from its units. */
const cellsOf = (
  variant: number,
  phase: number,
  metrics: ReadonlyArray<ReadonlyArray<Row>>,
  other = 0n
): ReadonlyArray<Cell> => {
  const n = BigInt(metrics[0]?.length ?? 0)
  const cell = { variant, phase, n, crossed: 0n }
  return [
    {
      ...cell,
      position: 0,
      other: 0n,
      sums: [0n, 0n, 0n, 0n],
      products: Array.from({ length: 10 }, () => 0n)
    },
    ...metrics.map((rows, index): Cell => {
      const sum = (f: (row: Row) => bigint) => rows.reduce((total, row) => total + f(row), 0n)
      const places = [0, 1, 2, 3] as const
      return {
        ...cell,
        position: index + 1,
        other,
        sums: places.map((place) => sum((row) => row[place])),
        products: places.flatMap((first) =>
          places.slice(first).map((second) => sum((row) => row[first] * row[second]))
        )
      }
    })
  ]
}

/** All numbers in a value that are NaN or infinite, by their path. */
const wrongNumbers = (value: unknown, path = ""): ReadonlyArray<string> =>
  typeof value === "number"
    ? Number.isFinite(value)
      ? []
      : [`${path} ${value}`]
    : typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([key, inner]) => wrongNumbers(inner, `${path}.${key}`))
      : []

const encode = Schema.encodeUnknownSync(Schema.fromJsonString(Schema.toCodecJson(ExperimentLook)))

const methods = ["group-sequential", "confidence-sequence", "msprt"] as const
const kinds = ["conversion", "count", "sum", "ratio"] as const

const withPlan = (plan: Partial<Experiment["plan"]>, more: Parameters<typeof experimentOf>[0] = {}) =>
  experimentOf({ plan: { ...planDefaults, unitsPlanned: 100, ...plan }, ...more })

/** A guardrail beside a goal, with units that differ by their index only. */
const guarded = (margin: number | undefined, n = 400) =>
  withPlan(
    { unitsPlanned: 2 * n },
    {
      metrics: [
        { metric: "buys", role: "goal" },
        { metric: "speed", role: "guardrail", ...(margin === undefined ? {} : { margin }) }
      ]
    }
  )
const look = (experiment: Experiment, gained: bigint, lost: bigint, n = 400) => {
  const rows = (shift: bigint): ReadonlyArray<Row> =>
    Array.from({ length: n }, (_, index) => [BigInt(1_000 + (index % 21)) + shift, 0n, 0n, 0n])
  return analyse({
    experiment,
    metrics: [metricOf({ kind: "sum" }), metricOf({ key: "speed", kind: "sum" })],
    weights: [[5_000, 5_000]],
    cells: [...cellsOf(0, 1, [rows(0n), rows(0n)]), ...cellsOf(1, 1, [rows(gained), rows(-lost)])],
    informations: []
  })
}

describe("analysis", () => {
  it("no analysis of any generated input contains NaN or Infinity", () => {
    const random = Laboratory.random(Laboratory.seedOf("generated analyses", 41))
    const pick = <A>(items: ReadonlyArray<A>): A =>
      items[Math.floor(random() * items.length)] ?? (items[0] as A)
    const values = [
      0n,
      0n,
      1n,
      -1n,
      3n,
      1_000_000_000_000_000n,
      -1_000_000_000_000_000n,
      9_007_199_254_740_991n
    ]
    const wrong: Array<string> = []
    for (let run = 0; run < 3_000; run++) {
      // Equal units, any units, few units, none.
      const isEqual = random() < 0.2
      const constant = pick(values)
      const value = () =>
        isEqual ? constant : random() < 0.5 ? pick(values) : BigInt(Math.floor(random() * 100))
      const kind = pick(kinds)
      const bit = () => BigInt(Math.floor(random() * 2))
      const row = (): Row =>
        kind === "conversion" ? [bit(), 0n, bit(), 0n] : [value(), value(), value(), value()]
      const size = () => pick([0, 1, 1, 2, 3, 40])
      const phases = pick([1, 1, 2])
      const arms = pick([2, 2, 3])
      const cells = Array.from({ length: phases }, (_, phase) =>
        Array.from({ length: arms }, (_unused, arm) =>
          cellsOf(arm, phase + 1, [Array.from({ length: size() }, row)], pick([0n, 0n, 7n]))
        )
      ).flat(2)
      const figures = analyse({
        experiment: withPlan(
          {
            method: pick(methods),
            unitsPlanned: pick([2, 10, 1_000_000_000]),
            alpha: pick([0.0001, 0.05, 0.2])
          },
          {
            variants: Array.from({ length: arms }, (_, arm) => ({
              variantId: "0199a000-0000-7000-8000-00000000000b",
              key: `v${arm}`,
              name: `v${arm}`,
              weight: 5_000
            })),
            metrics: [
              pick([
                { metric: "buys", role: "goal" },
                { metric: "buys", role: "guardrail", margin: 0.1 }
              ] as const)
            ]
          }
        ),
        metrics: [metricOf({ kind, direction: pick(["up", "down"]), prePeriodSeconds: pick([0, 86_400]) })],
        weights: Array.from({ length: phases }, () => Array.from({ length: arms }, () => pick([0, 5_000]))),
        cells: cells.filter(({ n }) => n > 0n),
        informations: pick([[], [0.5], [0.2, 1]])
      })
      wrong.push(...wrongNumbers(figures))
      encode(
        new ExperimentLook({
          ...figures,
          experimentId: withPlan({}).experimentId,
          look: 1,
          recordedAt: DateTime.makeUnsafe(0)
        })
      )
    }
    assert.deepStrictEqual(wrong, [])
  })

  it("a guardrail within its margin lets a better goal ship, and one that is not shown to be keeps it back", () => {
    const within = look(guarded(0.02), 60n, 5n)
    assert.deepInclude(within.recommendation, { outcome: "ship", variant: "new" })
    assert.isTrue(within.metrics[1]?.comparisons[0]?.nonInferiority?.passes)
    const beyond = look(guarded(0.0005), 60n, 0n)
    assert.isFalse(beyond.metrics[1]?.comparisons[0]?.nonInferiority?.passes)
    assert.strictEqual(beyond.recommendation.outcome, "keep-going")
    assert.include(beyond.recommendation.because, "speed")
    // Without a margin the same guardrail is only watched for harm.
    assert.strictEqual(look(guarded(undefined), 60n, 0n).recommendation.outcome, "ship")
    assert.strictEqual(look(guarded(0.02), 60n, 300n).recommendation.outcome, "roll-back")
  })

  it("intervals of the any-time methods are wider than a planned look's, and hold past the planned units", () => {
    const widthOf = (method: (typeof methods)[number], informations: ReadonlyArray<number>) => {
      const rows = (shift: bigint): ReadonlyArray<Row> =>
        Array.from({ length: 50 }, (_, index) => [BigInt(100 + (index % 21)) + shift, 0n, 0n, 0n])
      const figures = analyse({
        experiment: withPlan({ method }),
        metrics: [metricOf({ kind: "sum" })],
        weights: [[5_000, 5_000]],
        cells: [...cellsOf(0, 1, [rows(0n)]), ...cellsOf(1, 1, [rows(2n)])],
        informations
      })
      const { absolute } = figures.metrics[0]?.comparisons[0] ?? {}
      return absolute?.low === null || absolute?.high === null
        ? null
        : (absolute?.high ?? 0) - (absolute?.low ?? 0)
    }
    const planned = widthOf("group-sequential", []) ?? NaN
    for (const method of ["confidence-sequence", "msprt"] as const) {
      assert.isAbove(widthOf(method, []) ?? 0, planned)
      assert.strictEqual(widthOf(method, [1, 1]), widthOf(method, []))
    }
    assert.isNull(widthOf("group-sequential", [1, 1]))
  })

  it("the chance to win is the other way round for a metric that is better when it is lower", () => {
    const rows = (shift: bigint): ReadonlyArray<Row> =>
      Array.from({ length: 40 }, (_, index) => [BigInt(100 + (index % 21)) + shift, 0n, 0n, 0n])
    const chanceOf = (direction: "up" | "down") =>
      analyse({
        experiment: withPlan({}),
        metrics: [metricOf({ kind: "sum", direction })],
        weights: [[5_000, 5_000]],
        cells: [...cellsOf(0, 1, [rows(0n)]), ...cellsOf(1, 1, [rows(1n)])],
        informations: []
      }).metrics[0]?.comparisons[0]?.bayesian
    const [up, down] = [chanceOf("up"), chanceOf("down")]
    assert.isAbove(up?.chanceToWin ?? 0, 0.6)
    assert.isBelow(Math.abs((up?.chanceToWin ?? 0) + (down?.chanceToWin ?? 0) - 1), 1e-12)
    assert.strictEqual(up?.riskOfTreatment, down?.riskOfControl)
    assert.include(up?.caution ?? "", "repeated looks")
  })
})
