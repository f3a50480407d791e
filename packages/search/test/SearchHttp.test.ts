import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { SearchApi } from "@hypermarket/search/SearchApi"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import { Effect } from "effect"
import { seedOnce, send, TestServer } from "./SearchServer.ts"
import { acme, buildAll, globex, shop } from "./support.ts"

layer(TestServer, { excludeTestServices: true })("SearchHttp", (it) => {
  const seed = Effect.map(seedOnce, (versionId) => ({
    ownerKey: acme,
    strangerKey: globex,
    params: { indexName: shop, versionId, documentId: "p1" },
    payloads: {
      search: { query: "lamp" },
      searchAll: { searches: [{ query: "lamp" }] },
      removeWhere: { filter: "$id = p1" },
      writeDocuments: { upserts: [{ id: "p1", fields: { title: "stolen" } }] },
      record: { events: [] },
      erase: { userKey: "someone" },
      putSignals: { signals: [{ signal: "margin", productId: "p1", value: 1 }] },
      createIndex: { indexName: "another" },
      changeIndex: { automatic: true },
      setCuration: { synonyms: [], rules: [{ ruleId: "stolen", redirect: "/stolen" }] },
      startVersion: {},
      activateVersion: {}
    },
    watched: [
      `/v1/search/indexes/${shop}`,
      `/v1/search/indexes/${shop}/curation`,
      `/v1/search/indexes/${shop}/comparison`,
      `/v1/search/indexes/${shop}/versions`,
      "/v1/search/signals?signal=margin"
    ]
  }))

  TenantIsolation.suite(it, SearchApi, seed)

  DoorIsolation.suite(it, {
    domain: SearchDomain,
    // The owner's call is carried out: the other calls need p1.
    calls: { "documents.removeWhere": () => [shop, "$id = p150"] },
    seed
  })

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
      assert.strictEqual((yield* send("POST", `${path}/activate`, { body: {} })).body.status, "active")
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

  it.effect("refuses visits beyond the clock, and from a public key old ones, by their index", () =>
    Effect.gen(function* () {
      const now = (yield* Now.now).getTime()
      const hour = 3_600_000
      const view = (id: string, hoursAhead: number) => ({
        id,
        kind: "click",
        userKey: "u-bounds",
        productId: "p-bounds",
        at: new Date(now + hoursAhead * hour).toISOString()
      })
      const post = (key: string, ...events: ReadonlyArray<ReturnType<typeof view>>) =>
        send("POST", "/v1/search/events", { key, body: { events } })
      const month = 30 * 24
      const kept = yield* post("browser", view("bounds-b1", 23), view("bounds-b2", -month + 1))
      assert.deepStrictEqual(kept.body, { recorded: 2, duplicates: 0, limited: 0 })
      const refused = yield* post(
        "browser",
        view("bounds-b3", 25),
        view("bounds-b4", 0),
        view("bounds-b5", -month - 1)
      )
      assert.strictEqual(refused.status, 400, refused.text)
      assert.deepNestedInclude(refused.body, {
        "errors[0].path": ["events", "0", "at"],
        "errors[1].path": ["events", "2", "at"]
      })
      // A shop imports its past with its own key.
      const imported = yield* post(acme, view("bounds-s1", -9 * 365 * 24))
      assert.strictEqual(imported.status, 202, imported.text)
      const ahead = yield* post(acme, view("bounds-s2", 40 * 365 * 24))
      assert.deepNestedInclude(ahead.body, { status: 400, "errors[0].path": ["events", "0", "at"] })
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
      const pending = Effect.map(send("GET", "/v1/search/events/pending"), ({ body }) => Number(body.pending))
      const before = yield* pending
      const first = yield* send("POST", "/v1/search/events", { body: { events } })
      assert.strictEqual(first.status, 202, first.text)
      assert.deepStrictEqual(first.body, { recorded: 4, duplicates: 0, limited: 0 })
      const second = yield* send("POST", "/v1/search/events", { body: { events: events.slice(0, 3) } })
      assert.deepStrictEqual(second.body, { recorded: 0, duplicates: 3, limited: 0 })
      assert.strictEqual((yield* pending) - before, 3)
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
