/** Effect's `RateLimiter` over its store in memory and over ours: one suite. */
import { assert, describe, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { AllTenants, Tenant, TenantId } from "@hypermarket/core/Tenant"
import { QuotaMaintenance } from "@hypermarket/quotas/QuotaMaintenance"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import * as RateLimiterStore from "@hypermarket/quotas/RateLimiterStore"
import { layer as layerTestDatabase } from "@hypermarket/testing/TestDatabase"
import { Clock, Context, Duration, Effect, Layer } from "effect"
import { RateLimiter } from "effect/persistence"
import * as SqlClient from "effect/sql/SqlClient"
import { ideographs, layerClock, TestClock } from "./rateSupport.ts"

const tenantOf = (id: string) => Layer.succeed(Tenant, { id: TenantId.make(id) })

const Ours = RateLimiterStore.layer.pipe(
  Layer.provide(tenantOf("acme")),
  Layer.provideMerge(QuotaMaintenance.layer),
  Layer.provideMerge(layerClock),
  Layer.provideMerge(layerTestDatabase(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

/** The store in memory reads the process's clock: a clock that a test moves. */
const Memory = Layer.effectContext(
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    let offsetMillis = 0
    const moved = Object.assign(Object.create(clock) as Clock.Clock, {
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + offsetMillis
    })
    return Context.make(Clock.Clock, moved).pipe(
      Context.add(TestClock, {
        advance: (millis: number) =>
          Effect.sync(() => {
            offsetMillis += millis
          })
      })
    )
  })
).pipe(Layer.provideMerge(RateLimiter.layerStoreMemory))

const hour = Duration.hours(1)

const suite = <R>(name: string, Store: Layer.Layer<RateLimiter.RateLimiterStore | TestClock | R, unknown>) =>
  layer(RateLimiter.layer.pipe(Layer.provideMerge(Store)), { excludeTestServices: true })(name, (it) => {
    it.effect("a fixed window admits its limit, tells when to come again, and starts anew", () =>
      Effect.gen(function* () {
        const limiter = yield* RateLimiter.RateLimiter
        const consume = (tokens: number) =>
          limiter.consume({ key: "window", limit: 4, window: hour, tokens, onExceeded: "fail" })
        assert.strictEqual((yield* consume(3)).remaining, 1)
        const { reason } = yield* Effect.flip(consume(2))
        assert.deepInclude(reason, { _tag: "RateLimitExceeded", limit: 4, remaining: 0 })
        assert.strictEqual((yield* consume(1)).remaining, 0)
        yield* TestClock.advance(3_600_000)
        assert.strictEqual((yield* consume(4)).remaining, 0)
      })
    )

    it.effect("a window that delays tells for how long", () =>
      Effect.gen(function* () {
        const limiter = yield* RateLimiter.RateLimiter
        const consume = limiter.consume({ key: "late", limit: 2, window: hour, onExceeded: "delay" })
        assert.isTrue(Duration.isZero((yield* consume).delay))
        assert.isTrue(Duration.isZero((yield* consume).delay))
        const { delay } = yield* consume
        assert.isAtMost(Math.abs(Duration.toMillis(delay) - 3_600_000), 60_000)
      })
    )

    it.effect("a token bucket refills one token after another", () =>
      Effect.gen(function* () {
        const limiter = yield* RateLimiter.RateLimiter
        const consume = limiter.consume({
          key: "bucket",
          algorithm: "token-bucket",
          limit: 3,
          window: hour,
          onExceeded: "fail"
        })
        for (const remaining of [2, 1, 0]) assert.strictEqual((yield* consume).remaining, remaining)
        assert.strictEqual((yield* Effect.flip(consume)).reason._tag, "RateLimitExceeded")
        yield* TestClock.advance(1_200_000)
        assert.strictEqual((yield* consume).remaining, 0)
        assert.strictEqual((yield* Effect.flip(consume)).reason._tag, "RateLimitExceeded")
      })
    )

    it.effect("an adaptive limit cools down after 429, learns and keeps what it learned", () =>
      Effect.gen(function* () {
        const limiter = yield* RateLimiter.RateLimiter
        const asked = { key: "adaptive", tokens: 1, fallbackLimit: 10, fallbackWindow: hour }
        const consume = limiter.adaptiveConsume(asked)
        const refused = (epoch: number) =>
          limiter.adaptiveFeedback({ key: "adaptive", tokens: 1, epoch, status: 429, retryAfter: hour })
        assert.strictEqual((yield* consume).phase, "inactive")
        yield* refused(0)
        const cooling = yield* consume
        assert.strictEqual(cooling.phase, "cooldown")
        assert.isAtMost(Math.abs(Duration.toMillis(cooling.delay) - 3_600_000), 60_000)
        yield* TestClock.advance(3_600_000)
        const learning = yield* consume
        assert.deepInclude(learning, { phase: "learning", epoch: 1 })
        yield* consume
        yield* consume
        // Feedback of an earlier epoch changes nothing.
        yield* refused(0)
        assert.strictEqual((yield* consume).phase, "learning")
        yield* refused(1)
        const learned = yield* consume
        assert.deepInclude(learned, { phase: "learned", epoch: 2 })
        assert.isAbove(Duration.toMillis(learned.delay), 0)
      })
    )
  })

describe("RateLimiterStore", () => {
  suite("in memory", Memory)
  suite("over Postgres", Ours)
})

layer(Ours, { excludeTestServices: true })("RateLimiterStore of a tenant", (it) => {
  const of = (tenant: string) =>
    Effect.flatMap(
      Layer.build(Layer.fresh(RateLimiterStore.layer).pipe(Layer.provide(tenantOf(tenant)))),
      (context) => Effect.succeed(Context.get(context, RateLimiter.RateLimiterStore))
    )
  const asked = { key: "shared", tokens: 1, refillRate: hour, limit: 5 }

  it.effect("many requests of one key are counted once each, apart from another tenant's", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* of("one"), yield* of("other")]
      const counts = yield* Effect.forEach(
        Array.from({ length: 20 }),
        () => one.fixedWindow({ ...asked, limit: undefined }),
        { concurrency: 8 }
      )
      assert.deepStrictEqual(
        counts.map(([count]) => count).toSorted((a, b) => a - b),
        Array.from({ length: 20 }, (_, index) => index + 1)
      )
      assert.strictEqual((yield* other.fixedWindow(asked))[0], 1)
    }).pipe(Effect.scoped)
  )

  it.effect(
    "refuses endless and non-positive windows and wrong amounts, names the field, and charges nothing",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* of("refused")
        const limiter = yield* RateLimiter.make.pipe(
          Effect.provideService(RateLimiter.RateLimiterStore, store)
        )
        const consume = { key: "k", tokens: 1, fallbackLimit: 4, fallbackWindow: hour }
        const bucket = { ...asked, allowOverflow: true }
        const refused: ReadonlyArray<
          readonly [Effect.Effect<unknown, RateLimiter.RateLimiterError>, string]
        > = [
          [store.fixedWindow({ ...asked, refillRate: Duration.infinity }), "refillRate"],
          [store.fixedWindow({ ...asked, refillRate: Duration.zero }), "refillRate"],
          [store.fixedWindow({ ...asked, refillRate: Duration.days(367) }), "refillRate"],
          [store.tokenBucket({ ...bucket, refillRate: Duration.zero }), "refillRate"],
          [store.tokenBucket({ ...bucket, limit: Number.NaN }), "limit"],
          [store.tokenBucket({ ...bucket, tokens: -1 }), "tokens"],
          [store.fixedWindow({ ...asked, tokens: Number.POSITIVE_INFINITY }), "tokens"],
          [store.fixedWindow({ ...asked, key: "a\u0000b" }), "key"],
          // No two alike: such text is not compressed. 983 characters, and more bytes than an entry of the index holds.
          [store.fixedWindow({ ...asked, key: ideographs(983) }), "key"],
          [store.adaptiveConsume({ ...consume, fallbackWindow: Duration.infinity }), "fallbackWindow"],
          [store.adaptiveConsume({ ...consume, fallbackWindow: Duration.zero }), "fallbackWindow"],
          [store.adaptiveConsume({ ...consume, fallbackLimit: -2 }), "fallbackLimit"],
          [limiter.consume({ key: "k", limit: 3, window: "Infinity", onExceeded: "delay" }), "refillRate"]
        ] as const
        for (const [request, field] of refused) {
          const { reason } = yield* Effect.flip(request)
          assert.strictEqual(reason._tag, "RateLimitStoreError")
          assert.strictEqual(reason.message.split(":")[0], field)
        }
        const rows = yield* sql`
        SELECT 1
          FROM hm_rate_store
         WHERE tenant_id = 'refused'
      `
        assert.lengthOf(rows, 0)
        assert.strictEqual((yield* store.fixedWindow({ ...asked, key: ideographs(660) }))[0], 1)
        // Tokens without a limit add up to an end after the year 9999.
        const far = { ...asked, limit: undefined, tokens: 1e14, refillRate: Duration.days(300) }
        assert.strictEqual((yield* store.fixedWindow(far))[0], 1e14)
      }).pipe(Effect.scoped)
  )

  it.effect(
    "refuses a key of 10 KB, counts outside the caller's transaction, and its rows go when they ended",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const store = yield* of("rows")
        const { reason } = yield* Effect.flip(store.fixedWindow({ ...asked, key: "k".repeat(10_000) }))
        assert.strictEqual(reason._tag, "RateLimitStoreError")
        const rolledBack = sql.withTransaction(
          Effect.andThen(store.fixedWindow(asked), Effect.fail("rolled back"))
        )
        assert.strictEqual(yield* Effect.flip(rolledBack), "rolled back")
        assert.strictEqual((yield* store.fixedWindow(asked))[0], 2)
        const rows = sql`
        SELECT 1
          FROM hm_rate_store
         WHERE tenant_id = 'rows'
      `
        const { prune } = yield* QuotaMaintenance
        yield* prune
        assert.lengthOf(yield* rows, 1)
        yield* TestClock.advance(7_200_000)
        yield* prune
        assert.lengthOf(yield* rows, 0)
      }).pipe(Effect.scoped, Effect.provideService(AllTenants, { actor: "test" }))
  )
})
