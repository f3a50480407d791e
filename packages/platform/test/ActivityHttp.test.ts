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
import { SqlClient } from "effect/sql"
import { asSystem, withKeys } from "./auditSupport.ts"

const services = PlatformDomain.layer.pipe(
  withKeys("k1"),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations))
)

const TestServer = TestApi.layer(ActivityApi, ActivityHttp.layer).pipe(Layer.provideMerge(services))

const sealAll = Effect.flatMap(ActivitySeals, (seals) => seals.seal).pipe(asSystem)

const exported = Effect.fnUntraced(function* (key: string, query: string) {
  const response = yield* HttpClient.execute(
    HttpClientRequest.get(`/v1/platform/activity/export${query}`).pipe(HttpClientRequest.bearerToken(key))
  )
  return { status: response.status, headers: response.headers, text: yield* response.text }
})

const record = (tenant: string, id = "l-1") =>
  Effect.flatMap(ActivityLog, (log) =>
    log.record({
      action: "listing.published",
      target: { type: "listing", id },
      after: { state: "live" }
    })
  ).pipe(provide(TenantId.make(tenant)))

layer(TestServer, { excludeTestServices: true })("ActivityHttp", (it) => {
  const seed = Effect.gen(function* () {
    yield* record("owner")
    yield* sealAll
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
      yield* sealAll
      const listed = yield* TestApi.send("GET", "/v1/platform/activity?action=listing.published&limit=5")
      assert.strictEqual(listed.status, 200, listed.text)
      assert.deepNestedInclude(listed.body, { "items[0].targetId": "l-1", "items[0].actorType": "process" })
      const head = yield* TestApi.send("GET", "/v1/platform/activity/head")
      assert.deepNestedInclude(head.body, { "head.number": 1, "keys[0].keyId": "k1" })
      const keys = yield* TestApi.send("GET", "/v1/platform/activity/keys")
      assert.deepNestedInclude(keys.body, { "items[0].keyId": "k1" })
      const lines = yield* exported("acme", "")
      assert.strictEqual(lines.headers["content-type"], "application/x-ndjson")
      assert.deepStrictEqual(
        lines.text
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

  it.effect("exports the tenant's own rows as CSV and as events of OCSF, and records each export", () =>
    Effect.gen(function* () {
      for (const id of ["l-7", "l-8"]) yield* record("seller", id)
      yield* record("rival", "l-9")
      yield* sealAll
      const csv = yield* exported("seller", "?format=csv")
      assert.strictEqual(csv.headers["content-type"], "text/csv; charset=utf-8")
      assert.isUndefined(csv.headers["x-next-after"])
      const [header, ...rows] = csv.text.split("\r\n")
      assert.match(header ?? "", /^activityId,recordedAt,action,/)
      assert.strictEqual(rows.pop(), "", "the last line ends too")
      assert.deepStrictEqual(
        rows.map((row) => row.split(",")[9]),
        ['"l-7"', '"l-8"']
      )
      const ocsf = yield* exported("seller", "?format=ocsf")
      assert.strictEqual(ocsf.headers["content-type"], "application/x-ndjson")
      assert.deepStrictEqual(
        ocsf.text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line).entity.uid),
        ["l-7", "l-8"]
      )
      assert.notInclude(csv.text + ocsf.text, "l-9")
      assert.strictEqual((yield* exported("seller", "?format=csv&after=1")).text, "", "nothing is after it")
      const read = yield* TestApi.send("GET", "/v1/platform/activity?action=activity.exported", {
        key: "seller"
      })
      assert.deepNestedInclude(read.body, { "items[2].after": { after: 0, format: "csv", rows: 2 } })
      const unknown = yield* exported("seller", "?format=xml")
      assert.strictEqual(unknown.status, 400)
      assert.include(unknown.text, '"format"')
    })
  )

  it.effect("names the checkpoint to continue after in a header, in every format", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* record("large")
      yield* sql`
        INSERT INTO hm_platform_activity_log
        SELECT tenant_id, recorded_at, gen_random_uuid(), action, actor_type, target_type, actor, actor_salt, actor_hash,
               detail, detail_salt, detail_hash, leaf_hash
          FROM hm_platform_activity_log
         CROSS JOIN generate_series(1, 10000)
         WHERE tenant_id = 'large'
      `
      yield* sealAll
      for (const format of ["ndjson", "csv", "ocsf"]) {
        const first = yield* exported("large", `?format=${format}`)
        assert.strictEqual(first.headers["x-next-after"], "1", format)
        const second = yield* exported("large", `?format=${format}&after=1`)
        assert.isUndefined(second.headers["x-next-after"], format)
        assert.isBelow(second.text.length, first.text.length / 100)
      }
    })
  )
})

layer(
  TestApi.layer(ActivityApi, ActivityHttp.layer, {
    scopes: ["platform:admin", "flags:admin"]
  }).pipe(Layer.provideMerge(services)),
  { excludeTestServices: true }
)("A key without audit:read", (it) => {
  it.effect("exports nothing in any format, and reads nothing of the log", () =>
    Effect.gen(function* () {
      for (const format of ["ndjson", "csv", "ocsf"]) {
        assert.strictEqual((yield* exported("acme", `?format=${format}`)).status, 403)
      }
      for (const path of ["", "/head", "/keys"]) {
        assert.strictEqual((yield* TestApi.send("GET", `/v1/platform/activity${path}`)).status, 403)
      }
    })
  )
})
