/**
 * Every figure of the quickstart's summary, confirmed from the sample's CSV and from the facts as they were published. The
 * arithmetic here is not that of the code under test, and no table is read that the summary reads.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Bucketing from "@hypermarket/core/Bucketing"
import { Effect, Schema } from "effect"
import * as Fs from "node:fs"
import * as Cli from "./Cli.ts"
import { Document, JournalLine, Mails, plantedSeed } from "./figuresDocument.ts"
import {
  ordersOf,
  ordersReplayed,
  priceOf,
  products,
  replayed,
  replayedRows,
  rows,
  sumsBy,
  titled
} from "./superstoreRows.ts"

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
        "--seed",
        String(plantedSeed),
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

      // API and worker have the role of an application, which owns no table.
      const roles = yield* Cli.query(
        databaseUrl,
        `SELECT application_name AS process, usename AS role,
                (SELECT count(*)::int FROM pg_class WHERE relowner = usesysid) AS owned
           FROM pg_stat_activity
          WHERE application_name IN ('hypermarket-quickstart', 'hypermarket-worker')
          GROUP BY application_name, usename, usesysid
          ORDER BY 1`
      )
      assert.deepStrictEqual(roles, [
        { process: "hypermarket-quickstart", role: "hm_app", owned: 0 },
        { process: "hypermarket-worker", role: "hm_app", owned: 0 }
      ])

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
