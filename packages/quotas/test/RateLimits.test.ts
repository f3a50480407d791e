import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { AllTenants, provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import type { RateCheck } from "@hypermarket/quotas/RateLimit"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import type { NewRatePolicy } from "@hypermarket/quotas/RatePolicy"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import { layerClock, patient, TestClock } from "./rateSupport.ts"

const TestLayer = QuotasDomain.layer.pipe(
  Layer.provide(patient),
  Layer.provideMerge(layerClock),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

const hourMillis = 3_600_000
let tenants = 0

/** A tenant per test: no test sees another one's buckets. */
const fresh = () => provide(TenantId.make(`tenant-${++tenants}`))

const create = (policy: Partial<NewRatePolicy> & { readonly policy: string }) =>
  Effect.flatMap(RateLimits, (limits) =>
    limits.createPolicy({ kind: "gcra", quota: 10, periodMillis: hourMillis, by: ["user"], ...policy })
  )

const check = (policies: ReadonlyArray<string>, user: string, cost = 1) =>
  Effect.flatMap(RateLimits, (limits) =>
    limits.check({ policies, subject: { user }, cost } satisfies RateCheck)
  )

const bucketRows = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly bucket: string }>`SELECT bucket FROM hm_api_rate_limit`
)

layer(TestLayer, { excludeTestServices: true })("RateLimits", (it) => {
  it.effect("admits a burst, then denies with the seconds after which a lone request passes", () =>
    Effect.gen(function* () {
      yield* create({ policy: "calls", quota: 10, burst: 3 })
      for (const remaining of [2, 1, 0]) {
        const decision = yield* check(["calls"], "u")
        assert.deepInclude(decision, { allowed: true, retryAfterSeconds: null, decidedBy: "database" })
        assert.strictEqual(decision.states[0]?.remaining, remaining)
      }
      const denied = yield* check(["calls"], "u")
      assert.deepInclude(denied, { allowed: false, retryAfterSeconds: 360 })
      assert.isTrue((yield* check(["calls"], "another user")).allowed)
      yield* TestClock.advance(359_000)
      assert.isFalse((yield* check(["calls"], "u")).allowed)
      yield* TestClock.advance(1_000)
      assert.isTrue((yield* check(["calls"], "u")).allowed)
    }).pipe(fresh())
  )

  it.effect("counts a request of a sliding window in [t, t + w)", () =>
    Effect.gen(function* () {
      yield* create({ policy: "window", kind: "window", quota: 2 })
      assert.isTrue((yield* check(["window"], "u")).allowed)
      yield* TestClock.advance(hourMillis / 2)
      assert.isTrue((yield* check(["window"], "u")).allowed)
      assert.deepInclude(yield* check(["window"], "u"), { allowed: false, retryAfterSeconds: 1_800 })
      yield* TestClock.advance(hourMillis / 2)
      assert.isTrue((yield* check(["window"], "u")).allowed)
      assert.isFalse((yield* check(["window"], "u")).allowed)
    }).pipe(fresh())
  )

  it.effect("charges several limits all or nothing", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      yield* create({ policy: "wide", quota: 100 })
      yield* create({ policy: "narrow", kind: "window", quota: 1 })
      assert.isTrue((yield* check(["wide", "narrow"], "u")).allowed)
      const denied = yield* check(["wide", "narrow"], "u")
      assert.isFalse(denied.allowed)
      assert.strictEqual((yield* limits.peek({ policy: "wide", subject: { user: "u" } })).remaining, 99)
    }).pipe(fresh())
  )

  it.effect("a late release frees no other lease's slot, and a killed holder's slot returns", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      yield* create({ policy: "slots", kind: "concurrency", quota: 1 })
      const first = yield* check(["slots"], "u")
      assert.isNotNull(first.lease)
      assert.isFalse((yield* check(["slots"], "u")).allowed)
      yield* TestClock.advance(hourMillis)
      const second = yield* check(["slots"], "u")
      assert.isTrue(second.allowed)
      const release = (lease: string | null) =>
        limits.release({ policies: ["slots"], subject: { user: "u" }, lease: lease ?? "" })
      yield* release(first.lease)
      assert.isFalse((yield* check(["slots"], "u")).allowed)
      yield* limits.refund({ policy: "slots", subject: { user: "u" }, cost: 1 })
      assert.isFalse((yield* check(["slots"], "u")).allowed)
      yield* release(second.lease)
      yield* release(second.lease)
      assert.isTrue((yield* check(["slots"], "u")).allowed)
      assert.isFalse((yield* check(["slots"], "u")).allowed)
    }).pipe(fresh())
  )

  it.effect("a raised limit admits at once, also a key just denied; a lowered one leaves no debt", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      const policy = yield* create({ policy: "raised", quota: 10 })
      yield* check(["raised"], "u", 10)
      assert.isFalse((yield* check(["raised"], "u")).allowed)
      const raised = yield* limits.updatePolicy("raised", policy.version, { quota: 100 })
      assert.strictEqual(raised.burst, 100)
      const admitted = yield* check(["raised"], "u", 90)
      assert.deepInclude(admitted, { allowed: true })
      assert.isFalse((yield* check(["raised"], "u")).allowed)
      yield* limits.updatePolicy("raised", raised.version, { quota: 1, periodMillis: 60_000 })
      yield* TestClock.advance(60_000)
      assert.isTrue((yield* check(["raised"], "u")).allowed)
    }).pipe(fresh())
  )

  it.effect("an override admits at once, and bypass lifts the policy for its subject alone", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      yield* create({ policy: "calls", quota: 1 })
      yield* check(["calls"], "vip")
      assert.isFalse((yield* check(["calls"], "vip")).allowed)
      const override = yield* limits.putOverride("calls", { subject: { user: "vip" }, quota: 5 })
      assert.strictEqual((yield* check(["calls"], "vip")).states[0]?.remaining, 3)
      yield* limits.putOverride("calls", { subject: { user: "vip" }, bypass: true })
      assert.deepInclude(yield* check(["calls"], "vip", 1_000), { allowed: true })
      yield* check(["calls"], "other")
      assert.isFalse((yield* check(["calls"], "other")).allowed)
      assert.lengthOf((yield* limits.listOverrides("calls", {})).items, 1)
      yield* limits.removeOverride("calls", override.overrideId)
      assert.isFalse((yield* check(["calls"], "vip")).allowed)
    }).pipe(fresh())
  )

  it.effect("a policy in shadow denies nothing and counts what it would deny", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      yield* create({ policy: "trial", quota: 1, shadow: true })
      assert.isTrue((yield* check(["trial"], "u")).allowed)
      assert.isTrue((yield* check(["trial"], "u")).allowed)
      assert.strictEqual((yield* limits.peek({ policy: "trial", subject: { user: "u" } })).remaining, 0)
    }).pipe(fresh())
  )

  it.effect("peek charges nothing, refund gives back at most what is used, reset gives all back", () =>
    Effect.gen(function* () {
      const limits = yield* RateLimits
      yield* create({ policy: "bucket", quota: 10 })
      yield* create({ policy: "log", kind: "window", quota: 10 })
      for (const policy of ["bucket", "log"]) {
        const bucket = { policy, subject: { user: "u" } }
        assert.strictEqual((yield* limits.peek(bucket)).remaining, 10)
        yield* check([policy], "u", 4)
        yield* check([policy], "u", 5)
        assert.isFalse((yield* check([policy], "u", 2)).allowed)
        assert.strictEqual((yield* limits.refund({ ...bucket, cost: 6 })).remaining, 7)
        assert.isTrue((yield* check([policy], "u", 2)).allowed)
        assert.strictEqual((yield* limits.refund({ ...bucket, cost: 100 })).remaining, 10)
        assert.strictEqual((yield* limits.refund({ ...bucket, cost: 3 })).remaining, 10)
        yield* check([policy], "u", 10)
        assert.strictEqual((yield* limits.reset(bucket)).remaining, 10)
        assert.isTrue((yield* check([policy], "u", 10)).allowed)
      }
    }).pipe(fresh())
  )

  it.effect("a check inside the caller's transaction holds no row until that transaction ends", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* create({ policy: "calls", quota: 10 })
      yield* check(["calls"], "held")
      yield* sql.withTransaction(
        Effect.gen(function* () {
          assert.strictEqual((yield* check(["calls"], "held")).decidedBy, "database")
          // The row is free: a statement that does not wait for locks finds it.
          const free = yield* sql`
            SELECT 1
              FROM hm_api_rate_limit
             WHERE bucket = 'held'
               FOR UPDATE SKIP LOCKED
          `
          assert.lengthOf(free, 1)
          const second = yield* Effect.flatMap(RateLimits, (limits) =>
            limits.peek({ policy: "calls", subject: { user: "held" } })
          )
          assert.strictEqual(second.remaining, 8)
        })
      )
    }).pipe(fresh())
  )

  it.effect("a process that is not asked reads no policy", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { id } = yield* Tenant
      yield* create({ policy: "rest", quota: 10 })
      yield* check(["rest"], "u")
      // Another process goes on changing policies of the tenant.
      const change = sql`
        UPDATE hm_rate_revision
           SET revision = revision + 1
         WHERE tenant_id = ${id}
      `
      yield* Effect.repeat(Effect.andThen(change, Effect.sleep("150 millis")), { times: 12 })
      const waiting = yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`LOCK TABLE hm_rate_revision, hm_rate_policy IN ACCESS EXCLUSIVE MODE`
          yield* Effect.sleep("600 millis")
          return yield* sql`
            SELECT 1
              FROM pg_locks
             WHERE NOT granted
               AND relation IN ('hm_rate_revision'::regclass, 'hm_rate_policy'::regclass)
          `
        })
      )
      assert.lengthOf(waiting, 0)
    }).pipe(fresh())
  )

  it.effect("rows of full buckets are deleted, and no other", () =>
    Effect.gen(function* () {
      const maintenance = yield* QuotaMaintenance
      yield* create({ policy: "swept", quota: 10 })
      yield* check(["swept"], "swept-soon", 1)
      yield* check(["swept"], "swept-late", 10)
      yield* TestClock.advance(hourMillis / 2)
      yield* maintenance.sweep
      const rows = (yield* bucketRows).map(({ bucket }) => bucket)
      assert.notInclude(rows, "swept-soon")
      assert.include(rows, "swept-late")
    }).pipe(fresh(), Effect.provideService(AllTenants, { actor: "test" }))
  )

  it.effect("100,000 keys of one request each are gone an hour later, within one round of the job", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const maintenance = yield* QuotaMaintenance
      const { id } = yield* Tenant
      yield* create({ policy: "crowd", quota: 10 })
      yield* check(["crowd"], "first")
      // The rows that as many checks leave behind, as the first has left its own.
      yield* sql`
        INSERT INTO hm_api_rate_limit (tenant_id, policy, bucket, at_micros, debt, rate_quota, rate_period_micros, full_micros)
        SELECT b.tenant_id, b.policy, 'crowd-' || n, b.at_micros, b.debt, b.rate_quota, b.rate_period_micros, b.full_micros
          FROM hm_api_rate_limit b
         CROSS JOIN generate_series(1, 99999) n
         WHERE b.tenant_id = ${id} AND b.bucket = 'first'
      `
      const left = sql<{ readonly count: number; readonly late: number }>`
        SELECT count(*)::int AS count, (count(*) FILTER (WHERE bucket = 'late'))::int AS late
          FROM hm_api_rate_limit
         WHERE tenant_id = ${id}
      `
      yield* maintenance.sweep
      assert.deepStrictEqual({ ...(yield* left)[0] }, { count: 100_000, late: 0 })
      yield* TestClock.advance(hourMillis / 2)
      yield* check(["crowd"], "late", 10)
      assert.isAtLeast(yield* maintenance.sweep, 100_000)
      assert.deepStrictEqual({ ...(yield* left)[0] }, { count: 1, late: 1 })
    }).pipe(fresh(), Effect.provideService(AllTenants, { actor: "test" }))
  )

  it.effect(
    "refuses an unknown policy, a missing part, a cost above the burst and a long key, and charges nothing",
    () =>
      Effect.gen(function* () {
        const limits = yield* RateLimits
        yield* create({ policy: "calls", quota: 10 })
        yield* create({ policy: "long", quota: 10, by: ["user", "key", "route"] })
        const tagOf = (request: RateCheck) =>
          Effect.map(Effect.flip(limits.check(request)), (error) => error._tag)
        assert.strictEqual(yield* tagOf({ policies: ["none"], subject: { user: "u" } }), "RatePolicyNotFound")
        assert.strictEqual(yield* tagOf({ policies: ["calls"], subject: { key: "k" } }), "RateSubjectInvalid")
        assert.strictEqual(
          yield* tagOf({ policies: ["calls"], subject: { user: "u" }, cost: 11 }),
          "RateCostTooHigh"
        )
        const wide = "\u{1F600}".repeat(100)
        assert.strictEqual(
          yield* tagOf({ policies: ["calls", "long"], subject: { user: wide, key: wide, route: wide } }),
          "RateSubjectInvalid"
        )
        assert.strictEqual((yield* limits.peek({ policy: "calls", subject: { user: "u" } })).remaining, 10)
      }).pipe(fresh())
  )
})
