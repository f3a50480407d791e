import { assert, layer } from "@effect/vitest"
import * as Actor from "@hypermarket/core/Actor"
import * as Api from "@hypermarket/core/Api"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { FeatureFlags } from "@hypermarket/platform/FeatureFlags"
import { FlagChangeRequests } from "@hypermarket/platform/FlagChangeRequests"
import { FlagRequestGroup, FlagRequestsApi } from "@hypermarket/platform/FlagRequestsApi"
import * as FlagRequestsHttp from "@hypermarket/platform/FlagRequestsHttp"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { HttpApi } from "effect/http-api"

const TestServer = TestApi.layer(FlagRequestsApi, FlagRequestsHttp.layer).pipe(
  Layer.provideMerge(PlatformDomain.layer),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations))
)

const owner = TenantId.make("owner")
const on = { isEnabled: true, rules: [], otherwise: { variant: "on" } }
const path = "/v1/platform/flag-requests"

const propose = Effect.fnUntraced(function* (flagKey: string) {
  const flags = yield* FeatureFlags
  const requests = yield* FlagChangeRequests
  yield* flags.create({ flagKey, kind: "boolean", environments: { live: on } })
  const steps = [{ does: { environment: "live", isEnabled: false } }]
  return yield* requests.create({ flagKey, baseVersion: 1, steps })
})

layer(TestServer, { excludeTestServices: true })("Change requests over HTTP", (it) => {
  const seed = Effect.gen(function* () {
    const flagKey = `flag-${crypto.randomUUID()}`
    const { requestId } = yield* propose(flagKey).pipe(
      Effect.provideService(Actor.Actor, { type: "key", id: "of a colleague" }),
      provide(owner)
    )
    const steps = [{ does: { environment: "live", isEnabled: false } }]
    return {
      ownerKey: "owner",
      strangerKey: "stranger",
      params: { requestId, environment: "live" },
      payloads: {
        create: { flagKey, baseVersion: 1, steps },
        close: { reason: "test" },
        set: { requiresApproval: true }
      },
      watched: [`${path}/${requestId}`, "/v1/platform/flag-environments"]
    }
  })

  // Environments are found by names that tenants share: each has its own.
  TenantIsolation.suite(it, HttpApi.make(Api.id).add(FlagRequestGroup), seed)

  it.effect("have nothing to do with another tenant's environment of the same name", () =>
    Effect.gen(function* () {
      const environment = "/v1/platform/flag-environments/shared-name"
      const set = yield* TestApi.send("PUT", environment, {
        key: "stranger",
        body: { requiresApproval: true },
        headers: { "if-match": '"0"' }
      })
      assert.deepInclude(set.body, { requiresApproval: true, version: 1 })
      const read = yield* TestApi.send("GET", environment, { key: "owner" })
      assert.deepInclude(read.body, { requiresApproval: false, version: 0 })
      const listed = yield* TestApi.send("GET", "/v1/platform/flag-environments", { key: "owner" })
      assert.notInclude(listed.text, "shared-name")
    })
  )

  DoorIsolation.suite(it, {
    fixed: ["environment"],
    domain: PlatformDomain,
    services: ["flagRequests", "flagEnvironments"],
    seed
  })

  it.effect("answer 409 to the second of two that are approved on the same base, and change nothing", () =>
    Effect.gen(function* () {
      const acme = TenantId.make("acme")
      const flags = yield* FeatureFlags
      const requests = yield* FlagChangeRequests
      const first = yield* propose("twice").pipe(provide(acme))
      const second = yield* requests
        .create({
          flagKey: "twice",
          baseVersion: 1,
          steps: [{ does: { environment: "live", state: { ...on, otherwise: { variant: "off" } } } }]
        })
        .pipe(provide(acme))
      const approved = yield* TestApi.send("POST", `${path}/${first.requestId}/approve`)
      assert.strictEqual(approved.status, 200, approved.text)
      assert.deepInclude(approved.body, { status: "applied", stepsDone: 1 })
      const stale = yield* TestApi.send("POST", `${path}/${second.requestId}/approve`)
      assert.strictEqual(stale.status, 409)
      assert.deepInclude(stale.body, {
        type: "urn:hypermarket:problem:platform:flag-request-stale",
        baseVersion: 1,
        currentVersion: 2
      })
      const kept = yield* TestApi.send("GET", `${path}/${second.requestId}`)
      assert.deepInclude(kept.body, { status: "pending", approver: null, stepsDone: 0 })
      const flag = yield* flags.get("twice").pipe(provide(acme))
      assert.deepStrictEqual([flag.version, flag.environments], [2, { live: { ...on, isEnabled: false } }])
      const again = yield* TestApi.send("POST", `${path}/${first.requestId}/approve`)
      assert.deepInclude(again.body, { status: 409, state: "applied" })
    })
  )

  it.effect("refuse steps that are out of order, mixed or unknown, and name the field", () =>
    Effect.gen(function* () {
      const isEnabled = { does: { environment: "live", isEnabled: true } }
      const steps = [
        [],
        [{ ...isEnabled, at: "2099-01-02T00:00:00Z" }, isEnabled],
        [
          { ...isEnabled, at: "2099-01-02T00:00:00Z" },
          { ...isEnabled, at: "2099-01-02T01:00:00+01:00" }
        ],
        [{ does: { environment: "live", isEnabled: true, percentage: 5 } }],
        [{ does: { environment: "live", ruleId: "r", percentage: 5.00005 } }],
        [{ does: { archive: "old" } }, { ...isEnabled, at: "2099-01-02T00:00:00Z" }],
        [{ does: { environment: "Live", isEnabled: true } }],
        Array.from({ length: 51 }, () => isEnabled)
      ]
      for (const list of steps) {
        const answer = yield* TestApi.send("POST", path, {
          body: { flagKey: "x", baseVersion: 1, steps: list }
        })
        assert.strictEqual(answer.status, 400, answer.text)
        assert.include(answer.text, '"steps"')
      }
    })
  )
})
