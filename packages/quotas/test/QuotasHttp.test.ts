import { assert, layer } from "@effect/vitest"
import * as Api from "@hypermarket/core/Api"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { LimitsGroup } from "@hypermarket/quotas/LimitsGroup"
import { QuotasApi } from "@hypermarket/quotas/QuotasApi"
import * as QuotasDomain from "@hypermarket/quotas/QuotasDomain"
import { QuotasGroup } from "@hypermarket/quotas/QuotasGroup"
import * as QuotasHttp from "@hypermarket/quotas/QuotasHttp"
import { RateLimits } from "@hypermarket/quotas/RateLimits"
import { TenantQuotas } from "@hypermarket/quotas/TenantQuotas"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { HttpApi } from "effect/http-api"
import { patient } from "./rateSupport.ts"

const TestServer = TestApi.layer(QuotasApi, QuotasHttp.layer).pipe(
  Layer.provideMerge(QuotasDomain.layer.pipe(Layer.provide(patient))),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, QuotasDomain.domain.migrations))
)

let seeds = 0

/** Names of their own for each seed: the suite removes what it has. */
const names = () => {
  seeds++
  return {
    owner: `owner-${seeds}`,
    stranger: `stranger-${seeds}`,
    policy: `owned-${seeds}`,
    feature: `owned.${seeds}`
  }
}

layer(TestServer, { excludeTestServices: true })("QuotasHttp", (it) => {
  const limitsSeed = Effect.gen(function* () {
    const limits = yield* RateLimits
    const { owner, policy, stranger } = names()
    const asOwner = provide(TenantId.make(owner))
    const fields = { kind: "gcra", quota: 10, periodMillis: 3_600_000, by: ["user"] } as const
    yield* limits.createPolicy({ policy, ...fields }).pipe(asOwner)
    yield* limits.createPolicy({ policy: "asked", ...fields }).pipe(asOwner)
    const override = yield* limits.putOverride(policy, { subject: { user: "vip" }, quota: 20 }).pipe(asOwner)
    const bucket = { policy: "asked", subject: { user: "u" } }
    return {
      ownerKey: owner,
      strangerKey: stranger,
      params: { policy, overrideId: override.overrideId },
      payloads: {
        createPolicy: { policy: "new", ...fields },
        updatePolicy: { quota: 11 },
        putOverride: { subject: { user: "vip" }, quota: 30 },
        check: { policies: ["asked"], subject: { user: "u" } },
        peek: bucket,
        refund: { ...bucket, cost: 1 },
        reset: bucket,
        release: {
          policies: ["asked"],
          subject: { user: "u" },
          lease: "0199a000-0000-7000-8000-000000000000"
        }
      },
      watched: [`/v1/quotas/policies/${policy}`, `/v1/quotas/policies/${policy}/overrides`]
    }
  })

  TenantIsolation.suite(it, HttpApi.make(Api.id).add(LimitsGroup), limitsSeed)

  DoorIsolation.suite(it, {
    domain: QuotasDomain,
    services: ["limits", "installationLimits"],
    seed: limitsSeed
  })

  const quotasSeed = Effect.gen(function* () {
    const quotas = yield* TenantQuotas
    const { feature, owner, stranger } = names()
    const asOwner = provide(TenantId.make(owner))
    yield* quotas.createFeature({ feature, kind: "metered" }).pipe(asOwner)
    yield* quotas.createFeature({ feature: "asked", kind: "metered" }).pipe(asOwner)
    const grant = yield* quotas.grant(feature, { source: "plan", amount: 100 }).pipe(asOwner)
    yield* quotas.grant("asked", { source: "plan", amount: 100 }).pipe(asOwner)
    const reservation = yield* quotas.reserve({ key: "k", feature, amount: 1 }).pipe(asOwner)
    return {
      ownerKey: owner,
      strangerKey: stranger,
      params: { feature, grantId: grant.grantId, reservationId: reservation.reservationId },
      payloads: {
        createFeature: { feature: "new", kind: "boolean" },
        updateFeature: { soft: true },
        grant: { source: "grant", amount: 5 },
        reserve: { key: "other", feature: "asked", amount: 1 },
        commit: { amount: 1 },
        record: { key: "record", feature: "asked", amount: 1 },
        usage: { feature: "asked" },
        check: { items: [{ feature: "asked" }] }
      },
      watched: [
        `/v1/quotas/features/${feature}`,
        `/v1/quotas/features/${feature}/grants`,
        `/v1/quotas/reservations/${reservation.reservationId}`
      ]
    }
  })

  TenantIsolation.suite(it, HttpApi.make(Api.id).add(QuotasGroup), quotasSeed)

  DoorIsolation.suite(it, { domain: QuotasDomain, services: ["quotas"], seed: quotasSeed })

  it.effect("makes a policy once per Idempotency-Key, checks it, and changes it at its version", () =>
    Effect.gen(function* () {
      const body = { policy: "checkout", kind: "gcra", quota: 2, periodMillis: 3_600_000, by: ["user"] }
      const sent = { body, headers: { "idempotency-key": "p1" } }
      assert.strictEqual((yield* TestApi.send("POST", "/v1/quotas/policies", sent)).status, 201)
      assert.strictEqual((yield* TestApi.send("POST", "/v1/quotas/policies", sent)).status, 201)
      const asked = { body: { policies: ["checkout"], subject: { user: "u" }, cost: 2 } }
      const check = TestApi.send("POST", "/v1/quotas/limits/check", asked)
      assert.deepInclude((yield* check).body, { allowed: true })
      assert.deepInclude((yield* check).body, { allowed: false, retryAfterSeconds: 3_600 })
      const raised = yield* TestApi.send("PATCH", "/v1/quotas/policies/checkout", {
        body: { quota: 20 },
        headers: { "if-match": '"1"' }
      })
      assert.deepInclude(raised.body, { quota: 20, burst: 20, version: 2 })
      assert.deepInclude((yield* check).body, { allowed: true })
    })
  )

  it.effect("reserves, commits and reads usage over HTTP", () =>
    Effect.gen(function* () {
      yield* TestApi.send("POST", "/v1/quotas/features", { body: { feature: "api.calls", kind: "metered" } })
      yield* TestApi.send("POST", "/v1/quotas/features/api.calls/grants", {
        body: { source: "plan", amount: 10 }
      })
      const reserve = (key: string, amount: number) =>
        TestApi.send("POST", "/v1/quotas/reservations", { body: { key, feature: "api.calls", amount } })
      const reservation = yield* reserve("a", 8)
      assert.strictEqual(reservation.status, 201)
      const refused = yield* reserve("b", 3)
      assert.deepInclude(refused.body, { status: 409, remaining: 2, requested: 3 })
      const path = `/v1/quotas/reservations/${String(reservation.body["reservationId"])}/commit`
      assert.strictEqual((yield* TestApi.send("POST", path, { body: { amount: 5 } })).status, 200)
      const usage = yield* TestApi.send("POST", "/v1/quotas/usage", { body: { feature: "api.calls" } })
      assert.deepInclude(usage.body, { used: 5, held: 0, remaining: 5 })
    })
  )

  it.effect("policy names are printable ASCII and quotas below 10^15: else refused when made", () =>
    Effect.gen(function* () {
      const body = { policy: "p", kind: "gcra", quota: 1, periodMillis: 1_000, by: ["user"] }
      for (const [wrong, field] of [
        [{ policy: "caf\u00e9" }, "policy"],
        [{ quota: 1e15 }, "quota"],
        [{ quota: 0 }, "quota"],
        [{ kind: "window", quota: 10_001 }, "quota"],
        [{ kind: "window", burst: 2 }, "burst"],
        [{ by: ["user", "user"] }, "by"]
      ] as const) {
        const answer = yield* TestApi.send("POST", "/v1/quotas/policies", { body: { ...body, ...wrong } })
        assert.strictEqual(answer.status, 400, JSON.stringify(wrong))
        assert.include(answer.text, field)
      }
    })
  )

  it.effect("refuses negative amounts, unknown zones and unknown fields by the caller's field", () =>
    Effect.gen(function* () {
      const period = { unit: "month", anchor: "2026-01-01T00:00:00Z", zone: "Europe/Berlin" }
      for (const [path, body, field] of [
        ["/v1/quotas/reservations", { key: "k", feature: "f", amount: -1 }, "amount"],
        ["/v1/quotas/records", { key: "k", feature: "f", amount: 1.5 }, "amount"],
        ["/v1/quotas/records", { key: "x".repeat(10_000), feature: "f", amount: 1 }, "key"],
        [
          "/v1/quotas/features",
          { feature: "f", kind: "metered", period: { ...period, zone: "Mars/Base" } },
          "zone"
        ],
        ["/v1/quotas/features", { feature: "f", kind: "boolean", period }, "period"],
        ["/v1/quotas/limits/check", { policies: ["p"], subject: { user: "u" }, cost: -1 }, "cost"],
        ["/v1/quotas/limits/check", { policies: ["p"], subject: { user: "x".repeat(10_000) } }, "user"],
        ["/v1/quotas/check", { items: [], colour: "red" }, "colour"]
      ] as const) {
        const answer = yield* TestApi.send("POST", path, { body })
        assert.strictEqual(answer.status, 400, answer.text)
        assert.include(answer.text, field)
      }
    })
  )

  it.effect("policies of the installation need the tenant-less credential", () =>
    Effect.gen(function* () {
      const body = { policy: "default", kind: "gcra", quota: 100, periodMillis: 60_000, by: ["tenant"] }
      const path = "/v1/quotas/installation/policies"
      assert.strictEqual((yield* TestApi.send("POST", path, { body })).status, 403)
      const made = yield* TestApi.send("POST", path, { body, key: "_system" })
      assert.deepInclude(made.body, { policy: "default", fallback: true })
    })
  )
})
