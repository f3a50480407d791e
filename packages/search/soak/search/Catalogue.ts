/**
 * Made-up products. Each has one unique word, so that a query for it must find the product.
 */
import type { SearchDocument } from "@hypermarket/search/SearchDocument"
import { SearchDocuments } from "@hypermarket/search/SearchDocuments"
import { products } from "@hypermarket/search/SearchIndex"
import type { Chance } from "@hypermarket/soak/Chance"
import * as Effect from "effect/Effect"

const nouns = ["lamp", "chair", "printer", "cable", "camera", "notebook", "speaker", "battery"] as const
const adjectives = [
  "black",
  "wireless",
  "compact",
  "steel",
  "portable",
  "curved",
  "quiet",
  "folding"
] as const
const brands = ["Canon", "Epson", "Lenovo", "Ikea", "Sony"] as const

export const idOf = (n: number): string => `p${n}`

/** The word that product `n` alone has; another one in each of its states. */
export const wordOf = (n: number, state: number): string => `w${n}s${state}`

export const product = (n: number, state: number, chance: Chance): SearchDocument => ({
  id: idOf(n),
  fields: {
    title: `${chance.pick(adjectives)} ${chance.pick(nouns)} ${wordOf(n, state)}`,
    brand: chance.pick(brands),
    description: `A ${chance.pick(adjectives)} ${chance.pick(nouns)} with a ${chance.pick(nouns)}`,
    categories: [chance.pick(nouns)],
    price: chance.between(1_000, 100_000),
    stock: chance.between(0, 9)
  }
})

const writeBatch = 1_000

/** Writes products 0 to n - 1 in their first state. */
export const writeAll = Effect.fnUntraced(function* (n: number, chance: Chance) {
  const documents = yield* SearchDocuments
  for (let from = 0; from < n; from += writeBatch) {
    const count = Math.min(writeBatch, n - from)
    yield* documents.write(products, {
      upserts: Array.from({ length: count }, (_, at) => product(from + at, 1, chance))
    })
  }
})

/** The query of a visitor: two words, now and then with a typo. */
export const query = (chance: Chance): string => {
  const noun = chance.pick(nouns)
  const wanted = chance.happens(0.1) ? `${noun.slice(0, 3)}x${noun.slice(4)}` : noun
  return `${chance.pick(adjectives)} ${wanted}`
}
