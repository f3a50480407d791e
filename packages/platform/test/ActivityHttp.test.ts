import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityApi } from "@hypermarket/platform/ActivityApi"
import * as ActivityHttp from "@hypermarket/platform/ActivityHttp"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestApi from "@hypermarket/testing/TestApi"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { asSystem, withKeys } from "./auditSupport.ts"

const TestServer = TestApi.layer(ActivityApi, ActivityHttp.layer).pipe(
  Layer.provideMerge(PlatformDomain.layer.pipe(withKeys("k1"))),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations))
)

const record = (tenant: string) =>
  Effect.flatMap(ActivityLog, (log) =>
    log.record({
      action: "listing.published",
      target: { type: "listing", id: "l-1" },
      after: { state: "live" }
    })
  ).pipe(provide(TenantId.make(tenant)))

layer(TestServer, { excludeTestServices: true })("ActivityHttp", (it) => {
  const seed = Effect.gen(function* () {
    yield* record("owner")
    yield* Effect.flatMap(ActivitySeals, (seals) => seals.seal).pipe(asSystem)
    return {
      ownerKey: "owner",
      strangerKey: "stranger",
      params: {},
      payloads: { verifyActivity: {} },
      watched: ["/v1/platform/activity/head"]
    }
  })

  TenantIsolation.suite(it, ActivityApi, seed)

  DoorIsolation.suite(it, {
    domain: PlatformDomain,
    services: ["audit"],
    calls: {
      "audit.record": () => [{ action: "listing.published", target: { type: "listing", id: "l-2" } }]
    },
    seed
  })

  it.effect("answers the head, the keys, the entries and lines of the export, and verifies them", () =>
    Effect.gen(function* () {
      yield* record("acme")
      yield* Effect.flatMap(ActivitySeals, (seals) => seals.seal).pipe(asSystem)
      const listed = yield* TestApi.send("GET", "/v1/platform/activity?action=listing.published&limit=5")
      assert.strictEqual(listed.status, 200, listed.text)
      assert.deepNestedInclude(listed.body, { "items[0].targetId": "l-1", "items[0].actorType": "process" })
      const head = yield* TestApi.send("GET", "/v1/platform/activity/head")
      assert.deepNestedInclude(head.body, { "head.number": 1, "keys[0].keyId": "k1" })
      const keys = yield* TestApi.send("GET", "/v1/platform/activity/keys")
      assert.deepNestedInclude(keys.body, { "items[0].keyId": "k1" })
      const lines = yield* HttpClient.execute(
        HttpClientRequest.get("/v1/platform/activity/export").pipe(HttpClientRequest.bearerToken("acme"))
      )
      assert.strictEqual(lines.headers["content-type"], "application/x-ndjson")
      assert.deepStrictEqual(
        (yield* lines.text)
          .trimEnd()
          .split("\n")
          .map((line) => String(JSON.parse(line).type)),
        ["keys", "checkpoint", "row", "end"]
      )
      const verified = yield* TestApi.send("POST", "/v1/platform/activity/verify", { body: {} })
      assert.deepInclude(verified.body, { rows: 1, checkpoints: 1, problems: [] })
      const wrong = yield* TestApi.send("POST", "/v1/platform/activity/verify", {
        body: { head: { tenantId: "acme", number: -1, hash: "x" } }
      })
      assert.strictEqual(wrong.status, 400)
    })
  )
})
