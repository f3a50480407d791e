import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { seedOnce, send, TestServer } from "./SearchServer.ts"
import { shop } from "./support.ts"

layer(TestServer, { excludeTestServices: true })("SearchHttp of documents", (it) => {
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
})
