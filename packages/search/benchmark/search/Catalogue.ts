/**
 * The catalogues of `bench search`: the 19,406 products of the Chorus data set, and larger ones made of them by a seeded
 * rule. Read from the folder in HM_DATA, or `../shared/data` beside the repository; nothing of it is kept.
 *
 * The rule: document n of `count` is made from position `n * 7,919 modulo count` (a prime, so that originals and copies
 * mix). Position p is product `p modulo 19,406`; the first 19,406 positions are the products as they are, all others
 * copies, each with random numbers of the seed p:
 *   title: the first two words stay, of the others one in eight goes; half of the words with a digit get other digits
 *   brand: one copy in ten has that of another product
 *   description: one piece, from a random word on, half as long
 *   attributes: four in ten values go
 *   price: times 0.5 to 1.5
 * Popularity falls with the cube of the place in the catalogue, from 1 to 0.
 */
import type { EngineSettings } from "@hypermarket/search/internal/engine/EngineSettings"
import * as Settings from "@hypermarket/search/internal/engine/EngineSettings"
import type { IndexDocument } from "@hypermarket/search/internal/engine/IndexDocument"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFileSync } from "node:fs"
import * as Path from "node:path"
import { gunzipSync } from "node:zlib"

const folder = Path.join(
  process.env.HM_DATA ?? Path.resolve(import.meta.dirname, "../../../../../shared/data"),
  "chorus"
)

/** Of the text attributes of a product, in the order it lists them. */
const attributesMax = 12

const ProductRow = Schema.StructWithRest(
  Schema.Struct({
    id: Schema.String,
    title: Schema.String,
    supplier: Schema.String,
    price: Schema.Finite,
    short_description: Schema.optionalKey(Schema.String)
  }),
  [Schema.Record(Schema.String, Schema.Unknown)]
)

export interface Product {
  readonly id: string
  readonly title: string
  readonly brand: string
  readonly description: string
  readonly attributes: ReadonlyArray<string>
  readonly kind: string | undefined
  readonly price: number
}

const textsOf = (row: Readonly<Record<string, unknown>>, prefix: string): ReadonlyArray<string> =>
  Object.entries(row).flatMap(([name, value]) =>
    name.startsWith(prefix) && typeof value === "string" ? [value] : []
  )

const decodeRow = Schema.decodeUnknownEffect(Schema.fromJsonString(ProductRow))

export const products = Effect.gen(function* () {
  const text = yield* Effect.try(() =>
    gunzipSync(readFileSync(Path.join(folder, "products.ndjson.gz"))).toString("utf8")
  )
  // By the line feed alone: other separators, such as U+2028, stand inside products.
  const lines = text.split("\n").filter((line) => line !== "")
  return yield* Effect.forEach(lines, (line) =>
    Effect.map(decodeRow(line), (row): Product => ({
      id: row.id,
      title: row.title,
      brand: row.supplier,
      description: row.short_description ?? "",
      attributes: textsOf(row, "attr_t_").slice(0, attributesMax),
      kind: [...textsOf(row, "attr_t_product_type"), ...textsOf(row, "attr_t_type")][0],
      price: row.price
    }))
  )
})

export interface JudgedQuery {
  readonly query: string
  /** 0 to 3 by product. */
  readonly ratings: ReadonlyMap<string, number>
}

/** Reads the judgments of a folder. Queries without a product that is rated above 0 say nothing about an order. */
export const judgedIn = (folder: string) =>
  Effect.try((): ReadonlyArray<JudgedQuery> => {
    const lines = readFileSync(Path.join(folder, "judgments.csv"), "utf8").trim().split(/\r?\n/).slice(1)
    const ratings = new Map<string, Map<string, number>>()
    for (const line of lines) {
      const parts = /^(.*),([^,]*),([^,]*)$/.exec(line)
      const query = parts?.[1] ?? ""
      const ofQuery = ratings.get(query) ?? new Map<string, number>()
      ratings.set(query, ofQuery.set(parts?.[2] ?? "", Number(parts?.[3])))
    }
    return Array.from(ratings, ([query, ofQuery]) => ({ query, ratings: ofQuery })).filter(({ ratings }) =>
      [...ratings.values()].some((rating) => rating > 0)
    )
  })

export const judgedQueries = judgedIn(folder)

const JudgedProduct = Schema.fromJsonString(
  Schema.Struct({
    id: Schema.String,
    title: Schema.String,
    brand: Schema.optionalKey(Schema.String),
    description: Schema.optionalKey(Schema.String),
    attributes: Schema.optionalKey(Schema.Array(Schema.String))
  })
)
const decodeJudged = Schema.decodeUnknownEffect(JudgedProduct)

/** Reads the products of a judged set. */
export const productsIn = (folder: string) =>
  Effect.gen(function* () {
    const text = yield* Effect.try(() => readFileSync(Path.join(folder, "products.ndjson"), "utf8"))
    const lines = text.split("\n").filter((line) => line.trim() !== "")
    return yield* Effect.forEach(lines, (line) =>
      Effect.map(
        decodeJudged(line),
        ({ attributes = [], brand = "", description = "", id, title }): Product => ({
          id,
          title,
          brand,
          description,
          attributes,
          kind: undefined,
          price: 0
        })
      )
    )
  })

/** Numbers from 0 to 1 (mulberry32). */
export const randomOf = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const pick = <A>(values: ReadonlyArray<A>, random: () => number): A | undefined =>
  values[Math.floor(random() * values.length)]

const digitPattern = /\d/g

const copyOf = (all: ReadonlyArray<Product>, product: Product, position: number): Product => {
  const random = randomOf(position)
  const title = product.title
    .split(" ")
    .filter((_, n) => n < 2 || random() >= 0.125)
    .map((word) =>
      /\d/.test(word) && random() < 0.5
        ? word.replace(digitPattern, () => String(Math.floor(random() * 10)))
        : word
    )
  const words = product.description.split(" ")
  const from = Math.floor((random() * words.length) / 2)
  return {
    id: `${product.id}-${position}`,
    title: title.join(" "),
    brand: random() < 0.1 ? (pick(all, random)?.brand ?? product.brand) : product.brand,
    description: words.slice(from, from + Math.ceil(words.length / 2)).join(" "),
    attributes: product.attributes.filter(() => random() < 0.6),
    kind: product.kind,
    price: Math.round(product.price * (0.5 + random()))
  }
}

const stride = 7_919

export const positionAt = (count: number, n: number): number => (n * stride) % count

export const productAt = (all: ReadonlyArray<Product>, count: number, n: number): Product => {
  const position = positionAt(count, n)
  const product = all[position % all.length]
  if (product === undefined) throw new RangeError("an empty catalogue")
  return position < all.length ? product : copyOf(all, product, position)
}

export const popularityAt = (count: number, n: number): number => (1 - n / count) ** 3

export const settings: EngineSettings = {
  ...Settings.defaults,
  columns: [
    { name: "brand", kind: "keyword" },
    { name: "kind", kind: "keyword" },
    { name: "price", kind: "number" }
  ]
}

export const documentOf = (product: Product, popularity: number): IndexDocument => ({
  docId: product.id,
  popularity,
  text: {
    title: product.title,
    brand: product.brand,
    description: product.description,
    attributes: product.attributes.join(" ")
  },
  keywords: { brand: [product.brand], ...(product.kind === undefined ? {} : { kind: [product.kind] }) },
  numbers: { price: product.price }
})

const queryCount = 1_000
const titleWordPattern = /^[\p{L}\p{N}-]{3,}$/u

const misspelt = (word: string, random: () => number): string => {
  const at = 1 + Math.floor(random() * (word.length - 1))
  const letter = pick([..."abcdefghijklmnopqrstuvwxyz"], random) ?? "e"
  const kind = Math.floor(random() * 4)
  if (kind === 0) return word.slice(0, at) + word.slice(at + 1)
  if (kind === 1) return word.slice(0, at) + letter + word.slice(at)
  if (kind === 2) return word.slice(0, at) + letter + word.slice(at + 1)
  return word.slice(0, at) + (word[at + 1] ?? "") + (word[at] ?? "") + word.slice(at + 2)
}

/**
 * 1,000 queries: 1 to 4 words of a random title, in its order, of three characters or more. Every tenth has one typing
 * mistake in its longest word of letters: a letter left out, put in, replaced or swapped, never the first.
 */
export const queries = (all: ReadonlyArray<Product>): ReadonlyArray<string> => {
  const random = randomOf(20_240_607)
  return Array.from({ length: queryCount }, (_, n) => {
    let words: Array<string> = []
    while (words.length === 0) {
      const title = (pick(all, random)?.title ?? "")
        .split(/\s+/)
        .filter((word) => titleWordPattern.test(word))
      const size = 1 + Math.floor(random() * 4)
      const wanted = new Set(Array.from({ length: size }, () => Math.floor(random() * title.length)))
      words = title.filter((_, place) => wanted.has(place))
    }
    if (n % 10 !== 0) return words.join(" ").toLowerCase()
    const longest = words
      .filter((word) => /^\p{L}+$/u.test(word))
      .reduce((best, word) => (word.length > best.length ? word : best), "")
    return words
      .map((word) => (word === longest && word.length >= 5 ? misspelt(word, random) : word))
      .join(" ")
      .toLowerCase()
  })
}
