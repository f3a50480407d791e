import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import { Deferred, Effect, Fiber } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { TestLayer, fresh, setUp, fold } from "./tenantQuotas.ts"

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
