import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import { DateTime, Effect } from "effect"
import { published, TestLayer, fresh, at, month, setUp, setNow, fold } from "./tenantQuotas.ts"

layer(TestLayer, { excludeTestServices: true })("TenantQuotas by period and limit", (it) => {
  it.effect("thresholds fire once a period and limit, also at equality and when passed over", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp({ feature: "events", thresholds: [50, 80, 100] })
      const fired = () => published.filter((event) => event.subject === "events").map(({ data }) => data)
      yield* quotas.record({ key: "1", feature: "events", amount: 50 })
      yield* fold
      assert.deepStrictEqual(
        published.map(({ type }) => type),
        ["com.hypermarket.quotas.threshold.reached.v1"]
      )
      yield* quotas.record({ key: "2", feature: "events", amount: 100 })
      yield* fold
      yield* quotas.record({ key: "3", feature: "events", amount: 1 })
      yield* fold
      const percents = () => fired().map((data) => JSON.stringify(data).match(/"percent":(\d+)/)?.[1])
      assert.deepStrictEqual(percents(), ["50", "80", "100"])
      // Another limit is another threshold.
      yield* quotas.grant("events", { source: "grant", amount: 200 })
      yield* quotas.record({ key: "4", feature: "events", amount: 1 })
      yield* fold
      assert.deepStrictEqual(percents(), ["50", "80", "100", "50"])
    }).pipe(fresh())
  )

  it.effect("periods come from the anchor: 31 January, 28 February, 31 March", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setNow("2026-02-10T12:00:00Z")
      yield* setUp({ period: month }, { effectiveAt: at("2026-01-31T00:00:00+01:00") })
      const startOf = (text: string) =>
        Effect.map(quotas.usage({ feature: "calls", at: at(text) }), ({ periodEnd, periodStart }) =>
          [periodStart, periodEnd].map((instant) => (instant === null ? null : DateTime.formatIso(instant)))
        )
      assert.deepStrictEqual(yield* startOf("2026-02-10T12:00:00Z"), [
        "2026-01-30T23:00:00.000Z",
        "2026-02-27T23:00:00.000Z"
      ])
      assert.deepStrictEqual(yield* startOf("2026-02-27T23:00:00Z"), [
        "2026-02-27T23:00:00.000Z",
        "2026-03-30T22:00:00.000Z"
      ])
      assert.deepStrictEqual(yield* startOf("2026-03-30T22:00:00Z"), [
        "2026-03-30T22:00:00.000Z",
        "2026-04-29T22:00:00.000Z"
      ])
    }).pipe(fresh())
  )

  it.effect("days of 23 and 25 hours are periods, half-open at both ends", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      const day = { unit: "day" as const, anchor: at("2026-01-01T00:00:00+01:00"), zone: "Europe/Berlin" }
      yield* setUp({ period: day }, { effectiveAt: at("2026-01-01T00:00:00Z") })
      const periodAt = (text: string) =>
        Effect.map(quotas.usage({ feature: "calls", at: at(text) }), ({ periodEnd, periodStart }) => {
          const [start, end] = [periodStart, periodEnd].map((instant) =>
            instant === null ? 0 : DateTime.toEpochMillis(instant)
          )
          return {
            startsAt: new Date(start ?? 0).toISOString(),
            hours: ((end ?? 0) - (start ?? 0)) / 3_600_000
          }
        })
      const spring = { startsAt: "2026-03-28T23:00:00.000Z", hours: 23 }
      assert.deepStrictEqual(yield* periodAt("2026-03-28T23:00:00Z"), spring)
      assert.deepStrictEqual(yield* periodAt("2026-03-29T21:59:59.999Z"), spring)
      assert.deepStrictEqual(yield* periodAt("2026-03-29T22:00:00Z"), {
        startsAt: "2026-03-29T22:00:00.000Z",
        hours: 24
      })
      const autumn = { startsAt: "2026-10-24T22:00:00.000Z", hours: 25 }
      assert.deepStrictEqual(yield* periodAt("2026-10-24T22:00:00Z"), autumn)
      assert.deepStrictEqual(yield* periodAt("2026-10-25T22:59:59.999Z"), autumn)
    }).pipe(fresh())
  )

  it.effect("a grant at a boundary counts once, an edit inside a period repeats none", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setNow("2026-03-01T00:00:00Z")
      const boundary = at("2026-03-01T00:00:00Z")
      yield* setUp(
        { feature: "credits", period: { unit: "month", anchor: at("2026-01-01T00:00:00Z"), zone: "UTC" } },
        { source: "grant", amount: 10, recurring: false, effectiveAt: boundary }
      )
      const quotaAt = (text: string) =>
        Effect.map(quotas.usage({ feature: "credits", at: at(text) }), ({ quota }) => quota)
      assert.strictEqual(yield* quotaAt("2026-02-28T23:59:59Z"), 0)
      assert.strictEqual(yield* quotaAt("2026-03-01T00:00:00Z"), 10)
      assert.strictEqual(yield* quotaAt("2026-04-01T00:00:00Z"), 0)
      yield* quotas.reserve({ key: "a", feature: "credits", amount: 10 })
      yield* quotas.updateFeature("credits", 1, { thresholds: [50] })
      assert.strictEqual(
        (yield* Effect.flip(quotas.reserve({ key: "b", feature: "credits", amount: 1 })))._tag,
        "QuotaExceeded"
      )
    }).pipe(fresh())
  )

  it.effect("late usage goes to its own period", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setNow("2026-06-15T00:00:00Z")
      yield* setUp(
        { period: { unit: "month", anchor: at("2026-01-01T00:00:00Z"), zone: "UTC" } },
        {
          effectiveAt: at("2026-01-01T00:00:00Z")
        }
      )
      const late = yield* quotas.record({
        key: "late",
        feature: "calls",
        amount: 7,
        occurredAt: at("2026-05-31T23:59:59.999Z")
      })
      assert.deepInclude(late, { used: 7, quota: 100 })
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 0 })
    }).pipe(fresh())
  )

  it.effect("an override replaces the plan, a grant is added, and an expired one no longer counts", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const quota = Effect.map(quotas.usage({ feature: "calls" }), (usage) => usage.quota)
      yield* quotas.grant("calls", { source: "grant", amount: 5 })
      assert.strictEqual(yield* quota, 105)
      const override = yield* quotas.grant("calls", { source: "override", amount: 20 })
      assert.strictEqual(yield* quota, 25)
      yield* quotas.revokeGrant("calls", override.grantId)
      assert.strictEqual(yield* quota, 105)
      const soon = DateTime.add(DateTime.fromDateUnsafe(yield* Now.now), { hours: 1 })
      yield* quotas.grant("calls", { source: "grant", amount: 1_000, expiresAt: soon })
      assert.strictEqual(yield* quota, 1_105)
      yield* Effect.flatMap(Now.TestNow, (now) => now.adjust("1 hour"))
      assert.strictEqual(yield* quota, 105)
    }).pipe(fresh())
  )

  it.effect("a soft limit grants above it and tells the overage", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp({ soft: true })
      yield* quotas.reserve({ key: "a", feature: "calls", amount: 150 })
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { held: 150, remaining: 0, overage: 50 })
    }).pipe(fresh())
  )

  it.effect("a subject has its own limit", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      yield* quotas.grant("calls", { subject: "seller-1", source: "plan", amount: 1 })
      yield* quotas.reserve({ key: "a", feature: "calls", subject: "seller-1", amount: 1 })
      assert.strictEqual(
        (yield* Effect.flip(quotas.reserve({ key: "b", feature: "calls", subject: "seller-1", amount: 1 })))
          ._tag,
        "QuotaExceeded"
      )
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { held: 0, quota: 100 })
    }).pipe(fresh())
  )
})
