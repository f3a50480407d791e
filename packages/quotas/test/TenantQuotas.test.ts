import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import type { NewQuotaFeature, NewQuotaGrant } from "@hypermarket/quotas/QuotaFeature"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Deferred, Effect, Fiber, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"

const published: Array<Outbox.Event> = []

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provide(
    Layer.succeed(Outbox.Outbox, {
      publish: (events) =>
        Effect.sync(() => {
          published.push(...events)
        })
    })
  ),
  Layer.provideMerge(Now.layerTest),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

let tenants = 0
const fresh = () => provide(TenantId.make(`tenant-${++tenants}`))
const asWorker = Effect.provideService(AllTenants, { actor: "test" })

const at = (text: string) => DateTime.makeUnsafe(text)
const month = { unit: "month" as const, anchor: at("2026-01-31T00:00:00+01:00"), zone: "Europe/Berlin" }

const setUp = (feature: Partial<NewQuotaFeature> = {}, grant: Partial<NewQuotaGrant> = {}) =>
  Effect.flatMap(TenantQuotas, (quotas) =>
    Effect.andThen(
      quotas.createFeature({ feature: "calls", kind: "metered", ...feature }),
      quotas.grant(feature.feature ?? "calls", { source: "plan", amount: 100, ...grant })
    )
  )

const setNow = (text: string) => Effect.flatMap(Now.TestNow, (now) => now.set(DateTime.toDate(at(text))))

const fold = Effect.flatMap(QuotaMaintenance, (maintenance) => maintenance.fold).pipe(asWorker)

layer(TestLayer, { excludeTestServices: true })("TenantQuotas", (it) => {
  it.effect("reserves, commits what was used and gives the rest back", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const reservation = yield* quotas.reserve({ key: "a", feature: "calls", amount: 60 })
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 0, held: 60, remaining: 40 })
      const refused = yield* Effect.flip(quotas.reserve({ key: "b", feature: "calls", amount: 41 }))
      assert.deepInclude(refused, { _tag: "QuotaExceeded", requested: 41, remaining: 40, quota: 100 })
      const committed = yield* quotas.commit(reservation.reservationId, 25)
      assert.deepInclude(committed, { status: "committed", committed: 25 })
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 25, held: 0, remaining: 75 })
      yield* quotas.reserve({ key: "c", feature: "calls", amount: 75 })
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 25, held: 75, remaining: 0 })
    }).pipe(fresh())
  )

  it.effect("repeats a reservation, a commit, a release and a record without counting twice", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const request = { key: "a", feature: "calls", amount: 60 }
      const first = yield* quotas.reserve(request)
      assert.deepStrictEqual(yield* quotas.reserve(request), first)
      assert.strictEqual(
        (yield* Effect.flip(quotas.reserve({ ...request, amount: 1 })))._tag,
        "QuotaKeyReused"
      )
      yield* quotas.commit(first.reservationId, 10)
      yield* quotas.commit(first.reservationId, 10)
      assert.deepInclude(yield* Effect.flip(quotas.commit(first.reservationId, 11)), {
        _tag: "QuotaReservationSettled",
        reason: "committed"
      })
      const second = yield* quotas.reserve({ ...request, key: "b" })
      yield* quotas.release(second.reservationId)
      yield* quotas.release(second.reservationId)
      assert.strictEqual(
        (yield* Effect.flip(quotas.commit(second.reservationId)))._tag,
        "QuotaReservationSettled"
      )
      yield* quotas.record({ key: "r", feature: "calls", amount: 5 })
      const usage = yield* quotas.record({ key: "r", feature: "calls", amount: 5 })
      assert.deepInclude(usage, { used: 15, held: 0, remaining: 85, overage: 0 })
    }).pipe(fresh())
  )

  it.effect("keeps recorded usage above the limit and tells the overage", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const usage = yield* quotas.record({ key: "r", feature: "calls", amount: 130 })
      assert.deepInclude(usage, { used: 130, remaining: 0, overage: 30 })
      const refused = yield* Effect.flip(quotas.reserve({ key: "a", feature: "calls", amount: 1 }))
      assert.deepInclude(refused, { _tag: "QuotaExceeded", remaining: 0 })
    }).pipe(fresh())
  )

  it.effect("gives an expired reservation back, and refuses to commit it", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const now = yield* Now.TestNow
      const lost = yield* quotas.reserve({ key: "a", feature: "calls", amount: 100, expiresInSeconds: 60 })
      yield* now.adjust("61 seconds")
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 0, held: 0, remaining: 100 })
      assert.deepInclude(yield* Effect.flip(quotas.commit(lost.reservationId)), {
        _tag: "QuotaReservationSettled",
        reason: "expired"
      })
      yield* quotas.reserve({ key: "b", feature: "calls", amount: 100 })
      assert.strictEqual((yield* quotas.getReservation(lost.reservationId)).status, "expired")
    }).pipe(fresh())
  )

  it.effect("a commit above the reservation leaves it open, and a settled one names how it ended", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const now = yield* Now.TestNow
      const { reservationId } = yield* quotas.reserve({ key: "a", feature: "calls", amount: 30 })
      assert.deepInclude(yield* Effect.flip(quotas.commit(reservationId, 31)), {
        _tag: "QuotaAmountTooHigh",
        reserved: 30
      })
      assert.strictEqual((yield* quotas.getReservation(reservationId)).status, "open")
      const committed = yield* quotas.commit(reservationId, 7)
      assert.deepStrictEqual(yield* quotas.commit(reservationId, 7), committed)
      assert.deepInclude(yield* Effect.flip(quotas.release(reservationId)), {
        _tag: "QuotaReservationSettled",
        reason: "committed"
      })
      const lost = yield* quotas.reserve({ key: "b", feature: "calls", amount: 40, expiresInSeconds: 5 })
      yield* now.adjust("6 seconds")
      assert.deepInclude(yield* Effect.flip(quotas.release(lost.reservationId)), {
        _tag: "QuotaReservationSettled",
        reason: "expired"
      })
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 7, held: 0, remaining: 93 })
    }).pipe(fresh())
  )

  it.effect("a commit in a long transaction of the caller delays no reservation of another caller", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      const sql = yield* SqlClient.SqlClient
      yield* setUp()
      const reservation = yield* quotas.reserve({ key: "a", feature: "calls", amount: 10 })
      const committed = yield* Deferred.make<void>()
      const finish = yield* Deferred.make<void>()
      const shop = yield* Effect.forkChild(
        sql.withTransaction(
          Effect.gen(function* () {
            yield* quotas.commit(reservation.reservationId, 4)
            yield* quotas.record({ key: "r", feature: "calls", amount: 6 })
            yield* Deferred.succeed(committed, undefined)
            yield* Deferred.await(finish)
          })
        )
      )
      yield* Deferred.await(committed)
      // The shop's transaction is open: this would wait for it if it needed one of its rows.
      yield* quotas.reserve({ key: "b", feature: "calls", amount: 90 })
      yield* Deferred.succeed(finish, undefined)
      yield* Fiber.join(shop)
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 10, held: 90, remaining: 0 })
    }).pipe(fresh())
  )

  it.effect("what the caller's transaction rolls back was never reserved, committed or recorded", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      const sql = yield* SqlClient.SqlClient
      yield* setUp()
      const kept = yield* quotas.reserve({ key: "kept", feature: "calls", amount: 10 })
      yield* sql
        .withTransaction(
          Effect.gen(function* () {
            yield* quotas.commit(kept.reservationId)
            yield* quotas.record({ key: "r", feature: "calls", amount: 1 })
            yield* quotas.reserve({ key: "lost", feature: "calls", amount: 10 })
            return yield* Effect.fail("the shop changes its mind")
          })
        )
        .pipe(Effect.flip)
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 0, held: 10, remaining: 90 })
      assert.strictEqual((yield* quotas.getReservation(kept.reservationId)).status, "open")
      yield* quotas.reserve({ key: "lost", feature: "calls", amount: 90 })
    }).pipe(fresh())
  )

  it.effect("50 callers reserve at the same time and never more than the limit is granted", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 50 }, (_, index) => index),
        (index) => Effect.exit(quotas.reserve({ key: `k${index}`, feature: "calls", amount: 7 })),
        { concurrency: "unbounded" }
      )
      assert.lengthOf(
        outcomes.filter((exit) => exit._tag === "Success"),
        14
      )
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { held: 98, remaining: 2 })
    }).pipe(fresh())
  )

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

  it.effect("checks features of all kinds in one answer and reserves nothing", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* setUp()
      yield* quotas.createFeature({ feature: "export", kind: "boolean" })
      yield* quotas.createFeature({ feature: "theme", kind: "static" })
      yield* quotas.grant("theme", { source: "plan", value: { dark: true } })
      yield* setUp({ feature: "seats", kind: "concurrent" }, { amount: 2 })
      const seat = yield* quotas.reserve({ key: "s1", feature: "seats", amount: 2 })
      const answer = yield* quotas.check({
        items: [
          { feature: "calls", amount: 60 },
          { feature: "calls", amount: 41 },
          { feature: "export" },
          { feature: "theme" },
          { feature: "seats" }
        ]
      })
      assert.isFalse(answer.allowed)
      assert.deepStrictEqual(
        answer.items.map(({ allowed }) => allowed),
        [true, false, false, true, false]
      )
      assert.deepStrictEqual(answer.items[3]?.value, { dark: true })
      assert.strictEqual((yield* Effect.flip(quotas.commit(seat.reservationId)))._tag, "QuotaKindMismatch")
      yield* quotas.release(seat.reservationId)
      assert.isTrue((yield* quotas.check({ items: [{ feature: "seats", amount: 2 }] })).allowed)
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { held: 0, used: 0 })
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

  it.effect("one tenant's poisoned balance does not stop the others from being folded", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      const sql = yield* SqlClient.SqlClient
      yield* setUp()
      yield* quotas.record({ key: "r", feature: "calls", amount: 3 })
      // The balance would be below zero, which its CHECK refuses.
      yield* sql`
        INSERT INTO hm_quota_delta (tenant_id, feature, subject, period_start, delta_id, used, held)
        VALUES ('a-poisoned', 'calls', '', ${new Date(0)}, '0199a000-0000-7000-8000-000000000000', 0, -1)
      `
      yield* fold
      const left = yield* sql<{ readonly tenant: string }>`SELECT tenant_id AS tenant FROM hm_quota_delta`
      assert.deepStrictEqual(left, [{ tenant: "a-poisoned" }])
      yield* sql`DELETE FROM hm_quota_delta`
      assert.deepInclude(yield* quotas.usage({ feature: "calls" }), { used: 3 })
    }).pipe(fresh())
  )
})
