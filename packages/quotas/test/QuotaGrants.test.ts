/** The order in which grants burn, and what rolls over into the next period. */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import type { NewQuotaGrant } from "@hypermarket/quotas/QuotaFeature"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provideMerge(Now.layerTest),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

let tenants = 0
const fresh = () => provide(TenantId.make(`tenant-${++tenants}`))
const asWorker = Effect.provideService(AllTenants, { actor: "test" })
const at = (text: string) => DateTime.makeUnsafe(text)
const setNow = (text: string) => Effect.flatMap(Now.TestNow, (now) => now.set(DateTime.toDate(at(text))))
const maintenance = (method: "fold" | "prune") =>
  Effect.flatMap(QuotaMaintenance, (jobs) => Effect.asVoid(jobs[method])).pipe(asWorker)

const monthly = { unit: "month" as const, anchor: at("2026-01-01T00:00:00Z"), zone: "UTC" }

const setUp = Effect.gen(function* () {
  yield* setNow("2026-01-02T09:00:00Z")
  const quotas = yield* TenantQuotas
  yield* quotas.createFeature({ feature: "pages", kind: "metered", period: monthly })
})

const grant = (fields: Partial<NewQuotaGrant>) =>
  Effect.flatMap(TenantQuotas, (quotas) =>
    quotas.grant("pages", { source: "grant", effectiveAt: at("2026-01-01T00:00:00Z"), ...fields })
  )

let keys = 0
const use = (amount: number) =>
  Effect.gen(function* () {
    const quotas = yield* TenantQuotas
    const { reservationId } = yield* quotas.reserve({ key: `k${++keys}`, feature: "pages", amount })
    yield* quotas.commit(reservationId)
  })

const usage = Effect.flatMap(TenantQuotas, (quotas) => quotas.usage({ feature: "pages" }))
const quota = Effect.map(usage, ({ quota }) => quota)

layer(TestLayer, { excludeTestServices: true })("grants", (it) => {
  it.effect("grants burn by priority, soonest expiry, age", () =>
    Effect.gen(function* () {
      yield* setUp
      const expiresAt = at("2026-01-10T00:00:00Z")
      yield* grant({ amount: 60, rolloverMax: 60 })
      yield* grant({ amount: 30, expiresAt })
      yield* use(40)
      assert.deepInclude(yield* usage, { quota: 90, used: 40, remaining: 50 })
      yield* maintenance("fold")
      // The one that expires has burnt 30, the other one 10: only 60 - 10 are left.
      yield* setNow("2026-01-11T00:00:00Z")
      assert.deepInclude(yield* usage, { quota: 90, used: 40, remaining: 50 })
      yield* use(50)
      const quotas = yield* TenantQuotas
      const refused = yield* Effect.flip(quotas.reserve({ key: "more", feature: "pages", amount: 1 }))
      assert.strictEqual(refused._tag, "QuotaExceeded")
    }).pipe(fresh())
  )

  it.effect("a grant of a smaller priority burns before one that expires sooner", () =>
    Effect.gen(function* () {
      yield* setUp
      yield* grant({ amount: 60, priority: 5 })
      yield* grant({ amount: 30, expiresAt: at("2026-01-10T00:00:00Z") })
      yield* use(40)
      yield* maintenance("fold")
      yield* setNow("2026-01-11T00:00:00Z")
      assert.deepInclude(yield* usage, { quota: 60, used: 40, remaining: 20 })
    }).pipe(fresh())
  )

  it.effect("of two alike the older one burns first, and the rest of the newer one rolls over", () =>
    Effect.gen(function* () {
      yield* setUp
      yield* grant({ amount: 10, rolloverMax: 3, effectiveAt: at("2026-01-01T12:00:00Z") })
      yield* grant({ amount: 10, rolloverMax: 10 })
      yield* use(10)
      yield* setNow("2026-02-01T00:00:00Z")
      assert.strictEqual(yield* quota, 23)
    }).pipe(fresh())
  )

  it.effect("rollover expires at a boundary: what rolled over burns first and never rolls over again", () =>
    Effect.gen(function* () {
      yield* setUp
      yield* grant({ source: "plan", amount: 100, rolloverMax: 90 })
      yield* use(70)
      yield* setNow("2026-02-03T00:00:00Z")
      assert.strictEqual(yield* quota, 130)
      const quotas = yield* TenantQuotas
      assert.deepInclude(yield* Effect.flip(quotas.reserve({ key: "all", feature: "pages", amount: 131 })), {
        _tag: "QuotaExceeded",
        remaining: 130
      })
      yield* use(45)
      assert.deepInclude(yield* usage, { quota: 130, used: 45, remaining: 85 })
      // Of the 45 the first 30 were of what had rolled over: 85 of the plan are left.
      yield* setNow("2026-03-03T00:00:00Z")
      assert.strictEqual(yield* quota, 185)
      // Nothing is used in March, and no balance is made.
      yield* setNow("2026-04-03T00:00:00Z")
      assert.strictEqual(yield* quota, 190)
      yield* use(190)
      yield* setNow("2026-05-03T00:00:00Z")
      assert.strictEqual(yield* quota, 100)
    }).pipe(fresh())
  )

  it.effect("a grant that expires at the boundary rolls nothing over, and one that expires later does", () =>
    Effect.gen(function* () {
      yield* setUp
      yield* grant({ amount: 20, rolloverMax: 20, expiresAt: at("2026-02-01T00:00:00Z") })
      yield* grant({ amount: 7, rolloverMax: 5, expiresAt: at("2026-02-02T00:00:00Z") })
      yield* use(1)
      yield* setNow("2026-02-01T00:00:00Z")
      assert.strictEqual(yield* quota, 12)
    }).pipe(fresh())
  )

  it.effect("open reservations and late usage roll nothing over twice", () =>
    Effect.gen(function* () {
      yield* setUp
      const quotas = yield* TenantQuotas
      const plan = yield* grant({ source: "plan", amount: 100, rolloverMax: 100 })
      const open = yield* quotas.reserve({
        key: `k${++keys}`,
        feature: "pages",
        amount: 60,
        expiresInSeconds: 31 * 86_400
      })
      // Usage of a period that has not begun decides nothing of it.
      yield* quotas.record({
        key: `k${++keys}`,
        feature: "pages",
        amount: 1,
        occurredAt: at("2026-02-01T05:00:00Z")
      })
      yield* maintenance("fold")
      yield* use(15)
      yield* setNow("2026-02-01T06:00:00Z")
      assert.strictEqual(yield* quota, 125)
      yield* use(2)
      yield* quotas.release(open.reservationId)
      yield* quotas.record({
        key: `k${++keys}`,
        feature: "pages",
        amount: 85,
        occurredAt: at("2026-01-20T00:00:00Z")
      })
      yield* maintenance("fold")
      assert.deepInclude(yield* usage, { quota: 125, used: 3 })
      // A plan that is replaced inside a period brings no rest of before.
      yield* quotas.revokeGrant("pages", plan.grantId)
      yield* grant({ source: "plan", amount: 100, rolloverMax: 100, effectiveAt: at("2026-02-10T00:00:00Z") })
      yield* setNow("2026-02-20T00:00:00Z")
      assert.strictEqual(yield* quota, 125)
    }).pipe(fresh())
  )

  it.effect("rows of what a revoked grant has burnt are deleted, and its amount no longer counts", () =>
    Effect.gen(function* () {
      yield* setUp
      const quotas = yield* TenantQuotas
      const sql = yield* SqlClient.SqlClient
      yield* grant({ amount: 50 })
      const expiring = yield* grant({ amount: 8, expiresAt: at("2026-01-10T00:00:00Z") })
      yield* use(9)
      yield* maintenance("fold")
      yield* setNow("2026-01-11T00:00:00Z")
      assert.strictEqual(yield* quota, 58)
      yield* quotas.revokeGrant("pages", expiring.grantId)
      assert.deepInclude(yield* usage, { quota: 50, used: 9 })
      yield* maintenance("prune")
      const rows = yield* sql`
        SELECT 1
          FROM hm_quota_burn
         WHERE grant_id = ${expiring.grantId}::text::uuid
      `
      assert.lengthOf(rows, 0)
    }).pipe(fresh())
  )

  it.effect("only a feature with a period rolls over", () =>
    Effect.gen(function* () {
      const quotas = yield* TenantQuotas
      yield* quotas.createFeature({ feature: "forever", kind: "metered" })
      const refused = yield* Effect.flip(
        quotas.grant("forever", { source: "plan", amount: 5, rolloverMax: 5 })
      )
      assert.deepInclude(refused, { _tag: "QuotaKindMismatch", field: "rolloverMax" })
    }).pipe(fresh())
  )
})
