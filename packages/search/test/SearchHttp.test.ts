import { NodeHttpServer } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Credentials, type Credential } from "@hypermarket/core/Credentials"
import * as Problems from "@hypermarket/core/Problems"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { provide, type TenantId } from "@hypermarket/core/Tenant"
import { RankingSignals } from "@hypermarket/search/RankingSignals"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { SearchApi } from "@hypermarket/search/SearchApi"
import * as SearchHttp from "@hypermarket/search/SearchHttp"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { acme, buildAll, globex, layerOf, makeIndex, products, shop, upsert } from "./support.ts"

/** Keys of this test are the tenants' names. */
const credentialOf = (tenantId: TenantId): Credential => ({
  keyId: `key of ${tenantId}`,
  tenantId: Option.some(tenantId),
  kind: "server",
  scopes: new Set(["search:admin"]),
  environment: "live",
  plan: Option.some("standard"),
  resource: Option.none(),
  isTenantActive: true
})

/** A public key of acme for one index. */
const browser: Credential = {
  ...credentialOf(acme),
  kind: "client",
  resource: Option.some({ kind: "index", id: "books" })
}

const layerCredentials = Layer.succeed(
  Credentials,
  Credentials.of({
    authenticate: (secret) =>
      Effect.succeed(
        Redacted.value(secret) === "browser"
          ? Option.some(browser)
          : Option.map(
              Option.fromUndefinedOr([acme, globex].find((tenantId) => tenantId === Redacted.value(secret))),
              credentialOf
            )
      )
  })
)

const TestServer = ApiServer.layer(
  HttpApiBuilder.layer(SearchApi).pipe(
    Layer.provide(SearchHttp.layer),
    Layer.provide([RequestChain.layer, Problems.layerInput])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, layerCredentials]),
  Layer.provideMerge(layerOf()),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

const send = Effect.fnUntraced(function* (
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
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
  const existing = yield* indexes.get(shop).pipe(provide(acme), Effect.option)
  if (Option.isNone(existing)) {
    // The suite deletes the index: another one's versions must not get the same ids.
    yield* sql`SELECT setval('hm_search_index_version_seq', greatest(${farAhead}::bigint, nextval('hm_search_index_version_seq')))`
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
  const seed = Effect.map(seedOnce, (versionId) => ({
    ownerKey: acme,
    strangerKey: globex,
    params: { indexName: shop, versionId, documentId: "p1" },
    payloads: {
      search: { query: "lamp" },
      searchAll: { searches: [{ query: "lamp" }] },
      removeDocuments: { filter: "$id = p1" },
      writeDocuments: { upserts: [{ id: "p1", fields: { title: "stolen" } }] },
      recordEvents: { events: [] },
      eraseHistory: { userKey: "someone" },
      putRankingSignals: { signals: [{ signal: "margin", productId: "p1", value: 1 }] },
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

  it.effect("opens to a client key the index that it was made for, and no other of its tenant", () =>
    Effect.gen(function* () {
      yield* seedOnce
      const refused = yield* send("POST", `/v1/search/indexes/${shop}/search`, {
        key: "browser",
        body: { query: "a" }
      })
      assert.strictEqual(refused.status, 403)
      assert.deepInclude(refused.body, {
        type: "urn:hypermarket:problem:core:resource-refused",
        kind: "index",
        id: shop
      })
      const own = yield* send("POST", "/v1/search/indexes/books/search", {
        key: "browser",
        body: { query: "a" }
      })
      // Past the key: there is no such index.
      assert.strictEqual(own.status, 404)
    })
  )

  it.effect("hides from client keys what the client filter leaves out, in every part of an answer", () =>
    Effect.gen(function* () {
      yield* send("POST", "/v1/search/indexes", { body: { indexName: "books", automatic: false } })
      yield* send("POST", "/v1/search/indexes/books/documents", {
        body: {
          upserts: [
            { id: "open", fields: { title: "Atlas of lakes", brand: "public", price: 1 } },
            { id: "secret", fields: { title: "Atlas of bunkers", brand: "staff", price: 9 } }
          ]
        }
      })
      const path = "/v1/search/indexes/books"
      const set = (curation: Record<string, Schema.Json>, version: number) =>
        send("PUT", `${path}/curation`, {
          body: { rules: [], synonyms: [], ...curation },
          headers: { "if-match": `"${version}"` }
        })
      const unknown = yield* set({ clientFilter: "nothing = 1" }, 0)
      assert.deepNestedInclude(unknown.body, { status: 400, "errors[0].path": ["clientFilter"] })
      assert.strictEqual((yield* set({ clientFilter: "brand = " }, 0)).status, 400)
      const rules = [{ ruleId: "top", pins: [{ id: "secret", position: 1 }] }]
      assert.strictEqual((yield* set({ rules, clientFilter: "brand = public" }, 0)).status, 200)
      const ask = (body: Schema.Json, key?: string) =>
        Effect.map(
          send("POST", `${path}/search`, key === undefined ? { body } : { body, key }),
          (answer) => answer.text
        )
      for (const body of [
        { query: "atlas", facets: [{ column: "brand" }, { column: "price" }] },
        { query: "bunkers", explain: true },
        { filter: "brand = staff OR price > 0", curated: false },
        { filter: "$id = secret OR NOT brand = public" },
        { refinements: [{ column: "brand", values: ["staff"] }], facets: [{ column: "brand" }] },
        { query: "atlas", sort: [{ column: "price", direction: "descending" as const }] }
      ]) {
        const shown = yield* ask(body)
        const byClient = yield* ask(body, "browser")
        assert.include(shown, '"secret"', JSON.stringify(body))
        assert.notInclude(byClient, '"secret"')
        assert.notInclude(byClient, '"staff"')
      }
      const product = yield* send("POST", `${path}/search`, {
        key: "browser",
        body: { query: "atlas", productId: "secret" }
      })
      assert.deepNestedInclude(product.body, {
        "product.outcome": "absent",
        "product.explanation": null,
        found: 1
      })
      const several = yield* send("POST", `${path}/searches`, {
        key: "browser",
        body: { searches: [{ query: "atlas" }, { filter: "price = 9" }] }
      })
      assert.deepNestedInclude(several.body, { "results[0].found": 1, "results[1].found": 0 })
      const index = yield* send("GET", path)
      yield* send("DELETE", path, { headers: { "if-match": index.headers.etag ?? "" } })
    })
  )

  it.effect("reads a document and lists all of them, as they were last written", () =>
    Effect.gen(function* () {
      yield* send("POST", "/v1/search/indexes", { body: { indexName: "browsed", automatic: false } })
      const path = "/v1/search/indexes/browsed/documents"
      yield* send("POST", path, {
        body: {
          upserts: ["a", "b/c", "d", "e"].map((id, n) => ({
            id,
            version: n + 1,
            fields: { title: id, price: "12.5" }
          })),
          removals: [{ id: "gone" }]
        }
      })
      yield* send("POST", path, { body: { removals: [{ id: "d", version: 9 }] } })
      const one = yield* send("GET", `${path}/${encodeURIComponent("b/c")}`)
      assert.deepInclude(one.body, { id: "b/c", version: 2, fields: { title: "b/c", price: "12.5" } })
      for (const id of ["d", "gone", "never"]) {
        const missing = yield* send("GET", `${path}/${id}`)
        assert.strictEqual(missing.status, 404)
        assert.strictEqual(missing.body.type, "urn:hypermarket:problem:search:document-not-found")
      }
      const first = yield* send("GET", `${path}?limit=2`)
      assert.deepNestedInclude(first.body, { "items[0].id": "a", "items[1].id": "b/c" })
      const second = yield* send("GET", `${path}?limit=2&cursor=${String(first.body.nextCursor)}`)
      assert.deepNestedInclude(second.body, { "items[0].id": "e", nextCursor: null })
      // A price from a feed of texts is a price.
      const found = yield* send("POST", "/v1/search/indexes/browsed/search", {
        body: { filter: "price < 13", sort: [{ column: "price", direction: "ascending" }] }
      })
      assert.strictEqual(found.body.found, 3)
      const many = Array.from(
        { length: 1_000 },
        (_, n) => `"00000000-0000-4000-8000-${String(n).padStart(12, "0")}"`
      )
      const listed = yield* send("POST", "/v1/search/indexes/browsed/search", {
        body: { filter: `brand NOT IN [${many.join(", ")}] AND NOT brand IN []` }
      })
      assert.strictEqual(listed.body.found, 3, listed.text)
    })
  )

  it.effect("changes some fields of documents, and removes those in a filter", () =>
    Effect.gen(function* () {
      yield* send("POST", "/v1/search/indexes", { body: { indexName: "changed", automatic: false } })
      const path = "/v1/search/indexes/changed/documents"
      const write = (body: Schema.Json) => send("POST", path, { body })
      const read = (id: string) => Effect.map(send("GET", `${path}/${id}`), ({ body }) => body)
      yield* write({
        upserts: [
          { id: "a", version: 3, fields: { title: "Brass lamp", price: 900, attributes: { colour: "red" } } },
          { id: "b", fields: { title: "Oak chair", price: 4_000, stock: 2 } }
        ]
      })
      const updates = [
        { id: "a", version: 4, fields: { price: 800, attributes: { size: "S" } } },
        { id: "b", fields: { stock: null } },
        { id: "b", fields: { brand: "Ikea" } },
        { id: "none", fields: { price: 1 } }
      ]
      assert.deepStrictEqual((yield* write({ updates })).body, { written: 2, ignored: 2 })
      assert.deepInclude(yield* read("a"), {
        version: 4,
        fields: { title: "Brass lamp", price: 800, attributes: { size: "S" } }
      })
      assert.deepInclude(yield* read("b"), { fields: { title: "Oak chair", price: 4_000, brand: "Ikea" } })
      const stale = yield* write({ updates: [{ id: "a", version: 4, fields: { price: 1 } }] })
      assert.deepStrictEqual(stale.body, { written: 0, ignored: 1 })
      // Together they would be larger than a document may be.
      const large = yield* write({
        updates: [
          { id: "b", fields: { description: "x".repeat(60_000) } },
          { id: "b", fields: { more: "x".repeat(60_000) } }
        ]
      })
      assert.deepNestedInclude(large.body, { status: 422, "errors[0].path": ["updates", "1", "fields"] })
      const find = (filter: string) =>
        Effect.map(
          send("POST", "/v1/search/indexes/changed/search", { body: { filter } }),
          ({ body }) => body.found
        )
      assert.deepStrictEqual([yield* find("price = 800"), yield* find("brand = Ikea")], [1, 1])
      const many = Array.from({ length: 1_000 }, (_, n) => ({
        id: `m${n}`,
        fields: { title: "m", price: n }
      }))
      yield* write({ upserts: many })
      const removed = yield* send("POST", `${path}/remove`, { body: { filter: "price < 800 AND $id != m7" } })
      assert.deepStrictEqual(removed.body, { removed: 799 }, removed.text)
      assert.strictEqual(yield* find("price < 800"), 1)
      assert.strictEqual((yield* send("GET", `${path}/m7`)).status, 200)
      // What is removed stays so when its last write is repeated.
      yield* send("POST", `${path}/remove`, { body: { filter: "$id = a" } })
      yield* write({ upserts: [{ id: "a", version: 4, fields: { title: "again" } }] })
      assert.strictEqual((yield* send("GET", `${path}/a`)).status, 404)
      const refused = yield* send("POST", `${path}/remove`, { body: { filter: "colour = red" } })
      assert.deepNestedInclude(refused.body, { status: 400, "errors[0].path": ["filter"] })
    })
  )

  it.effect(
    "refuses a value of a number column that is no number, by name, and reads numbers from text",
    () =>
      Effect.gen(function* () {
        yield* send("POST", "/v1/search/indexes", { body: { indexName: "priced", automatic: false } })
        const path = "/v1/search/indexes/priced/documents"
        const refused = yield* send("POST", path, {
          body: {
            upserts: [
              { id: "fine", fields: { price: " 12.50 ", stock: "" } },
              { id: "words", fields: { price: "twelve" } },
              { id: "comma", fields: { price: "12,50" } },
              { id: "list", fields: { price: [12], stock: null } }
            ]
          }
        })
        assert.strictEqual(refused.status, 422)
        assert.deepStrictEqual(
          Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ path: Schema.Array(Schema.String) })))(
            refused.body.errors
          ).map((error) => error.path.join(".")),
          ["upserts.1.fields.price", "upserts.2.fields.price", "upserts.3.fields.price"]
        )
        yield* send("POST", path, {
          body: { upserts: [{ id: "fine", fields: { price: " 12.50 ", stock: "" } }] }
        })
        const found = yield* send("POST", "/v1/search/indexes/priced/search", {
          body: { filter: "price = 12.5 AND stock NOT EXISTS" }
        })
        assert.strictEqual(found.body.found, 1)
      })
  )

  it.effect("pins, hides, boosts and redirects by query, with the next search and without a version", () =>
    Effect.gen(function* () {
      yield* send("POST", "/v1/search/indexes", { body: { indexName: "curated", automatic: false } })
      const lamps = ["Desk lamp", "Floor lamp", "Wall lamp", "Lamp shade", "Bedside lamp"]
      const fields = (title: string, n: number) => ({ title, brand: n % 2 === 0 ? "Ikea" : "Flos", price: n })
      yield* send("POST", "/v1/search/indexes/curated/documents", {
        body: {
          upserts: [...lamps, "Candle", "Torch"].map((title, n) => ({
            id: `d${n}`,
            fields: fields(title, n)
          }))
        }
      })
      const started = yield* send("POST", "/v1/search/indexes/curated/versions", {
        body: { activates: true }
      })
      assert.strictEqual(started.status, 202)
      yield* buildAll
      const path = "/v1/search/indexes/curated/curation"
      const initial = yield* send("GET", path)
      assert.deepInclude(initial.body, { synonyms: [], rules: [], version: 0, updatedAt: null })
      const found = (body: Schema.Json) =>
        Effect.map(send("POST", "/v1/search/indexes/curated/search", { body }), (answer) => ({
          body: answer.body,
          ids: Schema.decodeUnknownSync(Schema.Array(Schema.Struct({ id: Schema.String })))(
            answer.body.hits
          ).map(({ id }) => id)
        }))
      const plain = yield* found({ query: "lamp" })
      assert.deepStrictEqual([plain.ids.length, plain.ids.includes("d5")], [5, false])
      const rules = [
        {
          ruleId: "lamps",
          when: { query: "Lámp", match: "is" },
          pins: [
            { id: "d5", position: 1 },
            { id: "d6", position: 3 },
            { id: "none", position: 2 }
          ],
          hides: ["d3"]
        },
        { ruleId: "flos", boosts: [{ filter: "brand = Flos AND nothing != 1", factor: 9 }] },
        { ruleId: "help", when: { query: "my order", match: "contains" }, redirect: "/help/orders" }
      ]
      const synonyms = [{ kind: "one-way", from: "luminaire", to: ["lamp"] }]
      const set = (body: Schema.Json, version: string) =>
        send("PUT", path, { body, headers: { "if-match": version } })
      const changed = yield* set({ rules, synonyms }, '"0"')
      assert.deepInclude(changed.body, { version: 1, rules, synonyms })
      assert.strictEqual((yield* set({ rules: [], synonyms: [] }, '"0"')).status, 412)
      const curated = yield* found({ query: "lamp" })
      // Flos: Floor lamp, before those of Ikea. Lamp shade is hidden.
      assert.deepStrictEqual([curated.ids[0], curated.ids[1], curated.ids[2]], ["d5", "d1", "d6"])
      assert.sameMembers([...curated.ids], ["d0", "d1", "d2", "d4", "d5", "d6"])
      assert.deepInclude(curated.body, { found: 6, rules: ["lamps", "flos"] })
      assert.deepStrictEqual((yield* found({ query: "lamp", curated: false })).ids, plain.ids)
      const filtered = yield* found({ query: "lamp", filter: "price < 5" })
      assert.notInclude(filtered.ids, "d5")
      const sorted = yield* found({ query: "lamp", sort: [{ column: "price", direction: "ascending" }] })
      assert.deepStrictEqual(sorted.ids, ["d0", "d1", "d2", "d4"])
      assert.sameMembers([...(yield* found({ query: "luminaire" })).ids], ["d0", "d1", "d2", "d3", "d4"])
      assert.strictEqual((yield* found({ query: "where is my order" })).body.redirect, "/help/orders")
      const hidden = yield* found({ query: "lamp", productId: "d3" })
      assert.deepNestedInclude(hidden.body, { "product.outcome": "hidden", "product.explanation.boost": 9 })
      // A page of the pinned list goes on where the one before ended.
      const pages = yield* Effect.forEach([0, 2, 4], (offset) => found({ query: "lamp", offset, limit: 2 }))
      assert.deepStrictEqual(
        pages.flatMap((page) => page.ids),
        curated.ids
      )
      yield* set({ rules: [], synonyms: [] }, '"1"')
      assert.deepStrictEqual((yield* found({ query: "lamp" })).ids, plain.ids)
      for (const refused of [
        { rules: [{ ruleId: "a", boosts: [{ filter: "brand =", factor: 2 }] }], synonyms: [] },
        { rules: [{ ruleId: "a" }, { ruleId: "a" }], synonyms: [] },
        { rules: [{ ruleId: "a", pins: [{ id: "d1", position: 0 }] }], synonyms: [] }
      ]) {
        assert.strictEqual((yield* set(refused, '"2"')).status, 400)
      }
    })
  )

  it.effect(
    "answers several searches in one call, and lists the commonest queries with what they find now",
    () =>
      Effect.gen(function* () {
        yield* send("POST", "/v1/search/indexes", { body: { indexName: "several", automatic: false } })
        const titles = ["Brass lamp", "Oak chair", "Oak table"]
        yield* send("POST", "/v1/search/indexes/several/documents", {
          body: { upserts: titles.map((title, n) => ({ id: `d${n}`, fields: { title } })) }
        })
        const path = "/v1/search/indexes/several/searches"
        const several = yield* send("POST", path, {
          body: { searches: [{ query: "lamp" }, { query: "oak", limit: 1 }, { query: "zeppelin" }] }
        })
        assert.deepNestedInclude(several.body, {
          "results[0].hits[0].id": "d0",
          "results[1].found": 2,
          "results[1].hits.length": 1,
          "results[2].found": 0,
          "results.length": 3
        })
        const refused = yield* send("POST", path, { body: { searches: [{}, { filter: "brand = " }] } })
        assert.deepNestedInclude(refused.body, {
          status: 400,
          "errors[0].path": ["searches", "1", "filter", "8"]
        })
        const mixed = yield* send("POST", path, { body: { searches: [{}, { versionId: "1" }] } })
        assert.deepNestedInclude(mixed.body, {
          status: 400,
          "errors[0].path": ["searches", "1", "versionId"]
        })
        assert.strictEqual((yield* send("POST", path, { body: { searches: [] } })).status, 400)
        const events = ["oak", "zeppelin", "Oak", "oak ", "zeppelin", "lamp"].map((query, n) => ({
          id: `several-${n}`,
          kind: "search",
          indexName: "several",
          query
        }))
        yield* send("POST", "/v1/search/events", { body: { events } })
        const listed = yield* send("GET", "/v1/search/indexes/several/queries?limit=2")
        assert.deepNestedInclude(listed.body, {
          "items.length": 2,
          "items[0].query": "oak",
          "items[0].searches": 3,
          "items[0].found": 2,
          "items[1].query": "zeppelin"
        })
        const empty = () => send("GET", "/v1/search/indexes/several/queries?withoutResults=true")
        assert.deepNestedInclude((yield* empty()).body, { "items.length": 1, "items[0].query": "zeppelin" })
        yield* send("POST", "/v1/search/indexes/several/documents", {
          body: { upserts: [{ id: "d3", fields: { title: "Zeppelin model" } }] }
        })
        assert.deepStrictEqual((yield* empty()).body, { items: [] })
      })
  )

  it.effect("refuses a batch with a document that cannot be indexed, and writes nothing of it", () =>
    Effect.gen(function* () {
      yield* seedOnce
      const path = `/v1/search/indexes/${shop}/documents`
      const before = yield* send("GET", `/v1/search/indexes/${shop}/comparison`)
      for (const [bad, status] of [
        [{ id: "big", fields: { title: "x".repeat(100_001) } }, 422],
        [{ id: "null", fields: { title: "a\u0000b" } }, 400],
        [{ id: "half", fields: { title: "a\ud800b" } }, 400],
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
      // A server that closes while a client still sends may reset the connection before the client has read the answer.
      const tooLarge = yield* send("POST", path, { body: { upserts: larger } }).pipe(
        Effect.retry({ while: (error) => error._tag === "HttpClientError" })
      )
      assert.strictEqual(tooLarge.status, 413)
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
