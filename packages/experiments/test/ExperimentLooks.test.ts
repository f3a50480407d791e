import { assert, layer } from "@effect/vitest"
import { Currency } from "@hypermarket/core/Money"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import { Experiments } from "@hypermarket/experiments/Experiments"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import { DateTime, Effect } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Laboratory from "./Laboratory.ts"

const revenue = {
  key: "revenue",
  kind: "sum",
  source: "purchase",
  currency: Currency.make("EUR"),
  windowSeconds: 7 * 86_400,
  prePeriodSeconds: 3 * 86_400
} as const

interface Raw {
  readonly variant: number
  readonly n: number
  readonly mean: number
  readonly variance: number
}

layer(Laboratory.layer, { excludeTestServices: true })("ExperimentLooks", (it) => {
  it.effect("a look equals one independent SQL query over the raw rows to 1e-9", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const sql = yield* SqlClient.SqlClient
      const experiment = yield* Laboratory.start("equal", [
        { key: "sales", kind: "sum", source: "purchase", windowSeconds: 7 * 86_400 },
        { key: "buyers", kind: "conversion", source: "purchase", windowSeconds: 7 * 86_400 },
        {
          key: "basket",
          kind: "ratio",
          source: "purchase",
          denominatorSource: "purchase",
          windowSeconds: 7 * 86_400
        }
      ])
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      yield* Laboratory.pass(11)
      const random = Laboratory.random(Laboratory.seedOf("a look equals SQL", 7))
      const exposures = Array.from({ length: 300 }, (_, index) =>
        Laboratory.exposure(
          "equal",
          `u${index}`,
          index % 2 === 0 ? "old" : "new",
          Laboratory.after(start, random())
        )
      )
      const facts = Array.from({ length: 900 }, (_, index) =>
        Laboratory.fact(
          "purchase",
          `f${index}`,
          `u${Math.floor(random() * 320)}`,
          Laboratory.after(start, random() * 10),
          BigInt(Math.floor(random() * 100_000))
        )
      )
      yield* units.record(facts.slice(0, 400))
      yield* units.expose(exposures)
      yield* units.record(facts.slice(400))
      const look = yield* looks.look(experiment.experimentId)

      const totals = sql`
        SELECT e.variant::int AS variant, e.unit,
               coalesce(sum(f.value), 0)::float8 AS total, count(f.value)::float8 AS facts
          FROM (
                       SELECT unnest(${exposures.map(({ unit }) => unit)}::text[]) AS unit,
                       unnest(${exposures.map((one) => (one.variant === "old" ? 0 : 1))}::int[]) AS variant,
                       unnest(${exposures.map(({ at }) => DateTime.formatIso(at ?? start))}::timestamptz[]) AS at) e
          LEFT JOIN (
                       SELECT unnest(${facts.map(({ unit }) => unit)}::text[]) AS unit,
                            unnest(${facts.map(({ value }) => String(value))}::bigint[]) AS value,
                            unnest(${facts.map(({ at }) => DateTime.formatIso(at))}::timestamptz[]) AS at) f
            ON f.unit = e.unit AND f.at >= e.at AND f.at < e.at + interval '7 days'
         GROUP BY e.variant, e.unit
      `
      const expected = yield* sql<
        Raw & { readonly converted: number; readonly ratio: number; readonly ratioVariance: number }
      >`
        SELECT variant, count(*)::int AS n, avg(total) AS mean, var_samp(total) AS variance,
               avg(least(facts, 1)) AS converted,
               avg(total) / avg(facts) AS ratio,
               (var_samp(total) / avg(facts) ^ 2 - 2 * avg(total) / avg(facts) ^ 3 * covar_samp(total, facts)
                + avg(total) ^ 2 / avg(facts) ^ 4 * var_samp(facts)) AS "ratioVariance"
          FROM (${totals}) t
         GROUP BY variant
         ORDER BY variant
      `
      const close = (actual: number | null | undefined, wanted: number) =>
        assert.isBelow(Math.abs((actual ?? NaN) - wanted) / Math.abs(wanted), 1e-9)
      const [sales, buyers, basket] = look.metrics
      for (const row of expected) {
        const place = row.variant
        assert.strictEqual(sales?.arms[place]?.units, row.n)
        close(sales?.arms[place]?.value, row.mean)
        close(sales?.arms[place]?.standardError, Math.sqrt(row.variance / row.n))
        close(buyers?.arms[place]?.value, row.converted)
        close(buyers?.arms[place]?.standardError, Math.sqrt((row.converted * (1 - row.converted)) / row.n))
        close(basket?.arms[place]?.value, row.ratio)
        close(basket?.arms[place]?.standardError, Math.sqrt(row.ratioVariance / row.n))
      }
      const [old, young] = expected
      const absolute = sales?.comparisons[0]?.absolute
      if (old === undefined || young === undefined) return assert.fail("no arms")
      close(absolute?.estimate, young.mean - old.mean)
      const [first, second] = [old.variance / old.n, young.variance / young.n]
      close(absolute?.standardError, Math.sqrt(first + second))
      close(absolute?.df, (first + second) ** 2 / (first ** 2 / (old.n - 1) + second ** 2 / (young.n - 1)))
    }).pipe(provide(TenantId.make("equal")))
  )

  it.effect("a refund a month later changes the next look and no earlier row", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const now = yield* Now.TestNow
      const experiment = yield* Laboratory.start("refunds", [{ ...revenue, source: "order" }])
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      yield* units.expose(
        ["a", "b", "c", "d"].map((unit, index) =>
          Laboratory.exposure("refunds", unit, index < 2 ? "old" : "new", start)
        )
      )
      yield* units.record(
        ["a", "b", "c", "d"].map((unit, index) =>
          Laboratory.fact(
            "order",
            `o-${unit}`,
            unit,
            Laboratory.after(start, 0.1),
            BigInt(1_000 * (index + 1))
          )
        )
      )
      const first = yield* looks.look(experiment.experimentId)
      yield* now.adjust("30 days")
      yield* units.recordShop({
        facts: [],
        refunds: [{ orderId: "o-d", refundId: "r", version: 1, amount: 4_000n }],
        deletions: []
      })
      const second = yield* looks.look(experiment.experimentId)
      assert.strictEqual(first.metrics[0]?.arms[1]?.value, 3_500)
      assert.strictEqual(second.metrics[0]?.arms[1]?.value, 1_500)
      assert.deepStrictEqual(yield* looks.get(experiment.experimentId, 1), first)
      assert.include(second.metrics[0]?.comparisons[0]?.flags ?? [], "spent-nothing")
      yield* now.adjust("-30 days")
    }).pipe(provide(TenantId.make("refunds")))
  )

  it.effect("a repeated look is the same row", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const experiment = yield* Laboratory.start("repeated", [revenue])
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      yield* units.expose([Laboratory.exposure("repeated", "a", "old", start)])
      const both = yield* Effect.all(
        [looks.look(experiment.experimentId, 1), looks.look(experiment.experimentId, 1)],
        { concurrency: 2 }
      )
      assert.deepStrictEqual(both[0], both[1])
      assert.lengthOf(yield* looks.list(experiment.experimentId), 1)
      const error = yield* Effect.flip(looks.look(experiment.experimentId, 5))
      assert.deepInclude(error, { _tag: "LookUnavailable", reason: "not-next" })
    }).pipe(provide(TenantId.make("repeated")))
  )

  it.effect("CUPED uses the time before the exposure, and without it falls back, flagged", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const sql = yield* SqlClient.SqlClient
      const experiment = yield* Laboratory.start("cuped", [revenue])
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      const exposed = Laboratory.after(start, 0.5)
      yield* Laboratory.pass(2)
      const random = Laboratory.random(5)
      const people = Array.from({ length: 100 }, (_, index) => {
        const before = Math.floor(random() * 10_000)
        return { unit: `u${index}`, before, after: before + Math.floor(random() * 1_000) }
      })
      yield* units.expose(
        people.map(({ unit }, index) =>
          Laboratory.exposure("cuped", unit, index % 2 === 0 ? "old" : "new", exposed)
        )
      )
      yield* units.record(
        people.map(({ after, unit }) =>
          Laboratory.fact("purchase", `after-${unit}`, unit, Laboratory.after(exposed, 1), BigInt(after))
        )
      )
      const without = yield* looks.look(experiment.experimentId)
      assert.strictEqual(without.metrics[0]?.comparisons[0]?.method, "welch")
      assert.include(without.metrics[0]?.comparisons[0]?.flags ?? [], "no-covariate")
      yield* units.record(
        people.map(({ before, unit }) =>
          Laboratory.fact("purchase", `before-${unit}`, unit, Laboratory.after(exposed, -2), BigInt(before))
        )
      )
      const adjusted = yield* looks.look(experiment.experimentId)
      const comparison = adjusted.metrics[0]?.comparisons[0]
      assert.strictEqual(comparison?.method, "cuped")
      // The coefficient over both arms, and the variance of y - theta x in each.
      const [expected] = yield* sql<{ readonly difference: number; readonly error: number }>`
        WITH people AS (
          SELECT place % 2 AS arm, x::float8, y::float8
            FROM unnest(${people.map(({ before }) => before)}::int[], ${people.map(({ after }) => after)}::int[])
                 WITH ORDINALITY AS p (x, y, place)
        ),
        theta AS (
          SELECT covar_samp(y, x) / var_samp(x) AS theta
            FROM people
        )
        SELECT avg(y - theta * x) FILTER (WHERE arm = 0) - avg(y - theta * x) FILTER (WHERE arm = 1) AS difference,
               sqrt(var_samp(y - theta * x) FILTER (WHERE arm = 0) / 50
                    + var_samp(y - theta * x) FILTER (WHERE arm = 1) / 50) AS error
          FROM people, theta
      `
      if (expected === undefined) return assert.fail("no people")
      const { absolute } = comparison ?? {}
      assert.isBelow(Math.abs((absolute?.estimate ?? NaN) / expected.difference - 1), 1e-9)
      assert.isBelow(Math.abs((absolute?.standardError ?? NaN) / expected.error - 1), 1e-9)
      assert.isBelow(
        (absolute?.standardError ?? NaN) * 5,
        without.metrics[0]?.comparisons[0]?.absolute?.standardError ?? NaN
      )
    }).pipe(provide(TenantId.make("cuped")))
  )

  it.effect("money of another currency is left out and counted", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const experiment = yield* Laboratory.start("currencies", [revenue])
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      yield* units.expose([
        Laboratory.exposure("currencies", "a", "old", start),
        Laboratory.exposure("currencies", "b", "new", start)
      ])
      yield* units.record([
        { ...Laboratory.fact("purchase", "1", "a", start, 500n), currency: Currency.make("EUR") },
        { ...Laboratory.fact("purchase", "2", "a", start, 900n), currency: Currency.make("USD") }
      ])
      const look = yield* looks.look(experiment.experimentId)
      assert.strictEqual(look.metrics[0]?.arms[0]?.value, 500)
      assert.include(look.metrics[0]?.comparisons[0]?.flags ?? [], "other-currency")
      assert.strictEqual(look.metrics[0]?.otherCurrency, 1)
    }).pipe(provide(TenantId.make("currencies")))
  )

  it.effect("a sum without a currency takes no money at all, and conversions take every currency", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const experiment = yield* Laboratory.start("no-currency", [
        { key: "points", kind: "sum", source: "purchase" },
        { key: "any", kind: "conversion", source: "purchase" }
      ])
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      yield* units.expose([
        Laboratory.exposure("no-currency", "a", "old", start),
        Laboratory.exposure("no-currency", "b", "new", start)
      ])
      yield* units.record([
        { ...Laboratory.fact("purchase", "1", "a", start, 300n), currency: Currency.make("EUR") },
        { ...Laboratory.fact("purchase", "2", "a", start, 900n), currency: Currency.make("JPY") },
        Laboratory.fact("purchase", "3", "a", start, 4n)
      ])
      const { metrics } = yield* looks.look(experiment.experimentId)
      assert.deepInclude(metrics[0], { otherCurrency: 2 })
      assert.strictEqual(metrics[0]?.arms[0]?.value, 4)
      assert.deepInclude(metrics[1], { otherCurrency: 0 })
      assert.strictEqual(metrics[1]?.arms[0]?.value, 1)
    }).pipe(provide(TenantId.make("no-currency")))
  )

  it.effect(
    "facts before the first exposure do not count, those at its instant do; later exposures extend no window",
    () =>
      Effect.gen(function* () {
        const units = yield* ExperimentUnits
        const looks = yield* ExperimentLooks
        const experiment = yield* Laboratory.start("windows", [revenue])
        const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
        const exposed = Laboratory.after(start, 1)
        yield* Laboratory.pass(8)
        yield* units.expose([
          Laboratory.exposure("windows", "a", "old", exposed),
          Laboratory.exposure("windows", "a", "old", Laboratory.after(start, 5))
        ])
        yield* units.record([
          Laboratory.fact("purchase", "before", "a", Laboratory.after(start, 0.999), 1n),
          Laboratory.fact("purchase", "at", "a", exposed, 10n),
          Laboratory.fact("purchase", "in", "a", Laboratory.after(start, 7.99), 100n),
          Laboratory.fact("purchase", "end", "a", Laboratory.after(start, 8), 1_000n)
        ])
        const look = yield* looks.look(experiment.experimentId)
        assert.strictEqual(look.metrics[0]?.arms[0]?.value, 110)
      }).pipe(provide(TenantId.make("windows")))
  )

  it.effect(
    "a unit seen in two arms is left out and counted, above 1 % flagged; a unit counts once however many exposures",
    () =>
      Effect.gen(function* () {
        const units = yield* ExperimentUnits
        const looks = yield* ExperimentLooks
        const experiment = yield* Laboratory.start("crossed", [revenue])
        const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
        yield* units.expose([
          Laboratory.exposure("crossed", "a", "old", start),
          Laboratory.exposure("crossed", "a", "old", Laboratory.after(start, 0.1)),
          Laboratory.exposure("crossed", "b", "new", start),
          Laboratory.exposure("crossed", "c", "old", start)
        ])
        const again = yield* units.expose([Laboratory.exposure("crossed", "a", "old", start)])
        assert.deepInclude(again, { accepted: 0, repeated: 1 })
        yield* units.expose([Laboratory.exposure("crossed", "c", "new", Laboratory.after(start, 0.2))])
        const look = yield* looks.look(experiment.experimentId)
        assert.deepStrictEqual(
          look.units.map((arm) => arm.units),
          [1, 1]
        )
        assert.deepInclude(look.excluded, { crossed: 1, suspicious: true })
      }).pipe(provide(TenantId.make("crossed")))
  )

  it.effect("changed weights raise no false sample ratio mismatch and no Simpson's paradox", () =>
    Effect.gen(function* () {
      const units = yield* ExperimentUnits
      const looks = yield* ExperimentLooks
      const experiments = yield* Experiments
      const now = yield* Now.TestNow
      const experiment = yield* Laboratory.start("simpson", [
        { key: "buys", kind: "conversion", source: "purchase" }
      ])
      const start = experiment.startedAt ?? DateTime.makeUnsafe(0)
      // Half each converts 50 %; then 90 : 10 of units that convert 10 %. No arm is better in either phase.
      const first = Array.from({ length: 200 }, (_, index) =>
        Laboratory.exposure("simpson", `a${index}`, index % 2 === 0 ? "old" : "new", start)
      )
      yield* units.expose(first)
      yield* now.adjust("1 day")
      yield* experiments.change(experiment.experimentId, experiment.version, {
        variants: [
          { key: "old", weight: 9_000 },
          { key: "new", weight: 1_000 }
        ]
      })
      const second = Array.from({ length: 1_000 }, (_, index) =>
        Laboratory.exposure(
          "simpson",
          `b${index}`,
          index % 10 === 0 ? "new" : "old",
          Laboratory.after(start, 1.5)
        )
      )
      yield* units.expose(second)
      const buyers = [
        ...first.filter((_, index) => index % 4 < 2),
        ...second.filter((_, index) => Math.floor(index / 10) % 10 === 0)
      ]
      yield* units.record(
        buyers.map(({ unit }) => Laboratory.fact("purchase", unit, unit, Laboratory.after(start, 2), 1n))
      )
      const look = yield* looks.look(experiment.experimentId)
      const [comparison] = look.metrics[0]?.comparisons ?? []
      assert.strictEqual(look.settings.phases, 2)
      assert.isFalse(look.sampleRatio.mismatch)
      assert.strictEqual(look.sampleRatio.df, 2)
      assert.isBelow(Math.abs(comparison?.absolute?.estimate ?? NaN), 1e-12)
      // Pooled, the treatment would look twice as good.
      const [old, young] = look.metrics[0]?.arms ?? []
      assert.isAbove((young?.value ?? 0) / (old?.value ?? 1), 1.5)
      yield* now.adjust("-1 day")
    }).pipe(provide(TenantId.make("simpson")))
  )
})
