/** Limiters of rate-limiter-flexible in memory, and ours over Postgres: one suite. */
import { assert, describe, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as CorePromises from "@hypermarket/core/Promises"
import { TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import type { RateLimiterFlexible } from "@hypermarket/quotas/RateLimiterFlexible"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Effect, Layer, Schedule } from "effect"
import { ideographs } from "./rateSupport.ts"
import { RateLimiterMemory } from "rate-limiter-flexible"

/** The part of both that a program uses. */
type Limiter = Pick<
  RateLimiterFlexible,
  "block" | "consume" | "delete" | "get" | "penalty" | "reward" | "set"
>

interface Options {
  readonly points: number
  readonly duration: number
  readonly keyPrefix: string
  readonly blockDuration?: number
}

class Limiters extends Context.Service<
  Limiters,
  { readonly open: (options: Options, tenant?: string) => Promise<Limiter> }
>()("@hypermarket/quotas/test/Limiters") {}

const InMemory = Layer.succeed(Limiters, { open: async (options) => new RateLimiterMemory(options) })

const Ours = Layer.effect(
  Limiters,
  Effect.gen(function* () {
    const { url } = yield* TestDatabase.TestDatabase
    const connected = yield* Effect.acquireRelease(
      Effect.promise(() => CorePromises.connect({ connectionString: url, domains: [QuotasDomain] })),
      (open) => Effect.promise(() => open.close())
    )
    return {
      open: (options, tenant = "acme") => connected.tenant(TenantId.make(tenant)).flexibleLimits.open(options)
    }
  })
).pipe(Layer.provide(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations)))

/** The reason of a refusal, and `undefined` for a resolved call. */
const rejection = (call: Promise<unknown>) =>
  Effect.promise(() =>
    call.then(
      () => undefined,
      (reason: unknown) => reason
    )
  )

const hour = 3_600
const poll = Schedule.spaced("50 millis")

const suite = (name: string, Backend: Layer.Layer<Limiters>) =>
  layer(Backend, { excludeTestServices: true })(name, (it) => {
    const open = (options: Options, tenant?: string) =>
      Effect.flatMap(Limiters, (limiters) => Effect.promise(() => limiters.open(options, tenant)))
    const numbers = (call: Promise<unknown>) =>
      Effect.map(
        Effect.promise(() => call),
        (res) => JSON.parse(JSON.stringify(res))
      )

    it.effect("consume resolves with what is left, and rejects with an answer that is no error", () =>
      Effect.gen(function* () {
        const limiter = yield* open({ points: 4, duration: hour, keyPrefix: "consume" })
        assert.deepInclude(yield* numbers(limiter.consume("k", 3)), {
          remainingPoints: 1,
          consumedPoints: 3,
          isFirstInDuration: true
        })
        assert.deepInclude(yield* numbers(limiter.consume("k")), {
          remainingPoints: 0,
          consumedPoints: 4,
          isFirstInDuration: false
        })
        const refused = yield* rejection(limiter.consume("k"))
        assert.notInstanceOf(refused, Error)
        assert.deepInclude(JSON.parse(JSON.stringify(refused)), { remainingPoints: 0, consumedPoints: 5 })
        const { msBeforeNext } = (yield* numbers(limiter.get("k"))) as { msBeforeNext: number }
        assert.isAbove(msBeforeNext, 0)
        assert.isAtMost(msBeforeNext, hour * 1_000)
        assert.isUndefined(yield* rejection(limiter.consume("another")))
      })
    )

    it.effect("penalty and reward move the points of a key", () =>
      Effect.gen(function* () {
        const limiter = yield* open({ points: 5, duration: hour, keyPrefix: "moved" })
        assert.deepInclude(yield* numbers(limiter.penalty("k", 4)), { consumedPoints: 4, remainingPoints: 1 })
        assert.deepInclude(yield* numbers(limiter.penalty("k", 3)), { consumedPoints: 7, remainingPoints: 0 })
        assert.deepInclude(yield* numbers(limiter.reward("k", 6)), { consumedPoints: 1, remainingPoints: 4 })
        assert.deepInclude(yield* numbers(limiter.consume("k", 4)), { consumedPoints: 5 })
      })
    )

    it.effect("block refuses a key, delete forgets it, get knows no more of it", () =>
      Effect.gen(function* () {
        const limiter = yield* open({ points: 2, duration: 1, keyPrefix: "blocked" })
        assert.isNull(yield* Effect.promise(() => limiter.get("k")))
        assert.deepInclude(yield* numbers(limiter.block("k", hour)), {
          consumedPoints: 3,
          remainingPoints: 0
        })
        const refused = JSON.parse(JSON.stringify(yield* rejection(limiter.consume("k"))))
        assert.isAbove(refused.msBeforeNext, (hour - 60) * 1_000)
        assert.isTrue(yield* Effect.promise(() => limiter.delete("k")))
        assert.isFalse(yield* Effect.promise(() => limiter.delete("k")))
        assert.isNull(yield* Effect.promise(() => limiter.get("k")))
        assert.isUndefined(yield* rejection(limiter.consume("k")))
      })
    )

    it.effect("the first request above the points begins a block", () =>
      Effect.gen(function* () {
        const limiter = yield* open({
          points: 1,
          duration: 60,
          keyPrefix: "blocking",
          blockDuration: hour
        })
        yield* numbers(limiter.consume("k"))
        for (const consumedPoints of [2, 3]) {
          const refused = JSON.parse(JSON.stringify(yield* rejection(limiter.consume("k"))))
          assert.strictEqual(refused.consumedPoints, consumedPoints)
          assert.isAbove(refused.msBeforeNext, 60_000)
        }
      })
    )

    it.effect("a window ends, and points of no duration never do", () =>
      Effect.gen(function* () {
        const short = yield* open({ points: 1, duration: 1, keyPrefix: "short" })
        yield* numbers(short.consume("k"))
        yield* Effect.repeat(
          Effect.promise(() => short.get("k")),
          { until: (res) => res === null, schedule: poll }
        )
        assert.deepInclude(yield* numbers(short.consume("k")), { consumedPoints: 1, isFirstInDuration: true })
        const endless = yield* open({ points: 3, duration: 0, keyPrefix: "endless" })
        assert.deepInclude(yield* numbers(endless.consume("k")), { msBeforeNext: -1, remainingPoints: 2 })
        assert.deepInclude(yield* numbers(endless.set("k", 3, 0)), { consumedPoints: 3, msBeforeNext: -1 })
        assert.isDefined(yield* rejection(endless.consume("k")))
      })
    )

    it.effect("of many callers at once as many are admitted as there are points", () =>
      Effect.gen(function* () {
        const limiter = yield* open({ points: 7, duration: hour, keyPrefix: "crowd" })
        const refusals = yield* Effect.forEach(
          Array.from({ length: 20 }),
          () => rejection(limiter.consume("k")),
          { concurrency: "unbounded" }
        )
        assert.lengthOf(
          refusals.filter((refusal) => refusal === undefined),
          7
        )
      })
    )
  })

describe("rate-limiter-flexible", () => {
  suite("in memory", InMemory)
  suite("over Postgres", Ours)
})

layer(Ours, { excludeTestServices: true })("RateLimiterFlexible", (it) => {
  it.effect("keeps tenants apart, and refuses keys, points and options by name", () =>
    Effect.gen(function* () {
      const limiters = yield* Limiters
      const options = { points: 1, duration: hour, keyPrefix: "tenants" }
      const [acme, globex] = yield* Effect.promise(() =>
        Promise.all([limiters.open(options), limiters.open(options, "globex")])
      )
      assert.isUndefined(yield* rejection(acme.consume("k")))
      assert.isUndefined(yield* rejection(globex.consume("k")))
      const refused: ReadonlyArray<readonly [Promise<unknown>, RegExp]> = [
        [acme.consume("k".repeat(10_000)), /^consume: Expected a key/],
        [acme.consume("a\u0000b"), /^consume: Expected a key/],
        [acme.get(ideographs(890)), /^get: Expected a key .* bytes/],
        [acme.consume("k", -1), /^consume: Expected points/],
        [acme.reward("k", Number.NaN), /^reward: Expected points/],
        [acme.block("k", Number.POSITIVE_INFINITY), /^block: Expected seconds/],
        [limiters.open({ ...options, points: 1.5 }), /points/],
        [limiters.open({ ...options, duration: -1 }), /duration/]
      ]
      for (const [call, message] of refused) {
        const reason = yield* rejection(call)
        assert.instanceOf(reason, Error)
        assert.match((reason as Error).message, message)
      }
      assert.strictEqual((yield* Effect.promise(() => acme.get("k")))?.consumedPoints, 1)
    })
  )
})
