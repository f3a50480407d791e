/** Kinds of metrics, and caps at a percentile, in looks. */
import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import { NewExperimentMetric } from "@hypermarket/experiments/ExperimentMetric"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import { DateTime, Effect, Option, Schema } from "effect"
import * as Laboratory from "./Laboratory.ts"

const accepts = (metric: unknown) =>
  Option.isSome(Schema.decodeUnknownOption(Schema.toType(NewExperimentMetric))(metric))

const daySeconds = 86_400

/** The smallest value with at least this share of all values at or below it. */
const percentileOf = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

const meanOf = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

layer(Laboratory.layer, { excludeTestServices: true })("Metrics", (it) => {
  it.effect("a retention counts a unit that comes back in its window, and no fact of before it", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const retention = { key: "week-two", kind: "retention", source: "visit" } as const
      assert.isFalse(accepts(retention))
      assert.isFalse(accepts({ ...retention, kind: "conversion", windowStartSeconds: 7 * daySeconds }))
      assert.isFalse(
        accepts({ ...retention, windowStartSeconds: 8 * daySeconds, windowSeconds: 7 * daySeconds })
      )
      const experiment = yield* Laboratory.start("weeks", [
        { ...retention, windowStartSeconds: 7 * daySeconds, windowSeconds: 14 * daySeconds }
      ])
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      const exposed = Laboratory.after(start, 0.5)
      yield* Laboratory.pass(15)
      // Days after the exposure at which each unit comes.
      const visits: Readonly<Record<string, ReadonlyArray<number>>> = {
        "stays away": [],
        "comes in the first week": [0, 3, 6.999],
        "comes at the first instant": [7],
        "comes often": [1, 8, 9, 13.999],
        "comes too late": [14]
      }
      yield* units.expose(
        Object.keys(visits).flatMap((name) =>
          ["old", "new"].map((arm) => Laboratory.exposure("weeks", `${arm}: ${name}`, arm, exposed))
        )
      )
      yield* units.record(
        Object.entries(visits).flatMap(([name, days]) =>
          days.map((day, index) =>
            Laboratory.fact("visit", `${name}/${index}`, `new: ${name}`, Laboratory.after(exposed, day), 1n)
          )
        )
      )
      const { metrics } = yield* looks.look(experiment.experimentId)
      assert.deepStrictEqual(
        metrics[0]?.arms.map(({ value }) => value),
        [0, 2 / 5]
      )
      // A proportion: its variance is p (1 - p) / n.
      assert.closeTo(metrics[0]?.arms[1]?.standardError ?? NaN, Math.sqrt((0.4 * 0.6) / 5), 1e-15)
    }).pipe(provide(TenantId.make("weeks")))
  )

  it.effect(
    "a percentile caps both parts of a ratio by all units of both arms, and moves with each look",
    () =>
      Effect.gen(function* () {
        const units = yield* ExperimentUnits
        const looks = yield* ExperimentLooks
        const clicks = { key: "clicks", kind: "ratio", source: "click", denominatorSource: "visit" } as const
        assert.isFalse(accepts({ ...clicks, capPercentile: 0.9, cap: 5n, denominatorCap: 5n }))
        assert.isFalse(accepts({ key: "buys", kind: "conversion", source: "click", capPercentile: 0.9 }))
        const share = 0.85
        const experiment = yield* Laboratory.start("tails", [
          { ...clicks, capPercentile: share },
          { key: "all", kind: "count", source: "click" },
          { key: "most", kind: "count", source: "click", capPercentile: share, prePeriodSeconds: daySeconds }
        ])
        const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
        const exposed = Laboratory.after(start, 1)
        yield* Laboratory.pass(3)
        const names = Array.from({ length: 40 }, (_, index) => `u${index}`)
        const armOf = (index: number) => (index % 2 === 0 ? "old" : "new")
        yield* units.expose(
          names.map((name, index) => Laboratory.exposure("tails", name, armOf(index), exposed))
        )
        // A quarter of the units has no fact, and a unit that saw two arms has the most of all.
        const counts = names.map((_, index) => ({
          click: index % 4 === 3 ? 0 : (index * 7) % 23,
          visit: index % 4 === 3 ? 0 : 1 + ((index * 5) % 13)
        }))
        const facts = (source: "click" | "visit", name: string, count: number, days = 2) =>
          Array.from({ length: count }, (_, index) =>
            Laboratory.fact(
              source,
              `${name}/${source}/${days}/${index}`,
              name,
              Laboratory.after(start, days),
              1n
            )
          )
        for (const source of ["click", "visit"] as const) {
          yield* units.record(
            names.flatMap((name, index) => facts(source, name, counts[index]?.[source] ?? 0))
          )
        }
        yield* units.expose([
          Laboratory.exposure("tails", "both", "old", exposed),
          Laboratory.exposure("tails", "both", "new", exposed)
        ])
        yield* units.record(facts("click", "both", 500))

        const check = Effect.gen(function* () {
          const look = yield* looks.look(experiment.experimentId)
          const caps = {
            click: percentileOf(
              counts.map(({ click }) => click),
              share
            ),
            visit: percentileOf(
              counts.map(({ visit }) => visit),
              share
            )
          }
          const [ratio, all, most] = look.metrics
          assert.deepStrictEqual(ratio?.caps, { value: caps.click, denominator: caps.visit })
          assert.deepStrictEqual(most?.caps, { value: caps.click, denominator: 0 })
          assert.isUndefined(all?.caps)
          for (const [place, arm] of ["old", "new"].entries()) {
            const own = counts.filter((_, index) => armOf(index) === arm)
            const capped = (source: "click" | "visit") =>
              meanOf(own.map((count) => Math.min(count[source], caps[source])))
            assert.closeTo(ratio?.arms[place]?.value ?? NaN, capped("click") / capped("visit"), 1e-12)
            assert.closeTo(most?.arms[place]?.value ?? NaN, capped("click"), 1e-12)
            assert.closeTo(all?.arms[place]?.value ?? NaN, meanOf(own.map(({ click }) => click)), 1e-12)
            assert.strictEqual(most?.arms[place]?.units, own.length)
          }
          return look
        })
        const first = yield* check
        // More of the same units comes: the cap of the next look is higher, and the earlier look stays.
        for (const [index, name] of names.entries()) {
          if (index % 3 !== 0) continue
          yield* units.record(facts("click", name, 9, 3))
          const count = counts[index]
          if (count !== undefined) counts[index] = { ...count, click: count.click + 9 }
        }
        const second = yield* check
        assert.isAbove(second.metrics[0]?.caps?.value ?? 0, first.metrics[0]?.caps?.value ?? 0)
        assert.deepStrictEqual(yield* looks.get(experiment.experimentId, 1), first)
      }).pipe(provide(TenantId.make("tails")))
  )
})
