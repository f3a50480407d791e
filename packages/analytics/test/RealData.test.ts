/** Sales of real shops in ../shared/data beside the repository. Skipped, and said so, where a file is absent. */
import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFact } from "@hypermarket/analytics/OrderFact"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import type { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema, Stream } from "effect"
import * as Csv from "effect/encoding/Csv"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations))
)

const as = (tenant: string) => provide(TenantId.make(tenant))

const folder = fileURLToPath(new URL("../../../../shared/data/", import.meta.url))

const say = (line: string) => Effect.sync(() => process.stdout.write(`${line}\n`))

const textOf = (name: string): string | undefined =>
  Fs.existsSync(`${folder}${name}`) ? Fs.readFileSync(`${folder}${name}`, "utf8") : undefined

const decodeFacts = Schema.decodeUnknownEffect(Schema.Array(OrderFact), { onExcessProperty: "error" })

/** Facts of a call: a statement of some thousand lines. */
const batchSize = 500

const record = Effect.fnUntraced(function* (wire: ReadonlyArray<unknown>) {
  const service = yield* OrderFacts
  const facts = yield* decodeFacts(wire)
  for (let index = 0; index < facts.length; index += batchSize) {
    const outcomes = yield* service.record(facts.slice(index, index + batchSize))
    assert.isTrue(outcomes.every((outcome) => outcome === "applied"))
  }
})

/** Amounts as numbers, by the values of the dimensions and the time. */
const figures = Effect.fnUntraced(function* (query: SalesQuery) {
  const sales = yield* SalesQueries
  const { rows } = yield* sales.run(query)
  return new Map(
    rows.map((row) => {
      const values = Object.values(row)
      const names = values.filter((value) => typeof value === "string")
      const numbers = values.flatMap((value) =>
        typeof value === "number"
          ? [value]
          : typeof value === "object" && value !== null
            ? [Number(value.amount)]
            : []
      )
      return [names.join(" "), numbers] as const
    })
  )
})

type Sums = Map<string, Array<number>>

const add = (sums: Sums, name: string, ...amounts: ReadonlyArray<number>): void => {
  const before = sums.get(name) ?? amounts.map(() => 0)
  sums.set(
    name,
    before.map((sum, index) => sum + (amounts[index] ?? 0))
  )
}

const cents = (amount: number): number => Math.round(amount * 100)

const sorted = (sums: ReadonlyMap<string, unknown>) =>
  Array.from(sums).toSorted(([a], [b]) => (a < b ? -1 : 1))

const isExact = Effect.gen(function* () {
  const summaries = yield* OrderSummaries
  assert.deepStrictEqual(yield* summaries.differences("1970-01-01", "2100-01-01"), [])
})

/** ISO 3166 codes of the countries as the files name them. The Channel Islands have two codes: Jersey stands first. */
const regions: Readonly<Record<string, string>> = {
  Argentina: "AR",
  Australia: "AU",
  Austria: "AT",
  Belgium: "BE",
  Brazil: "BR",
  Canada: "CA",
  "Channel Islands": "JE",
  Cyprus: "CY",
  Denmark: "DK",
  EIRE: "IE",
  Finland: "FI",
  France: "FR",
  Germany: "DE",
  "Hong Kong": "HK",
  Iceland: "IS",
  Ireland: "IE",
  Italy: "IT",
  Japan: "JP",
  Mexico: "MX",
  Netherlands: "NL",
  Norway: "NO",
  Poland: "PL",
  Portugal: "PT",
  Singapore: "SG",
  Spain: "ES",
  Sweden: "SE",
  Switzerland: "CH",
  UK: "GB",
  USA: "US",
  "United Arab Emirates": "AE",
  "United Kingdom": "GB",
  Venezuela: "VE"
}

const retail = textOf("online-retail/online_retail_sample.csv")
const northwind = textOf("northwind/northwind_pg.sql")

interface InvoiceRow {
  readonly id: string
  readonly invoice: string
  readonly product: string
  readonly quantity: number
  readonly at: string
  readonly price: number
  readonly customer: string
  readonly country: string
}

const invoiceRowOf = (cells: Csv.Row): InvoiceRow => {
  const [id = "", invoice = "", product = "", , quantity, date = "", price, customer = "", country = ""] =
    cells
  const [, month = "", day = "", year, hour = "", minute = ""] =
    /^(\d+)\/(\d+)\/(\d+) (\d+):(\d+)$/.exec(date) ?? []
  const two = (text: string) => text.padStart(2, "0")
  return {
    id,
    invoice,
    product,
    quantity: Number(quantity),
    at: `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:00Z`,
    price: cents(Number(price)),
    customer,
    country
  }
}

const grouped = <A>(rows: ReadonlyArray<A>, by: (row: A) => string) => {
  const groups = new Map<string, Array<A>>()
  for (const row of rows) groups.set(by(row), [...(groups.get(by(row)) ?? []), row])
  return groups
}

const customerOf = ({ customer }: InvoiceRow) => (customer === "NA" ? {} : { customerId: customer })

const invoiceOf = (rows: ReadonlyArray<InvoiceRow>, first: InvoiceRow) => ({
  type: "order.placed",
  data: {
    orderId: first.invoice,
    version: 1,
    status: "invoiced",
    channel: "web",
    region: regions[first.country],
    currency: "GBP",
    placedAt: first.at,
    ...customerOf(first),
    lines: rows.map((row) => ({
      lineId: row.id,
      productId: row.product,
      sellerId: "shop",
      quantity: row.quantity,
      unitPrice: String(row.price)
    }))
  }
})

/** A credit note: it names no invoice. */
const creditOf = (rows: ReadonlyArray<InvoiceRow>, first: InvoiceRow) => ({
  type: "order.refunded",
  data: {
    refundId: first.invoice,
    version: 1,
    at: first.at,
    reason: "credit note",
    region: regions[first.country],
    currency: "GBP",
    ...customerOf(first),
    lines: rows.map((row) => ({
      lineId: row.id,
      quantity: -row.quantity,
      amount: String(-row.quantity * row.price)
    }))
  }
})

/** Rows of `INSERT INTO name VALUES (...)`, of values without an escaped comma that matter here. */
const rowsOf = (dump: string, table: string): ReadonlyArray<ReadonlyArray<string>> =>
  Array.from(
    dump.matchAll(new RegExp(`^INSERT INTO ${table} VALUES \\((.*)\\);$`, "gm")),
    ([, values = ""]) =>
      Array.from(
        values.matchAll(/'((?:[^']|'')*)'|([^,'\s][^,']*)/g),
        ([, text, other]) => text ?? other ?? ""
      )
  )

layer(TestLayer, { excludeTestServices: true })("Real sales", (it) => {
  it.effect(
    "of 13 months of invoices, guests and credit notes without an invoice have the net of the file",
    () =>
      Effect.gen(function* () {
        if (retail === undefined)
          return yield* say("UCI Online Retail is absent: its figures were not compared")
        const [, ...cells] = yield* Stream.make(retail).pipe(
          Stream.pipeThroughChannel(Csv.decodeString()),
          Stream.runCollect
        )
        const rows = cells.map(invoiceRowOf)
        const sold = grouped(
          rows.filter(({ quantity }) => quantity > 0),
          ({ invoice }) => invoice
        )
        const given = grouped(
          rows.filter(({ quantity }) => quantity < 0),
          ({ invoice }) => invoice
        )
        yield* record([
          ...Array.from(sold.values(), (group) =>
            invoiceOf(group, group[0] ?? assert.fail("a group has a row"))
          ),
          ...Array.from(given.values(), (group) =>
            creditOf(group, group[0] ?? assert.fail("a group has a row"))
          )
        ])
        const months: Sums = new Map()
        for (const { at, price, quantity } of rows) add(months, `${at.slice(0, 7)}-01`, quantity * price)
        const inPounds = { dimension: "currency", operator: "equals", values: ["GBP"] } as const
        const time = { from: "2010-01-01", until: "2012-01-01" } as const
        const byMonth = yield* figures({
          measures: ["net"],
          timeDimension: { ...time, granularity: "month" },
          filters: [inPounds]
        })
        assert.strictEqual(byMonth.size, 13)
        assert.deepStrictEqual(sorted(byMonth), sorted(months))
        const total = yield* figures({
          measures: ["net", "orders", "customers"],
          timeDimension: time,
          filters: [inPounds]
        })
        const customers = new Set(
          rows.flatMap((row) => (row.quantity > 0 && row.customer !== "NA" ? [row.customer] : []))
        )
        assert.deepStrictEqual(total.get(""), [3_750_325, sold.size, customers.size])
        assert.strictEqual(Array.from(given.keys()).filter((invoice) => invoice.startsWith("C")).length, 50)
        yield* isExact
        yield* say(`UCI Online Retail: ${rows.length} lines, net 37,503.25 in 13 months as in the file`)
      }).pipe(as("retail"))
  )

  it.effect("of three years of Northwind are those of its tables, with freight on no line", () =>
    Effect.gen(function* () {
      if (northwind === undefined) return yield* say("Northwind is absent: its figures were not compared")
      const categories = new Map(rowsOf(northwind, "categories").map(([id = "", name = ""]) => [id, name]))
      const products = new Map(
        rowsOf(northwind, "products").map(([id = "", , , category = ""]) => [
          id,
          categories.get(category) ?? ""
        ])
      )
      const lines = grouped(
        rowsOf(northwind, "order_details").map(
          ([orderId = "", productId = "", price, quantity, discount]) => {
            const unitPrice = cents(Number(price))
            const gross = unitPrice * Number(quantity)
            return {
              orderId,
              productId,
              unitPrice,
              gross,
              quantity: Number(quantity),
              discount: Math.round(gross * Number(discount))
            }
          }
        ),
        ({ orderId }) => orderId
      )
      const orders = rowsOf(northwind, "orders")
      const net: Sums = new Map()
      const byProduct: Sums = new Map()
      const freights: Sums = new Map()
      const facts = orders.map(
        ([orderId = "", customerId = "", employee = "", date = "", , , , freight, ...address]) => {
          const month = `${date.slice(0, 7)}-01`
          const ordered = lines.get(orderId) ?? []
          const shipping = cents(Number(freight))
          add(freights, month, 1, shipping)
          for (const { discount, gross, productId } of ordered) {
            add(net, `${month} ${products.get(productId) ?? ""}`, gross - discount)
            add(byProduct, productId, gross - discount)
          }
          return {
            type: "order.placed",
            data: {
              orderId,
              version: 1,
              status: "shipped",
              customerId,
              channel: "desk",
              region: regions[address.at(-1) ?? ""],
              currency: "USD",
              placedAt: `${date}T12:00:00Z`,
              shipping: String(shipping),
              lines: ordered.map((line) => ({
                lineId: line.productId,
                productId: line.productId,
                sellerId: `employee-${employee}`,
                category: products.get(line.productId) ?? "",
                quantity: line.quantity,
                unitPrice: String(line.unitPrice),
                discount: String(line.discount)
              }))
            }
          }
        }
      )
      yield* record(facts)
      const time = { from: "1996-01-01", until: "1999-01-01" } as const
      const inDollars = { dimension: "currency", operator: "equals", values: ["USD"] } as const
      const ofShop = {
        filters: [inDollars],
        limit: 10_000,
        timeDimension: { ...time, granularity: "month" }
      } as const
      assert.deepStrictEqual(
        sorted(yield* figures({ ...ofShop, measures: ["orders", "shipping"] })),
        sorted(freights)
      )
      const byCategory = yield* figures({ ...ofShop, measures: ["net"], dimensions: ["category"] })
      assert.deepStrictEqual(
        sorted(byCategory).filter(([name]) => !name.endsWith("-01 ")),
        sorted(net)
      )
      const top = yield* figures({
        measures: ["net"],
        dimensions: ["product"],
        timeDimension: time,
        filters: [inDollars, { dimension: "product", operator: "notEquals", values: [""] }],
        order: [{ by: "net", direction: "desc" }],
        limit: 100
      })
      const mostFirst = Array.from(byProduct).toSorted(([, [a = 0]], [, [b = 0]]) => b - a)
      assert.deepStrictEqual(Array.from(top), mostFirst)
      yield* isExact
      const count = Array.from(lines.values()).flat().length
      yield* say(
        `Northwind: ${orders.length} orders, ${count} lines; ${net.size} months of categories and ${top.size} products as in its tables`
      )
    }).pipe(as("northwind"))
  )
})
