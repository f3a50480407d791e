/**
 * The searches of the derived visits: each is really made, once, and what it answered is kept in the journal.
 */
import { products } from "@hypermarket/search/SearchIndex"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as ApiClient from "../ApiClient.ts"
import type * as Sessions from "../superstore/Sessions.ts"
import type { Entry, Journal } from "./Journal.ts"
import type { Installation } from "./Part.ts"

const searchesInFlight = 4
/** A visitor looks no further than the first page. */
const pageSize = 20
const nanosPerMilli = 1e6

/** Makes the searches of these visits that the journal does not have, and keeps what they answered. */
export const search = Effect.fn("Visits.search")(function* (
  installation: Installation,
  journal: Journal,
  visits: ReadonlyArray<Sessions.Visit>
) {
  const call = ApiClient.make(installation)
  const one = Effect.fnUntraced(function* (visit: Sessions.Visit) {
    const before = yield* Clock.currentTimeNanos
    const body = { query: visit.query, limit: pageSize, retrieve: [] }
    const answer = yield* call(({ search }, options) =>
      search.search({ indexName: products, body }, options)
    ).pipe(ApiClient.orCommandFailed("Searching"))
    const millis = Number((yield* Clock.currentTimeNanos) - before) / nanosPerMilli
    const place = answer.hits.findIndex(({ id }) => id === visit.wanted)
    const entry: Entry = {
      orderId: visit.orderId,
      queryId: answer.queryId,
      found: answer.found,
      position: place < 0 ? null : place + 1,
      millis: Math.round(millis * 100) / 100
    }
    return entry
  })
  const missing = visits.filter(({ orderId }) => !journal.entries.has(orderId))
  yield* journal.append(yield* Effect.forEach(missing, one, { concurrency: searchesInFlight }))
})

/** The searches of a replay. Times are from the request to the whole answer, as the client saw them when it made it. */
export interface Searched {
  readonly searches: number
  readonly withoutHit: number
  /** The wanted product was on the first page, and was clicked. */
  readonly clicked: number
  readonly p50Millis: number
  readonly p99Millis: number
}

const quantile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0

/** Sums up what the journal has of these visits: the same whenever it is asked. */
export const summaryOf = (journal: Journal, visits: ReadonlyArray<Sessions.Visit>): Searched => {
  const entries = visits.flatMap(({ orderId }) => journal.entries.get(orderId) ?? [])
  const millis = entries.map((entry) => entry.millis).toSorted((a, b) => a - b)
  return {
    searches: entries.length,
    withoutHit: entries.filter(({ found }) => found === 0).length,
    clicked: entries.filter(({ position }) => position !== null).length,
    p50Millis: quantile(millis, 0.5),
    p99Millis: quantile(millis, 0.99)
  }
}
