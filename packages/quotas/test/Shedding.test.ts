/** Load shedding: slots of requests, the reserve of critical routes, and a busy event loop. */
import { assert, describe, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as CoreLimits from "@hypermarket/core/Limits"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import * as RequestLimits from "@hypermarket/quotas/RequestLimits"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Context, Effect, Layer, Option, Schedule } from "effect"

const load = { busyPercent: 0 }

const serverOf = (settings: Readonly<Record<string, string>>) =>
  Layer.merge(QuotasDomain.layer, RequestLimits.layer).pipe(
    Layer.provide(
      ConfigProvider.layer(
        ConfigProvider.fromUnknown({ HM_QUOTAS_CHECK_DEADLINE: "30 seconds", ...settings })
      )
    ),
    Layer.provide(Layer.succeed(RequestLimits.EventLoop, { busyPercent: () => load.busyPercent })),
    Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
  )

const acme = TenantId.make("acme")

const ask = (route: string) =>
  Effect.flatMap(CoreLimits.Limits, (limits) =>
    limits.check({
      tenantId: acme,
      plan: Option.none(),
      keyId: "k1",
      route,
      address: { text: "192.0.2.1", bucket: "192.0.2.1" },
      cost: 1
    })
  )

const end = ({ ended }: CoreLimits.Verdict) => ended ?? Effect.void

/** Why a request is refused; undefined when it is allowed. */
const refusal = ({ allowed, problem }: CoreLimits.Verdict) =>
  allowed ? undefined : [problem?.status, problem?.["violated-policies"]]

describe("load shedding", () => {
  layer(serverOf({}), { excludeTestServices: true })("without settings", (it) => {
    it.effect("a policy of concurrency holds a slot for as long as a request runs, over all processes", () =>
      Effect.gen(function* () {
        const { createPolicy } = yield* RateLimits
        const another = Context.get(yield* Layer.build(Layer.fresh(RequestLimits.layer)), CoreLimits.Limits)
        yield* createPolicy({
          policy: "slots",
          kind: "concurrency",
          quota: 2,
          periodMillis: 600_000,
          by: ["key"]
        }).pipe(provide(acme))
        const limited = ask("events.publish").pipe(
          Effect.repeat({ until: ({ headers }) => headers.ratelimit !== undefined })
        )
        const first = yield* limited
        const second = yield* limited.pipe(Effect.provideService(CoreLimits.Limits, another))
        const third = yield* limited
        assert.deepStrictEqual([first, second, third].map(refusal), [undefined, undefined, [429, ["slots"]]])
        assert.isDefined(third.headers["retry-after"])
        yield* end(second)
        const again = yield* Effect.repeat(limited, {
          until: ({ allowed }) => allowed,
          schedule: Schedule.spaced("20 millis")
        })
        yield* end(again)
        yield* end(first)
      }).pipe(Effect.scoped)
    )
  })

  const bounded = {
    HM_QUOTAS_REQUESTS_MAX: "5",
    HM_QUOTAS_CRITICAL_RESERVE: "40",
    HM_QUOTAS_CRITICAL_ROUTES: "events.publish, risk.decide"
  }
  layer(serverOf(bounded), { excludeTestServices: true })("with places", (it) => {
    it.effect("the last places are kept for critical routes, and all of them have a bound", () =>
      Effect.gen(function* () {
        const normal = yield* Effect.forEach([1, 2, 3], () => ask("search.search"))
        assert.deepStrictEqual(normal.map(refusal), [undefined, undefined, undefined])
        const shed = yield* ask("search.search")
        assert.deepStrictEqual(refusal(shed), [503, ["reserve"]])
        assert.strictEqual(shed.headers["retry-after"], "1")
        const critical = [yield* ask("events.publish"), yield* ask("risk.decide")]
        assert.deepStrictEqual(critical.map(refusal), [undefined, undefined])
        assert.deepStrictEqual(refusal(yield* ask("risk.decide")), [503, ["concurrency"]])
        yield* Effect.forEach([...normal, ...critical], end)
        // Refused requests have kept no place.
        const again = yield* Effect.forEach([1, 2, 3, 4], () => ask("search.search"))
        assert.deepStrictEqual(again.map(refusal), [undefined, undefined, undefined, [503, ["reserve"]]])
      })
    )
  })

  const busy = { HM_QUOTAS_UTILISATION_MAX: "80", HM_QUOTAS_CRITICAL_ROUTES: "events.publish" }
  layer(serverOf(busy), { excludeTestServices: true })("with a bound of utilisation", (it) => {
    it.effect("a busy event loop sheds a growing share of the rest, no critical route, and recovers", () =>
      Effect.gen(function* () {
        const shedOf = (route: string) =>
          Effect.map(
            Effect.forEach(Array.from({ length: 200 }), () => Effect.tap(ask(route), end)),
            (verdicts) => verdicts.filter(({ allowed }) => !allowed).length
          )
        assert.strictEqual(yield* shedOf("search.search"), 0)
        load.busyPercent = 97
        const few = yield* Effect.repeat(shedOf("search.search"), { until: (shed) => shed > 0 })
        assert.isBelow(few, 200)
        assert.strictEqual(yield* shedOf("events.publish"), 0)
        yield* Effect.repeat(shedOf("search.search"), { until: (shed) => shed > few })
        load.busyPercent = 20
        yield* Effect.repeat(shedOf("search.search"), { until: (shed) => shed === 0 })
      })
    )
  })
})
