import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { seedOnce, send, TestServer } from "./SearchServer.ts"
import { buildAll, shop } from "./support.ts"

layer(TestServer, { excludeTestServices: true })("SearchHttp of queries", (it) => {
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
})
