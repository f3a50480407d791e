import { NodeHttpServer } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as Authorization from "@hypermarket/core/Authorization"
import { Credentials, type Credential } from "@hypermarket/core/Credentials"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { provide, type TenantId } from "@hypermarket/core/Tenant"
import { RankingSignals } from "@hypermarket/search/RankingSignal"
import { SearchApi } from "@hypermarket/search/SearchApi"
import * as SearchHttp from "@hypermarket/search/SearchHttp"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiBuilder, HttpApiMiddleware } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { acme, buildAll, globex, layerOf, makeIndex, products, shop, upsert } from "./support.ts"

/** Keys of this test are the tenants' names. */
const credentialOf = (tenantId: TenantId): Credential => ({
  keyId: `key of ${tenantId}`,
  tenantId: Option.some(tenantId),
  kind: "server",
  scopes: new Set(["search:admin"]),
  isTenantActive: true
})

const layerCredentials = Layer.succeed(
  Credentials,
  Credentials.of({
    authenticate: (secret) =>
      Effect.succeed(
        Option.map(
          Option.fromUndefinedOr([acme, globex].find((tenantId) => tenantId === Redacted.value(secret))),
          credentialOf
        )
      )
  })
)

const TestServer = ApiServer.layer(
  HttpApiBuilder.layer(SearchApi).pipe(
    Layer.provide(SearchHttp.layer),
    Layer.provide([Authorization.layer, HttpApiMiddleware.layerProblemDetails({ includeDetails: true })])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, layerCredentials]),
  Layer.provideMerge(layerOf()),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const send = Effect.fnUntraced(function* (
  method: "GET" | "POST" | "PATCH" | "DELETE",
  path: string,
  options: {
    readonly body?: Schema.Json
    readonly headers?: Record<string, string>
    readonly key?: string
  } = {}
) {
  const request = HttpClientRequest.make(method)(path).pipe(
    HttpClientRequest.bearerToken(options.key ?? acme),
    HttpClientRequest.setHeaders(options.headers ?? {})
  )
  const response = yield* HttpClient.execute(
    options.body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, options.body)
  )
  const text = yield* response.text
  const body =
    text === ""
      ? {}
      : yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))(text)
  return { status: response.status, headers: response.headers, body, text }
})

/** Ids that stand in no other number of an answer. */
const farAhead = 700_000_123

const seedOnce = Effect.gen(function* () {
  const indexes = yield* SearchIndexes
  const versions = yield* SearchIndexVersions
  const signals = yield* RankingSignals
  const sql = yield* SqlClient.SqlClient
  const found = yield* indexes.get(shop).pipe(provide(acme), Effect.option)
  if (Option.isNone(found)) {
    yield* sql`SELECT setval('hm_search_index_version_seq', ${farAhead}::int)`
    yield* makeIndex(shop)
    yield* upsert(products(200))
    yield* signals.put([{ signal: "margin", productId: "p1", value: 0.5 }]).pipe(provide(acme))
    yield* versions.start(shop, {}).pipe(provide(acme))
    yield* buildAll
  }
  const { items } = yield* versions.list(shop, {}).pipe(provide(acme))
  return items[0]?.versionId ?? ""
})

layer(TestServer, { excludeTestServices: true })("SearchHttp", (it) => {
  TenantIsolation.suite(
    it,
    SearchApi,
    Effect.map(seedOnce, (versionId) => ({
      ownerKey: acme,
      strangerKey: globex,
      params: { indexName: shop, versionId },
      payloads: {
        search: { query: "lamp" },
        writeDocuments: { upserts: [{ id: "p1", fields: { title: "stolen" } }] },
        recordEvents: { events: [] },
        eraseHistory: { userKey: "someone" },
        putRankingSignals: { signals: [{ signal: "margin", productId: "p1", value: 1 }] },
        createIndex: { indexName: "another" },
        changeIndex: { automatic: true },
        startVersion: {}
      },
      watched: [
        `/v1/search/indexes/${shop}`,
        `/v1/search/indexes/${shop}/comparison`,
        `/v1/search/indexes/${shop}/versions`,
        "/v1/search/signals?signal=margin"
      ]
    }))
  )

  it.effect("takes an index from its first document to a second version and back", () =>
    Effect.gen(function* () {
      const created = yield* send("POST", "/v1/search/indexes", {
        body: { indexName: "tools", automatic: false }
      })
      assert.strictEqual(created.status, 201, created.text)
      assert.strictEqual(created.headers.etag, '"1"')
      const again = yield* send("POST", "/v1/search/indexes", { body: { indexName: "tools" } })
      assert.strictEqual(again.status, 409)
      const written = yield* send("POST", "/v1/search/indexes/tools/documents", {
        body: {
          upserts: [
            {
              id: "hammer",
              version: 2,
              fields: { title: "Claw hammer <16 oz>", price: 1_900, brand: "Estwing" }
            },
            { id: "saw", version: 1, fields: { title: "Hand saw", price: 2_400, brand: "Bahco" } },
            { id: "drill", fields: { title: "Hammer drill", price: 8_900, brand: "Bosch" } }
          ]
        }
      })
      assert.deepStrictEqual(written.body, { written: 3, ignored: 0 })
      const stale = yield* send("POST", "/v1/search/indexes/tools/documents", {
        body: {
          upserts: [{ id: "hammer", version: 1, fields: { title: "old" } }],
          removals: [{ id: "saw", version: 1 }]
        }
      })
      assert.deepStrictEqual(stale.body, { written: 0, ignored: 2 })
      const found = yield* send("POST", "/v1/search/indexes/tools/search", {
        body: {
          query: "hamers",
          filter: "price < 5000 OR brand = Bosch",
          facets: [{ column: "brand" }, { column: "price" }],
          sort: [{ column: "price", direction: "descending" }],
          explain: true
        }
      })
      assert.strictEqual(found.status, 200, found.text)
      const started = yield* send("POST", "/v1/search/indexes/tools/versions", { body: {} })
      assert.strictEqual(started.status, 202, started.text)
      yield* buildAll
      const path = `/v1/search/indexes/tools/versions/${String(started.body.versionId)}`
      const early = yield* send("POST", "/v1/search/indexes/tools/rollback")
      assert.strictEqual(early.status, 409)
      assert.strictEqual((yield* send("POST", `${path}/validate`)).body.status, "ready")
      assert.strictEqual((yield* send("POST", `${path}/activate`)).body.status, "active")
      const after = yield* send("POST", "/v1/search/indexes/tools/search", {
        body: {
          query: "claw hammers",
          highlight: { fields: ["title"] },
          retrieve: ["price"],
          facets: [{ column: "brand" }]
        }
      })
      assert.strictEqual(after.body.indexVersion, started.body.versionId)
      assert.deepNestedInclude(after.body, {
        "hits[0].fields": { price: 1_900 },
        "hits[0].highlights.title": "<em>Claw</em> <em>hammer</em> &lt;16 oz&gt;",
        found: 2
      })
      const busy = yield* send("POST", `${path}/retire`)
      assert.strictEqual(busy.status, 409)
      assert.strictEqual((yield* send("POST", "/v1/search/indexes/tools/rollback")).body.reason, "created")
      assert.strictEqual((yield* send("POST", `${path}/retire`)).body.status, "retired")
      const stranger = yield* send("POST", "/v1/search/indexes/tools/search", { body: {}, key: globex })
      assert.strictEqual(stranger.status, 404)
      const removed = yield* send("DELETE", "/v1/search/indexes/tools")
      assert.strictEqual(removed.status, 428)
      const index = yield* send("GET", "/v1/search/indexes/tools")
      const gone = yield* send("DELETE", "/v1/search/indexes/tools", {
        headers: { "if-match": index.headers.etag ?? "" }
      })
      assert.strictEqual(gone.status, 204)
      assert.strictEqual((yield* send("GET", "/v1/search/indexes/tools")).status, 404)
    })
  )

  it.effect(
    "says what is wrong with a search, with the position in a filter, and answers what is only odd",
    () =>
      Effect.gen(function* () {
        yield* seedOnce
        const path = `/v1/search/indexes/${shop}/search`
        const filter = yield* send("POST", path, { body: { filter: "brand = " } })
        assert.strictEqual(filter.status, 400)
        assert.deepNestedInclude(filter.body, { "errors[0].path": ["filter", "8"] })
        for (const body of [
          { filter: "nothing = 1" },
          { facets: [{ column: "nothing" }] },
          { sort: [{ column: "nothing", direction: "ascending" }] },
          { offset: 990, limit: 20 },
          { offset: 1_001 },
          { limit: 201 },
          { unknown: true },
          { query: "x".repeat(20_001) }
        ]) {
          const refused = yield* send("POST", path, { body })
          assert.strictEqual(refused.status, 400, `${JSON.stringify(body)}: ${refused.text}`)
          assert.isArray(refused.body.errors)
        }
        const words = Array.from({ length: 1_000 }, (_, n) => `w${n}`).join(" ")
        for (const query of ["x".repeat(10_000), words, "!!! ??? ---", "\u0000", "\ud800 lamp", "%_\\'\""]) {
          const odd = yield* send("POST", path, { body: { query } })
          assert.strictEqual(odd.status, 200, odd.text)
        }
        assert.isTrue((yield* send("POST", path, { body: { query: words } })).body.truncated)
      })
  )

  it.effect("refuses a batch with a document that cannot be indexed, and writes nothing of it", () =>
    Effect.gen(function* () {
      yield* seedOnce
      const path = `/v1/search/indexes/${shop}/documents`
      const before = yield* send("GET", `/v1/search/indexes/${shop}/comparison`)
      for (const [bad, status] of [
        [{ id: "big", fields: { title: "x".repeat(100_001) } }, 422],
        [{ id: "null", fields: { title: "a\u0000b" } }, 422],
        [{ id: "half", fields: { title: "a\ud800b" } }, 422],
        [{ id: "", fields: {} }, 400],
        [{ id: "x".repeat(201), fields: {} }, 400],
        [{ fields: {} }, 400]
      ] as const) {
        const refused = yield* send("POST", path, {
          body: { upserts: [{ id: "fine", fields: { title: "fine" } }, bad] }
        })
        assert.strictEqual(refused.status, status, refused.text)
      }
      assert.deepStrictEqual((yield* send("GET", `/v1/search/indexes/${shop}/comparison`)).body, before.body)
      // Larger than the bodies of other endpoints, and not too large for a batch.
      const many = Array.from({ length: 100 }, (_, n) => ({
        id: `many${n}`,
        fields: { title: "x".repeat(20_000) }
      }))
      const large = yield* send("POST", path, { body: { upserts: many } })
      assert.deepStrictEqual(large.body, { written: 100, ignored: 0 })
      const removals = many.map(({ id }) => ({ id }))
      assert.strictEqual((yield* send("POST", path, { body: { removals } })).status, 200)
      const larger = many.map((one) => ({ ...one, fields: { title: "x".repeat(170_000) } }))
      assert.strictEqual((yield* send("POST", path, { body: { upserts: larger } })).status, 413)
      const settings = yield* send("POST", "/v1/search/indexes", {
        body: { indexName: "bad", settings: { fields: [] } }
      })
      assert.strictEqual(settings.status, 400)
    })
  )

  it.effect("records what visitors do once each, and gives and erases a user's history", () =>
    Effect.gen(function* () {
      const at = "2026-01-02T03:04:05.000Z"
      const view = (id: string, productId: string) => ({ id, kind: "view", userKey: "u1", productId, at })
      const events = [
        view("1", "p1"),
        view("2", "p2"),
        view("3", "p1"),
        { id: "s1", kind: "search", query: "lamp" }
      ]
      const first = yield* send("POST", "/v1/search/events", { body: { events } })
      assert.strictEqual(first.status, 202, first.text)
      assert.deepStrictEqual(first.body, { recorded: 4, duplicates: 0, limited: 0 })
      const second = yield* send("POST", "/v1/search/events", { body: { events: events.slice(0, 3) } })
      assert.deepStrictEqual(second.body, { recorded: 0, duplicates: 3, limited: 0 })
      assert.strictEqual((yield* send("GET", "/v1/search/events/pending")).body.pending, 3)
      const history = yield* send("GET", "/v1/search/history?userKey=u1")
      assert.deepStrictEqual(history.body.items, [
        { productId: "p1", views: 2, viewedAt: at },
        { productId: "p2", views: 1, viewedAt: at }
      ])
      assert.isAbove(
        Number((yield* send("POST", "/v1/search/history/erase", { body: { userKey: "u1" } })).body.erased),
        0
      )
      assert.deepStrictEqual((yield* send("GET", "/v1/search/history?userKey=u1")).body.items, [])
    })
  )
})
