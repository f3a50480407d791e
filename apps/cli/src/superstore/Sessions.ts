/**
 * Visits derived from the sample's orders: the sample has none, so these are made up by a rule and not real. Their source
 * says so. The rule, for each order, with random numbers that depend on the order's id alone:
 *
 * - The visit begins half an hour before the order, and each step takes a minute.
 * - The customer searches for the product of the order's first line with 1 to 3 words of its name, in their order; one
 *   query in ten has two neighbouring letters exchanged. The search is really made, and the facts carry its `queryId`.
 * - When the product is among the hits, it is clicked, at its place in the answer.
 * - Each product of the order is viewed and carted. One more product of the sample is viewed and not bought.
 */
import type { Fact, Superstore } from "./Superstore.ts"

/** The envelope's source. */
const source = "https://superstore.example/derived-sessions"

/** A visit before its search was made. */
export interface Visit {
  readonly orderId: string
  readonly customerId: string
  readonly query: string
  /** The visitor's query. */
  readonly wanted: string
  readonly bought: ReadonlyArray<string>
  readonly browsed: string
  readonly startMillis: number
}

/** The answer of the search. */
export interface Found {
  readonly queryId: string
  /** Of the wanted product among the hits, from 1; null when it is not there. */
  readonly position: number | null
}

const leadMillis = 30 * 60_000
const stepMillis = 60_000
const wordsMax = 3
const typoShare = 0.1

/** FNV-1a, 32 bits: the seed of an order's random numbers. */
const hashOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

/** Mulberry32. */
const randomOf = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const exchange = (word: string, random: () => number): string => {
  if (word.length < 4) return word
  const at = 1 + Math.floor(random() * (word.length - 2))
  return word.slice(0, at) + word.charAt(at + 1) + word.charAt(at) + word.slice(at + 2)
}

const queryOf = (title: string, random: () => number): string => {
  const words = title.toLowerCase().match(/[a-z]{3,}/g) ?? [title]
  const count = Math.min(words.length, 1 + Math.floor(random() * wordsMax))
  const first = Math.floor(random() * (words.length - count + 1))
  const chosen = words.slice(first, first + count)
  if (random() >= typoShare) return chosen.join(" ")
  const at = Math.floor(random() * chosen.length)
  return chosen.map((word, index) => (index === at ? exchange(word, random) : word)).join(" ")
}

/** The visits of the shop's orders, in the order of time. */
export const visitsOf = (shop: Superstore): ReadonlyArray<Visit> => {
  const titles = new Map(shop.products.map((product) => [product.data.productId, product.data.title]))
  return shop.orders.flatMap(({ data, time }) => {
    const bought = Array.from(new Set(data.lines.map(({ productId }) => productId)))
    const [wanted] = bought
    if (wanted === undefined) return []
    const random = randomOf(hashOf(data.orderId))
    const query = queryOf(titles.get(wanted) ?? wanted, random)
    const browsed = shop.products[Math.floor(random() * shop.products.length)]?.data.productId ?? wanted
    return [
      {
        orderId: data.orderId,
        customerId: data.customerId,
        query,
        wanted,
        bought,
        browsed,
        startMillis: Date.parse(time) - leadMillis
      }
    ]
  })
}

/** The facts of a visit, once its search was made. */
export const factsOf = (visit: Visit, found: Found): ReadonlyArray<Fact> => {
  const sessionId = `visit/${visit.orderId}`
  let step = 0
  const told = (name: string, data: Readonly<Record<string, string | number>>): Fact => {
    const at = new Date(visit.startMillis + step * stepMillis).toISOString()
    step++
    return {
      id: `session.${name}/${sessionId}/${step}`,
      source,
      type: `com.hypermarket.shop.session.${name}.v1`,
      subject: sessionId,
      time: at,
      data: { sessionId, customerId: visit.customerId, ...data, at }
    }
  }
  const { position, queryId } = found
  return [
    told("searched", { query: visit.query, queryId }),
    ...(position === null ? [] : [told("clicked", { productId: visit.wanted, queryId, position })]),
    ...visit.bought.map((productId) => told("viewed", { productId })),
    told("viewed", { productId: visit.browsed }),
    ...visit.bought.map((productId) => told("carted", { productId }))
  ]
}
