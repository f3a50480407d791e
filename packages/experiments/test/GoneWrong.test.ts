/** Claims of what goes wrong elsewhere that no other file has. */
import { assert, layer } from "@effect/vitest"
import { Currency } from "@hypermarket/core/Money"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { NewExperimentMetric } from "@hypermarket/experiments/ExperimentMetric"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import {
  adjusted,
  coefficient,
  exactMoments,
  proportion
} from "@hypermarket/experiments/internal/statistics/estimates"
import { DateTime, Effect, Option, Schema } from "effect"
import * as Laboratory from "./Laboratory.ts"

const accepts = (metric: typeof NewExperimentMetric.Type) =>
  Option.isSome(Schema.decodeUnknownOption(Schema.toType(NewExperimentMetric))(metric))

layer(Laboratory.layer, { excludeTestServices: true })("Gone wrong elsewhere", (it) => {
  it.effect(
    "one caps rule holds for both parts of a ratio, and for the time before as for the time after",
    () =>
      Effect.gen(function* () {
        const units = yield* ExperimentUnits
        const looks = yield* ExperimentLooks
        const ratio = { key: "clicks", kind: "ratio", source: "click", denominatorSource: "visit" } as const
        assert.isFalse(accepts({ ...ratio, cap: 3n }))
        assert.isFalse(accepts({ ...ratio, denominatorCap: 3n }))
        assert.isTrue(accepts({ ...ratio, cap: 3n, denominatorCap: 2n }))
        const experiment = yield* Laboratory.start("caps", [
          { ...ratio, cap: 3n, denominatorCap: 2n, prePeriodSeconds: 86_400 }
        ])
        const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
        const exposed = Laboratory.after(start, 1)
        yield* Laboratory.pass(2)
        yield* units.expose([
          Laboratory.exposure("caps", "many", "old", exposed),
          Laboratory.exposure("caps", "few", "old", exposed)
        ])
        const facts = (unit: string, source: string, count: number, days: number) =>
          Array.from({ length: count }, (_, index) =>
            Laboratory.fact(
              source,
              `${unit}/${source}/${days}/${index}`,
              unit,
              Laboratory.after(start, days),
              1n
            )
          )
        yield* units.record([
          ...facts("many", "click", 9, 2),
          ...facts("many", "visit", 7, 2),
          ...facts("many", "click", 9, 0.5),
          ...facts("few", "click", 1, 2),
          ...facts("few", "visit", 1, 2)
        ])
        const look = yield* looks.look(experiment.experimentId)
        // Three of nine clicks and two of seven visits: (3 + 1) / (2 + 1).
        assert.strictEqual(look.metrics[0]?.arms[0]?.value, 4 / 3)
      }).pipe(provide(TenantId.make("caps")))
  )

  it.effect(
    "the covariance of proportions matches their variance: what one explains wholly has none left",
    () =>
      Effect.sync(() => {
        // 3 of 8 converted before and after, the same ones.
        const moments = exactMoments(8n, [3n, 0n, 3n, 0n], [3n, 0n, 3n, 0n, 0n, 0n, 0n, 3n, 0n, 0n])
        const theta = coefficient(moments, moments, "mean") ?? Number.NaN
        assert.isBelow(Math.abs(theta - 1), 1e-15)
        assert.isBelow(adjusted(moments, "mean", theta, 0)?.variance ?? Number.NaN, 1e-17)
        assert.strictEqual(proportion(moments).variance, ((3 / 8) * (5 / 8)) / 8)
      })
  )

  it.effect("two ids of a person are two units", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const experiment = yield* Laboratory.start("ids", [
        { key: "spent", kind: "sum", source: "purchase", currency: Currency.make("EUR") }
      ])
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      yield* units.expose([
        Laboratory.exposure("ids", "guest-1", "old", start),
        Laboratory.exposure("ids", "customer-1", "new", start)
      ])
      const purchase = Laboratory.fact("purchase", "p", "guest-1", Laboratory.after(start, 1), 70n)
      yield* units.record([purchase])
      const guest = yield* looks.look(experiment.experimentId)
      assert.strictEqual(guest.metrics[0]?.arms[0]?.value, 70)
      // A correction that names the other id moves the fact, and links no units.
      yield* units.record([{ ...purchase, unit: "customer-1", version: 2 }])
      const customer = yield* looks.look(experiment.experimentId)
      assert.deepStrictEqual(
        customer.metrics[0]?.arms.map(({ value }) => value),
        [0, 70]
      )
      assert.strictEqual(customer.excluded.crossed, 0)
    }).pipe(provide(TenantId.make("ids")))
  )

  it.effect("a sum of orders without a currency is refused", () =>
    Effect.sync(() => {
      const sum = { key: "revenue", kind: "sum", source: "order" } as const
      assert.isFalse(accepts(sum))
      assert.isTrue(accepts({ ...sum, currency: Currency.make("EUR") }))
      assert.isTrue(accepts({ key: "orders", kind: "count", source: "order" }))
    })
  )
})
