import { assert, layer } from "@effect/vitest"
import * as Api from "@hypermarket/core/Api"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { PolicyApi, PolicyGroup } from "@hypermarket/platform/PolicyApi"
import * as PolicyHttp from "@hypermarket/platform/PolicyHttp"
import { RegionPolicies } from "@hypermarket/platform/RegionPolicies"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import { SubjectApi, SubjectGroup } from "@hypermarket/platform/SubjectApi"
import * as SubjectHttp from "@hypermarket/platform/SubjectHttp"
import { SubjectRequests } from "@hypermarket/platform/SubjectRequests"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, type Schema } from "effect"
import { HttpApi } from "effect/http-api"
import { SqlClient } from "effect/sql"

const TestServer = TestApi.layer(
  HttpApi.make(Api.id).addHttpApi(PolicyApi).addHttpApi(SubjectApi),
  Layer.merge(PolicyHttp.layer, SubjectHttp.layer)
).pipe(
  Layer.provideMerge(PlatformDomain.layer),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations))
)

const fields = {
  actions: ["listing.publish"],
  region: "US-UT",
  effect: "deny",
  legalBasis: "Test Code 1",
  source: "https://example.com/law"
} as const

layer(TestServer, { excludeTestServices: true })("PolicyHttp", (it) => {
  const seed = Effect.gen(function* () {
    const policies = yield* RegionPolicies
    const policyKey = `owned-${crypto.randomUUID()}`
    yield* policies.create({ policyKey, ...fields }).pipe(provide(TenantId.make("owner")))
    yield* policies
      .decideNow({ action: "listing.publish", region: "US-UT", reference: policyKey })
      .pipe(provide(TenantId.make("owner")))
    return {
      ownerKey: "owner",
      strangerKey: "stranger",
      params: { policyKey },
      payloads: {
        createPolicy: { policyKey: `new-${crypto.randomUUID()}`, ...fields },
        changePolicy: { ...fields, region: "US" },
        decide: { action: "listing.publish", region: "US-UT" },
        dryRun: {
          policy: { policyKey: "dry", ...fields },
          questions: [{ action: "listing.publish", region: "US-UT" }]
        }
      },
      watched: [`/v1/platform/policies/${policyKey}`]
    }
  })

  TenantIsolation.suite(it, HttpApi.make(Api.id).add(PolicyGroup), seed)

  DoorIsolation.suite(it, { domain: PlatformDomain, services: ["policy", "installationPolicies"], seed })

  const subjectSeed = Effect.gen(function* () {
    const requests = yield* SubjectRequests
    const request = { kind: "export", subject: { kind: "customer", id: "c-1" } } as const
    const { requestId } = yield* requests.create(request).pipe(provide(TenantId.make("owner")))
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      UPDATE hm_platform_subject_request
         SET state = 'done', finished_at = now(), parts = 71717
       WHERE request_id = ${requestId}::uuid
    `
    yield* sql`
      INSERT INTO hm_platform_subject_part (tenant_id, request_id, number, lines)
      VALUES ('owner', ${requestId}::uuid, 71717, '{"table":"hm_order_line"}')
    `
    return {
      ownerKey: "owner",
      strangerKey: "stranger",
      params: { requestId, part: "71717" },
      payloads: { create: request },
      watched: [`/v1/platform/subjects/requests/${requestId}`]
    }
  })

  TenantIsolation.suite(it, HttpApi.make(Api.id).add(SubjectGroup), subjectSeed)

  DoorIsolation.suite(it, { domain: PlatformDomain, services: ["subjects"], seed: subjectSeed })

  it.effect(
    "lists a decision with a reference as soon as it is answered, and finds it by policy and reference",
    () =>
      Effect.gen(function* () {
        const policies = yield* RegionPolicies
        const acme = provide(TenantId.make("acme"))
        yield* policies.create({ policyKey: "hive", ...fields, region: "US-NV" }).pipe(acme)
        const decided = yield* TestApi.send("POST", "/v1/platform/policy/decisions", {
          body: { action: "listing.publish", region: "US-NV", reference: "l-92" }
        })
        assert.strictEqual(decided.status, 200, decided.text)
        for (const filter of ["reference=l-92", "policyKey=hive", "effect=deny&action=listing.publish"]) {
          const listed = yield* TestApi.send("GET", `/v1/platform/policy/decisions?${filter}`)
          assert.deepNestedInclude(listed.body, {
            "items[0].reference": "l-92",
            "items[0].because[0].version": 1,
            "items[0].because[0].policyKey": "hive",
            "items[0].decisions": 1
          })
        }
        const none = yield* TestApi.send("GET", "/v1/platform/policy/decisions?policyKey=another")
        assert.deepStrictEqual(none.body, { items: [], nextCursor: null })
      })
  )

  it.effect("names the field of a region that is not assigned, and the code to write", () =>
    Effect.gen(function* () {
      const policy = yield* TestApi.send("POST", "/v1/platform/policies", {
        body: { policyKey: "p", ...fields, region: "UK" }
      })
      assert.strictEqual(policy.status, 400, policy.text)
      assert.deepNestedInclude(policy.body, { "errors[0].path": ["region"] })
      assert.include(policy.text, "Expected GB")
      const unassigned = yield* TestApi.send("POST", "/v1/platform/policies", {
        body: { policyKey: "p", ...fields, region: "QX" }
      })
      assert.strictEqual(unassigned.status, 422, unassigned.text)
      assert.deepNestedInclude(unassigned.body, { "errors[0].path": ["region"] })
      const question = yield* TestApi.send("POST", "/v1/platform/policy/decisions", {
        body: { action: "listing.publish", region: "EL" }
      })
      assert.strictEqual(question.status, 400)
      assert.include(question.text, "Expected GR")
    })
  )

  it.effect("refuses an unknown operator, and a pattern that cannot be matched with 422 and its path", () =>
    Effect.gen(function* () {
      const send = (condition: Schema.Json) =>
        TestApi.send("POST", "/v1/platform/policies", { body: { policyKey: "p", ...fields, condition } })
      const unknown = yield* send({ attribute: "a", operator: "newer", value: 1 })
      assert.strictEqual(unknown.status, 400, unknown.text)
      const pattern = yield* send({ all: [{ attribute: "a", operator: "matches", pattern: "(" }] })
      assert.strictEqual(pattern.status, 422, pattern.text)
      assert.deepNestedInclude(pattern.body, { "errors[0].path": ["condition", "all", 0, "pattern"] })
    })
  )
})
