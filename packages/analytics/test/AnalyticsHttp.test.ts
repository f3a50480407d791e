import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, layer } from "@effect/vitest"
import { AnalyticsApi } from "@hypermarket/analytics/AnalyticsApi"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as AnalyticsHttp from "@hypermarket/analytics/AnalyticsHttp"
import { SalesCloses } from "@hypermarket/analytics/SalesCloses"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as RequestChain from "@hypermarket/core/RequestChain"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { Credentials } from "@hypermarket/core/Credentials"
import type { Event } from "@hypermarket/core/Outbox"
import * as Problems from "@hypermarket/core/Problems"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { SqlClient } from "effect/sql"
import * as Shop from "./Shop.ts"

/** A key is its tenant's id: who may do what is the platform's own test. */
const credentials = Layer.succeed(Credentials, {
  authenticate: (secret) =>
    Effect.succeedSome({
      keyId: Redacted.value(secret),
      kind: "server" as const,
      tenantId: Option.some(TenantId.make(Redacted.value(secret))),
      environment: "live",
      plan: Option.some("standard"),
      resource: Option.none(),
      isTenantActive: true,
      scopes: new Set(["analytics:admin"])
    })
})

const TestServer = ApiServer.layer(
  HttpApiBuilder.layer(AnalyticsApi).pipe(
    Layer.provide(AnalyticsHttp.layer),
    Layer.provide([RequestChain.layer, Problems.layerInput])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, credentials]),
  Layer.provideMerge(AnalyticsDomain.layer),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations)),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const asSystem = Effect.provideService(AllTenants, { actor: "test" })

const decodeBody = Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

const decodeErrors = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ path: Schema.Array(Schema.Json), message: Schema.String }))
)

const post = Effect.fnUntraced(function* (tenant: string, path: string, body: Schema.Json) {
  const response = yield* HttpClient.execute(
    HttpClientRequest.post(path).pipe(
      HttpClientRequest.bearerToken(tenant),
      HttpClientRequest.bodyJsonUnsafe(body)
    )
  )
  const text = yield* response.text
  return { status: response.status, body: text === "" ? {} : yield* decodeBody(text) }
})

const placed = (orderId: string, version = 1) => ({
  type: "order.placed",
  data: Shop.orderData(orderId, { version })
})

const revenue = {
  measures: ["orders", "net"],
  dimensions: ["currency"],
  timeDimension: { from: "2026-01-01", until: "2027-01-01", granularity: "year" }
}

layer(TestServer, { excludeTestServices: true })("AnalyticsHttp", (it) => {
  const seed = Effect.gen(function* () {
    const closes = yield* SalesCloses
    yield* post("owner", "/v1/analytics/facts", { facts: [placed("owners-order"), placed("owners-other")] })
    const close = yield* closes.close("month", "2026-03-01").pipe(
      Effect.catchTag("CloseExists", () =>
        Effect.flatMap(closes.list({}), ({ items }) => Effect.fromOption(Option.fromUndefinedOr(items[0])))
      ),
      provide(TenantId.make("owner"))
    )
    return {
      ownerKey: "owner",
      strangerKey: "stranger",
      params: { closeId: close.closeId, orderId: "owners-other" },
      payloads: {
        record: { facts: [placed("owners-order", 2)] },
        query: revenue,
        setZone: { sellerId: null, zone: "UTC" },
        close: { period: "month", fromDay: "2026-02-01" }
      },
      watched: [
        `/v1/analytics/closes/${close.closeId}`,
        `/v1/analytics/closes/${close.closeId}/restatement`,
        "/v1/analytics/closes",
        "/v1/analytics/zone",
        "/v1/analytics/orders/owners-order",
        "/v1/analytics/orders/owners-other",
        "/v1/analytics/freshness"
      ]
    }
  })

  TenantIsolation.suite(it, AnalyticsApi, seed)

  DoorIsolation.suite(it, {
    domain: AnalyticsDomain,
    calls: {
      "orders.place": () => [Shop.orderData("owners-order")],
      "orders.change": () => [Shop.orderData("owners-order", { version: 3 })],
      "orders.cancel": () => [{ ...Shop.orderData("owners-order", { version: 4 }), status: "cancelled" }],
      "orders.ship": () => [Shop.shipmentData("owners-order", "s1")],
      "orders.refund": () => [Shop.refundData("owners-order", "r1", "500")],
      "orders.remove": () => [{ orderId: "owners-order", version: 9, reason: "test" }],
      "closes.restatement": ({ params }) => [params["closeId"], "day"]
    },
    seed
  })

  it.effect("takes facts, answers each, and the figures have them at once", () =>
    Effect.gen(function* () {
      const facts = [
        placed("o1"),
        { type: "order.refunded", data: Shop.refundData("o1", "r1", "500") },
        { type: "order.shipped", data: Shop.shipmentData("o1", "s1") }
      ]
      const first = yield* post("shop", "/v1/analytics/facts", { facts })
      assert.deepStrictEqual(first, { status: 200, body: { items: ["applied", "applied", "applied"] } })
      const again = yield* post("shop", "/v1/analytics/facts", { facts })
      assert.deepStrictEqual(again.body, { items: ["duplicate", "duplicate", "duplicate"] })
      const answer = yield* post("shop", "/v1/analytics/query", revenue)
      assert.deepStrictEqual(answer.body, {
        rows: [{ time: "2026-01-01", currency: "EUR", orders: 1, net: { amount: "1400", currency: "EUR" } }],
        isComplete: true,
        source: "tenant day",
        zone: "UTC"
      })
    })
  )

  it.effect("answers a query as CSV", () =>
    Effect.gen(function* () {
      yield* post("lists", "/v1/analytics/facts", { facts: [placed("o1")] })
      const response = yield* HttpClient.execute(
        HttpClientRequest.post("/v1/analytics/query").pipe(
          HttpClientRequest.bearerToken("lists"),
          HttpClientRequest.bodyJsonUnsafe({ ...revenue, format: "csv" })
        )
      )
      assert.strictEqual(response.headers["content-type"], "text/csv; charset=utf-8; header=present")
      assert.strictEqual(yield* response.text, "time,currency,orders,net\r\n2026-01-01,EUR,1,1900\r\n")
    })
  )

  it.effect("merges a bulk as it comes, and answers what is recorded when that merge fails", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const bulk = (batch: number) =>
        post("bulk", "/v1/analytics/facts", {
          facts: Array.from({ length: 1_000 }, (_, n) => placed(`b${batch}-${n}`))
        })
      for (let batch = 0; batch < 6; batch++) assert.strictEqual((yield* bulk(batch)).status, 200)
      const waiting = sql<{ readonly waiting: number }>`
        SELECT count(*)::int AS waiting
          FROM hm_order_delta
         WHERE tenant_id = 'bulk'
      `
      assert.deepStrictEqual(yield* waiting, [{ waiting: 1_000 }])
      yield* sql`
        UPDATE hm_order_summary
           SET gross = 9223372036854775000
         WHERE tenant_id = 'bulk'
      `
      for (let batch = 6; batch < 10; batch++) assert.strictEqual((yield* bulk(batch)).status, 200)
      assert.deepStrictEqual(yield* waiting, [{ waiting: 5_000 }])
      assert.strictEqual((yield* post("bulk", "/v1/analytics/query", revenue)).status, 400)
    })
  )

  it.effect("answers what is wrong with a fact by its index and field, and writes nothing", () =>
    Effect.gen(function* () {
      const cases = [
        [
          [1, "data", "lines", 0, "quantity"],
          {
            ...placed("x"),
            data: { ...Shop.orderData("x"), lines: [{ ...Shop.orderData("x").lines[0], quantity: -1 }] }
          }
        ],
        [[1, "data", "version"], placed("x", 0)],
        [[1, "data", "currency"], { type: "order.placed", data: Shop.orderData("x", { currency: "XYW" }) }],
        [
          [1, "data", "placedAt"],
          { type: "order.placed", data: Shop.orderData("x", { placedAt: "1226-01-01T00:00:00Z" }) }
        ],
        [[1, "data", "surprise"], { type: "order.placed", data: { ...Shop.orderData("x"), surprise: 1 } }]
      ] as const
      for (const [path, fact] of cases) {
        const answer = yield* post("wrong", "/v1/analytics/facts", { facts: [placed("good"), fact] })
        assert.strictEqual(answer.status, 400)
        const errors = yield* decodeErrors(answer.body["errors"])
        assert.deepInclude(
          errors.map((error) => error.path),
          path
        )
      }
      yield* post("wrong", "/v1/analytics/facts", { facts: [placed("o1")] })
      const conflict = yield* post("wrong", "/v1/analytics/facts", {
        facts: [placed("good"), { type: "order.changed", data: Shop.orderData("o1", { region: "FR" }) }]
      })
      assert.strictEqual(conflict.status, 409)
      assert.deepInclude(conflict.body, { index: 1, kind: "order", id: "o1", version: 1 })
      const answer = yield* post("wrong", "/v1/analytics/query", revenue)
      assert.deepInclude(answer.body["rows"], {
        time: "2026-01-01",
        currency: "EUR",
        orders: 1,
        net: { amount: "1900", currency: "EUR" }
      })
      for (const value of ["chairs\u0000", "\udc00chairs"]) {
        const unstorable = yield* post("wrong", "/v1/analytics/query", {
          ...revenue,
          filters: [{ dimension: "region", operator: "equals", values: ["FR", value] }]
        })
        assert.strictEqual(unstorable.status, 400)
        assert.deepNestedInclude(unstorable.body, {
          "errors[0].path": ["filters", 0, "values", 1],
          "errors[0].message": "Expected neither U+0000 nor half of a surrogate pair"
        })
      }
      const refused = yield* post("wrong", "/v1/analytics/query", { ...revenue, dimensions: ["category"] })
      assert.strictEqual(refused.status, 400)
      assert.strictEqual(refused.body["type"], "urn:hypermarket:problem:analytics:sales-query-invalid")
    })
  )

  it.effect("refuses a filter whose value no row can have, by its path", () =>
    Effect.gen(function* () {
      for (const value of ["toys\u0000", "toys\ud800"]) {
        const answer = yield* post("filters", "/v1/analytics/query", {
          ...revenue,
          filters: [{ dimension: "channel", operator: "equals", values: ["web", value] }]
        })
        assert.strictEqual(answer.status, 400)
        const errors = yield* decodeErrors(answer.body["errors"])
        assert.deepStrictEqual(
          errors.map(({ path }) => path),
          [["filters", 0, "values", 1]]
        )
      }
    })
  )

  it.effect("shows the catalogue with what does not add up over what", () =>
    Effect.gen(function* () {
      const response = yield* HttpClient.execute(
        HttpClientRequest.get("/v1/analytics/catalogue").pipe(HttpClientRequest.bearerToken("shop"))
      )
      const { measures } = yield* decodeBody(yield* response.text)
      assert.deepInclude(measures, {
        name: "orders",
        unit: "count",
        timeBase: "order",
        doc: "Orders, cancelled ones too.",
        notOver: ["seller", "category", "product"]
      })
    })
  )

  const event = (id: string, type: string, data: Schema.Json): Event => ({
    id,
    source: "/shop",
    type: `com.hypermarket.shop.${type}.v1`,
    time: new Date(0),
    data
  })

  it.effect(
    "gets the shop's events in batches; one that contradicts or cannot be taken holds up nothing",
    () =>
      Effect.gen(function* () {
        const { subscriptions } = yield* AnalyticsDomain.domain.start
        const [subscription] = subscriptions
        if (subscription === undefined) return assert.fail("there is a subscription")
        const events = [
          event("1", "order.refunded", Shop.refundData("o1", "r1", "500")),
          event("2", "order.placed", Shop.orderData("o1")),
          event("3", "order.placed", Shop.orderData("o1", { region: "FR" })),
          event("4", "order.placed", Shop.orderData("o2", { currency: "XYW" })),
          event("5", "order.placed", Shop.orderData("o3"))
        ]
        for (let delivery = 0; delivery < 2; delivery++) {
          yield* subscription.handler(events).pipe(provide(TenantId.make("events")), asSystem)
        }
        const answer = yield* post("events", "/v1/analytics/query", revenue)
        assert.deepInclude(answer.body["rows"], {
          time: "2026-01-01",
          currency: "EUR",
          orders: 2,
          net: { amount: "3300", currency: "EUR" }
        })
      })
  )
})
