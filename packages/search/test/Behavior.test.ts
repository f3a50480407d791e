import { assert, layer } from "@effect/vitest"
import { layerTest as layerTestNow, now, TestNow } from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import * as Partitions from "@hypermarket/core/Partitions"
import { provide } from "@hypermarket/core/Tenant"
import { ProductPopularity } from "@hypermarket/search/ProductPopularity"
import { RankingSignals } from "@hypermarket/search/RankingSignals"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { IndexName, products } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import * as SearchSettings from "@hypermarket/search/SearchSettings"
import { type Signal, userDayLimits } from "@hypermarket/search/UserBehavior"
import { UserBehaviors } from "@hypermarket/search/UserBehaviors"
import { DateTime, Effect, Layer, type Schema } from "effect"
import { SqlClient } from "effect/sql"
import { acme, activate, asOperator, buildVersion, compare, ids, layerOf, search, upsert } from "./support.ts"

const TestLayer = Layer.provideMerge(layerOf(), layerTestNow)

const signal = Effect.fnUntraced(function* (id: string, productId: string, options: Partial<Signal> = {}) {
  const at = DateTime.fromDateUnsafe(yield* now)
  const made: Signal = { id, kind: "view", userKey: "u1", productId, at, ...options }
  return made
})

const record = (signals: ReadonlyArray<Signal>) =>
  Effect.flatMap(UserBehaviors, (all) => all.record("/test", signals)).pipe(provide(acme))

const count = Effect.flatMap(ProductPopularity, (all) => all.count).pipe(asOperator)

const popularity = (productId: string) =>
  Effect.flatMap(ProductPopularity, (all) => all.get(productId)).pipe(provide(acme))

/** Hands events to the domain's subscriptions as a worker does. */
const publish = (events: ReadonlyArray<Event>) =>
  Effect.gen(function* () {
    const { subscriptions } = yield* SearchDomain.domain.start
    for (const { handler, types } of subscriptions) {
      yield* handler(events.filter(({ type }) => types.includes(type)))
    }
  }).pipe(Effect.scoped, asOperator, provide(acme))

const fact = (name: string, id: string, data: Schema.Json): Event => ({
  id,
  source: "/shop",
  type: `com.hypermarket.shop.${name}.v1`,
  time: new Date(0),
  data
})

const productFact = (
  productId: string,
  version: number,
  options: Readonly<Record<string, Schema.Json>> = {}
) =>
  fact("product.changed", `${productId}/${version}`, {
    productId,
    version,
    status: "active",
    title: `Widget ${productId}`,
    sellerId: "s1",
    categories: ["Widgets"],
    price: { amount: "1999", currency: "EUR" },
    attributes: {},
    ...options
  })

layer(TestLayer, { excludeTestServices: true })("Behaviour", (it) => {
  it.effect("counts each signal once, also when two workers count at the same time", () =>
    Effect.gen(function* () {
      // Signals of the tests that ran before.
      yield* count
      const signals = yield* Effect.forEach(
        Array.from({ length: 400 }, (_, n) => n),
        (n) => signal(`once-${n}`, "once", { userKey: `visitor-${n}` })
      )
      assert.deepStrictEqual(yield* record([...signals, ...signals]), {
        recorded: 400,
        duplicates: 400,
        limited: 0
      })
      assert.deepStrictEqual(yield* record(signals), { recorded: 0, duplicates: 400, limited: 0 })
      const counted = yield* Effect.all([count, count, count], { concurrency: "unbounded" })
      assert.strictEqual(
        counted.reduce((sum, one) => sum + one),
        400
      )
      assert.closeTo((yield* popularity("once")).month, 400, 0.1)
    })
  )

  it.effect("halves popularity every half-life, however often it is added to", () =>
    Effect.gen(function* () {
      const test = yield* TestNow
      yield* record([yield* signal("decay-1", "decay", { kind: "purchase" })])
      yield* count
      assert.closeTo((yield* popularity("decay")).week, 10, 0.01)
      yield* test.adjust("7 days")
      const later = yield* popularity("decay")
      assert.closeTo(later.week, 5, 0.01)
      assert.closeTo(later.day, 10 / 2 ** 7, 0.01)
      yield* record([yield* signal("decay-2", "decay", { kind: "purchase" })])
      yield* count
      assert.closeTo((yield* popularity("decay")).week, 15, 0.01)
      // Such an old signal weighs nothing: no error either.
      yield* test.adjust("4000 days")
      yield* record([yield* signal("decay-3", "decay", { at: DateTime.makeUnsafe("1999-01-01T00:00:00Z") })])
      yield* count
      assert.closeTo((yield* popularity("decay")).month, 0, 0.01)
    })
  )

  it.effect("bounds what one user adds in a day, and no purchase", () =>
    Effect.gen(function* () {
      const flood = (from: number, length: number, productOf: (n: number) => string) =>
        Effect.forEach(
          Array.from({ length }, (_, n) => from + n),
          (n) => signal(`bot-${n}`, productOf(n), { userKey: "bot" })
        )
      yield* record(yield* flood(0, 100, () => "pushed"))
      yield* count
      assert.closeTo((yield* popularity("pushed")).month, userDayLimits.countedPerProduct, 0.1)
      let kept = 100
      for (let batch = 1; batch <= 3; batch++) {
        const { limited, recorded } = yield* record(yield* flood(batch * 1_000, 1_000, (n) => `wide-${n}`))
        kept += recorded
        assert.strictEqual(recorded + limited, 1_000)
      }
      assert.strictEqual(kept, userDayLimits.kept)
      const sql = yield* SqlClient.SqlClient
      const [row] = yield* sql<{ readonly counted: number }>`
        SELECT count(*)::int AS counted
          FROM hm_user_behavior_signal
         WHERE user_key = 'bot' AND counted
      `
      assert.isAtMost(row?.counted ?? 0, userDayLimits.counted)
      const bought = yield* Effect.forEach(
        Array.from({ length: 500 }, (_, n) => n),
        (n) => signal(`buyer-${n}`, "bought", { userKey: "buyer", kind: "purchase" })
      )
      assert.strictEqual((yield* record(bought)).recorded, 500)
      yield* count
      assert.closeTo((yield* popularity("bought")).month, 5_000, 1)
    })
  )

  it.effect("keeps the latest hundred products of a user, and forgets them when asked to", () =>
    Effect.gen(function* () {
      const behaviors = yield* UserBehaviors
      const start = (yield* now).getTime()
      const viewed = yield* Effect.forEach(
        Array.from({ length: 130 }, (_, n) => n),
        (n) =>
          signal(`history-${n}`, `h${n}`, { userKey: "reader", at: DateTime.makeUnsafe(start + n * 1_000) })
      )
      yield* record(viewed)
      const history = yield* behaviors.history("reader").pipe(provide(acme))
      assert.deepStrictEqual(
        history.map(({ productId }) => productId),
        Array.from({ length: 100 }, (_, n) => `h${129 - n}`)
      )
      yield* behaviors.erase("reader").pipe(provide(acme))
      assert.deepStrictEqual(yield* behaviors.history("reader").pipe(provide(acme)), [])
    })
  )

  it.effect("puts wanted products first among equals in the next version, and those the tenant prefers", () =>
    Effect.gen(function* () {
      const indexes = yield* SearchIndexes
      const signals = yield* RankingSignals
      const index = IndexName.make("ranked")
      const settings = {
        ...SearchSettings.defaults,
        popularityWeight: 0.5,
        signals: [{ signal: "margin", weight: 3 }]
      }
      yield* indexes.create({ indexName: index, settings, automatic: false }).pipe(provide(acme))
      const title = "Plain kettle"
      yield* upsert(
        ["k1", "k2", "k3"].map((id) => ({ id, fields: { title } })),
        index
      )
      yield* record([yield* signal("kettle", "k3", { userKey: "cook", kind: "purchase" })])
      yield* count
      const first = yield* buildVersion(index)
      yield* activate(first.versionId, index)
      assert.deepStrictEqual(ids(yield* search({ query: "kettle" }, index))[0], "k3")
      yield* signals.put([{ signal: "margin", productId: "k2", value: 1 }]).pipe(provide(acme))
      const second = yield* buildVersion(index)
      yield* activate(second.versionId, index)
      const found = yield* search({ query: "kettle", explain: true }, index)
      assert.deepStrictEqual(ids(found), ["k2", "k3", "k1"])
      assert.isAbove(found.hits[0]?.explanation?.popularity ?? 0, found.hits[2]?.explanation?.popularity ?? 0)
      const parts = found.hits.map(({ explanation }) => explanation?.popularityParts)
      assert.isAbove(parts[1]?.events ?? 0, parts[0]?.events ?? 1)
      assert.deepStrictEqual(
        parts.map((part) => [part?.window, part?.events === 0, part?.signals]),
        [
          ["week", true, [{ signal: "margin", weight: 3, value: 1 }]],
          ["week", false, [{ signal: "margin", weight: 3, value: 0 }]],
          ["week", true, [{ signal: "margin", weight: 3, value: 0 }]]
        ]
      )
      const { product } = yield* search({ query: "kettle", productId: "k3", limit: 1 }, index)
      // Events count less with every moment.
      assert.closeTo(product?.explanation?.popularityParts?.events ?? 0, parts[1]?.events ?? 1, 0.001)
    })
  )
})

layer(layerOf(), { excludeTestServices: true })("The shop's facts", (it) => {
  it.effect("keep the index as the catalogue is, in whatever order and however often they come", () =>
    Effect.gen(function* () {
      yield* publish([productFact("a", 2, { title: "Second title" }), productFact("b", 1)])
      yield* publish([
        productFact("a", 1, { title: "First title" }),
        productFact("a", 2, { title: "Second title" })
      ])
      assert.deepStrictEqual(ids(yield* search({ query: "first" }, products)), [])
      const [hit] = (yield* search({ query: "second", filter: "price = 1999" }, products)).hits
      assert.deepInclude(hit?.fields, {
        title: "Second title",
        price: 1_999,
        currency: "EUR",
        sellerId: "s1"
      })
      yield* publish([productFact("b", 3, { status: "hidden" }), productFact("b", 2)])
      assert.deepStrictEqual(ids(yield* search({ query: "widget" }, products)), [])
      yield* publish([productFact("b", 4)])
      assert.deepStrictEqual(ids(yield* search({ query: "widget" }, products)), ["b"])
      assert.deepInclude(yield* compare(products), { documents: 2, indexedDocuments: 2 })
    })
  )

  it.effect("about visits and orders become behaviour, each once", () =>
    Effect.gen(function* () {
      const at = "2026-03-01T10:00:00.000Z"
      const visit = (name: string, id: string, data: Readonly<Record<string, Schema.Json>>) =>
        fact(`session.${name}`, id, { sessionId: "v1", customerId: "c1", at, ...data })
      const order = fact("order.placed", "o1/1", {
        orderId: "o1",
        version: 1,
        status: "placed",
        customerId: "c1",
        channel: "web",
        region: "DE",
        currency: "EUR",
        placedAt: at,
        lines: ["a", "b"].map((productId) => ({
          lineId: productId,
          productId,
          sellerId: "s1",
          quantity: 1,
          unitPrice: "100",
          discount: "0",
          tax: "0",
          shipping: "0"
        })),
        attributes: {}
      })
      const facts = [
        visit("searched", "s", { query: " Second  TITLE ", queryId: "q1" }),
        visit("clicked", "c", { productId: "a", queryId: "q1", position: 1 }),
        visit("viewed", "w", { productId: "a" }),
        visit("viewed", "page", {}),
        visit("carted", "k", { productId: "a" }),
        order
      ]
      yield* publish(facts)
      yield* publish(facts)
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql`
        SELECT kind, product_id AS product, user_key AS "user", query_id AS query, position
          FROM hm_user_behavior_signal
         WHERE user_key = 'c1'
         ORDER BY kind, product_id
      `
      assert.deepStrictEqual(rows, [
        { kind: "cart", product: "a", user: "c1", query: null, position: null },
        { kind: "click", product: "a", user: "c1", query: "q1", position: 1 },
        { kind: "purchase", product: "a", user: "c1", query: null, position: null },
        { kind: "purchase", product: "b", user: "c1", query: null, position: null },
        { kind: "view", product: "a", user: "c1", query: null, position: null }
      ])
      const queries = yield* sql`SELECT query, searches::int AS searches FROM hm_search_query`
      assert.deepStrictEqual(queries, [{ query: "second title", searches: 1 }])
    })
  )

  it.effect(
    "about orders dated ahead count from now on, and those older than kept go with the maintenance",
    () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const today = yield* now
        const order = (orderId: string, placedAt: Date) =>
          fact("order.placed", orderId, {
            orderId,
            version: 1,
            status: "placed",
            customerId: `of-${orderId}`,
            channel: "store",
            region: "PT",
            currency: "EUR",
            placedAt: placedAt.toISOString(),
            lines: [{ lineId: "1", productId: "sku-9", sellerId: "s4", quantity: 3, unitPrice: "450" }]
          })
        yield* publish([
          order("preorder", new Date(today.getTime() + 400 * 86_400_000)),
          order("bygone", new Date("2016-02-29T08:00:00Z"))
        ])
        const handledAt = yield* now
        const kept = sql`
        SELECT user_key AS "user", occurred_at <= ${handledAt} AS past
          FROM hm_user_behavior_signal
         WHERE product_id = 'sku-9'
         ORDER BY 1
      `
        assert.deepStrictEqual(yield* kept, [
          { user: "of-bygone", past: true },
          { user: "of-preorder", past: true }
        ])
        yield* Effect.forEach(SearchDomain.domain.partitions, Partitions.maintain)
        assert.deepStrictEqual(yield* kept, [{ user: "of-preorder", past: true }])
      })
  )
})
