/**
 * Search: the catalogue is found as soon as its facts are handled; the index is rebuilt as a second version while
 * searches run, checked, switched to, rolled back and switched to again.
 */
import type { Client } from "@hypermarket/client"
import { products } from "@hypermarket/search/SearchIndex"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as ApiClient from "../../ApiClient.ts"
import { failed } from "../../CommandFailed.ts"
import type { Installation, Part } from "../Part.ts"
import { Progress } from "../Progress.ts"
import { thousands } from "../Screen.ts"

const pollInterval = "50 millis"
const searchInterval = "20 millis"
const index = { indexName: products }

type SearchQuery = Parameters<Client["search"]["search"]>[0]["body"]

const clientOf = (installation: Installation) => {
  const call = ApiClient.make(installation)
  return {
    search: (body: SearchQuery) =>
      call(({ search }, options) => search.search({ ...index, body }, options)).pipe(
        ApiClient.orCommandFailed("Searching")
      ),
    compare: call(({ documents }, options) => documents.compare(index, options)).pipe(
      ApiClient.orCommandFailed("Comparing")
    ),
    pending: call(({ behaviour }, options) => behaviour.pending({}, options)).pipe(
      ApiClient.orCommandFailed("Counting events")
    ),
    versions: call(({ indexVersions }, options) => indexVersions.list(index, options)).pipe(
      ApiClient.orCommandFailed("Listing versions")
    ),
    start: call(({ indexVersions }, options) => indexVersions.start({ ...index, body: {} }, options)).pipe(
      ApiClient.orCommandFailed("Starting a version")
    ),
    get: (versionId: string) =>
      call(({ indexVersions }, options) => indexVersions.get({ ...index, versionId }, options)).pipe(
        ApiClient.orCommandFailed("Looking at a version")
      ),
    validate: (versionId: string) =>
      call(({ indexVersions }, options) => indexVersions.validate({ ...index, versionId }, options)).pipe(
        ApiClient.orCommandFailed("Validating a version")
      ),
    activate: (versionId: string) =>
      call(({ indexVersions }, options) =>
        indexVersions.activate({ ...index, versionId, body: {} }, options)
      ).pipe(ApiClient.orCommandFailed("Activating a version")),
    rollBack: call(({ indexVersions }, options) => indexVersions.rollBack(index, options)).pipe(
      ApiClient.orCommandFailed("Rolling back")
    )
  }
}

/** Searches until it is interrupted, and counts the answers of each version. The pause leaves the processor to the build. */
const keepSearching = (client: ReturnType<typeof clientOf>, named: Map<string, number>) =>
  client.search({ query: "chair", limit: 5 }).pipe(
    Effect.tap(({ indexVersion }) =>
      Effect.sync(() => void named.set(indexVersion, (named.get(indexVersion) ?? 0) + 1))
    ),
    Effect.andThen(Effect.sleep(searchInterval)),
    Effect.forever
  )

/** Until `named` has one more answer of the version: the switch has been seen by a search. */
const answeredBy = (named: ReadonlyMap<string, number>, versionId: string) => {
  const before = named.get(versionId) ?? 0
  return Effect.sync(() => (named.get(versionId) ?? 0) > before).pipe(
    Effect.repeat({ until: (answered) => answered, schedule: Schedule.spaced(pollInterval) })
  )
}

const rebuild = Effect.fnUntraced(function* (client: ReturnType<typeof clientOf>) {
  const progress = yield* Progress
  const named = new Map<string, number>()
  const searching = yield* Effect.forkChild(keepSearching(client, named))
  const work = Effect.gen(function* () {
    // A second run finds the version that the first one built.
    const { items } = yield* client.versions
    const known = items.find(
      ({ reason, status }) => reason === "requested" && ["active", "ready"].includes(status)
    )
    if (known?.status === "active") yield* client.rollBack
    yield* progress.step("Building a second version of the index")
    const versionId = known?.versionId ?? (yield* client.start).versionId
    const built = yield* client.get(versionId).pipe(
      Effect.repeat({
        until: ({ status }) => status === "ready" || status === "failed",
        schedule: Schedule.spaced(pollInterval)
      })
    )
    if (built.status === "failed") return yield* failed(`The version failed: ${built.failure ?? ""}`)
    const validated = yield* client.validate(versionId)
    yield* client.activate(versionId)
    yield* answeredBy(named, versionId)
    const before = yield* client.rollBack
    yield* answeredBy(named, before.versionId)
    yield* client.activate(versionId)
    yield* answeredBy(named, versionId)
    return validated
  })
  // A search that fails ends the work too.
  const validated = yield* Effect.raceFirst(work, Fiber.join(searching)).pipe(
    Effect.ensuring(Fiber.interrupt(searching))
  )
  return { validated, named }
})

const misspelt = "bokcase"

/** Words of the catalogue, searched in turn. */
const words = ["copiers", "chair", "bookcase", "phone", "binder", "table", "storage", "paper", "lamp", "desk"]
/** Enough for a 99th percentile, and done in a second or two. */
const quietSearches = 200
const nanosPerMilli = 1e6

/** Times searches one by one when the replay is over, from the request to the whole answer. */
const measure = Effect.fnUntraced(function* (client: ReturnType<typeof clientOf>) {
  const millis: Array<number> = []
  for (let index = 0; index < quietSearches; index++) {
    const before = yield* Clock.currentTimeNanos
    yield* client.search({ query: words[index % words.length] ?? "", limit: 20, retrieve: [] })
    millis.push(Number((yield* Clock.currentTimeNanos) - before) / nanosPerMilli)
  }
  const sorted = millis.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 10) / 10
  return { p50: at(0.5), p99: at(0.99) }
})

export const search: Part = {
  domain: "search",
  title: "Search",
  run: Effect.fnUntraced(function* (installation, { searched }) {
    const client = clientOf(installation)
    const { named, validated } = yield* rebuild(client)
    const plain = yield* client.search({ query: "copiers", limit: 3 })
    const typo = yield* client.search({ query: misspelt, limit: 3 })
    const faceted = yield* client.search({
      query: "chair",
      filter: "price < 20000",
      facets: [{ column: "categories", limit: 3 }, { column: "price" }],
      limit: 3
    })
    // What visitors did is counted in batches: the figures below are of all of it.
    yield* client.pending.pipe(
      Effect.repeat({ until: ({ pending }) => pending === 0, schedule: Schedule.spaced(pollInterval) })
    )
    const compared = yield* client.compare
    const millis = yield* measure(client)
    const titleOf = ({ hits }: typeof plain): string => String(hits[0]?.fields.title ?? "nothing")
    const categories = faceted.facets[0]?.values ?? []
    const prices = faceted.facets[1]?.stats
    const answers = Array.from(named.values()).reduce((sum, count) => sum + count, 0)
    return {
      figures: {
        searches: searched.searches,
        searchesWithoutHit: searched.withoutHit,
        searchesClicked: searched.clicked,
        searchMillis: millis,
        products: compared.documents,
        indexEqualsCatalogue: compared.checksum === compared.indexedChecksum,
        copiers: { found: plain.found, first: titleOf(plain) },
        misspelt: { found: typo.found, first: titleOf(typo), how: typo.words[0]?.how ?? "unknown" },
        chairs: {
          found: faceted.found,
          first: titleOf(faceted),
          categories: categories.map(({ count, value }) => [value, count])
        },
        gatesPassed: (validated.gates ?? []).filter(({ passed }) => passed).length,
        versionsThatAnswered: named.size
      },
      screen: [
        `${thousands(compared.documents)} products; ${quietSearches} searches one by one: p50 ${millis.p50} ms, p99 ${millis.p99} ms`,
        `"${misspelt}" finds ${typo.found} as ${typo.words[0]?.terms.join(", ") ?? ""}; "chair" below $200 finds ${faceted.found}, ${categories
          .slice(-2)
          .map(({ count, value }) => `${String(value).split("/").at(-1)} ${count}`)
          .join(", ")}`,
        `Rebuilt, switched to, rolled back and switched to again: ${answers} searches meanwhile, none failed`
      ],
      lines: [
        `${searched.searches} searches of visitors, over HTTP while facts were handled: p50 ${searched.p50Millis} ms, ` +
          `p99 ${searched.p99Millis} ms; ${searched.clicked} had the wanted product on the first page, ` +
          `${searched.withoutHit} found nothing`,
        `${compared.documents} products are searched; index and catalogue have the checksum ${compared.checksum}`,
        `"copiers": ${plain.found} found, first "${titleOf(plain)}"`,
        `"${misspelt}", a typo: ${typo.found} found as ${typo.words[0]?.terms.join(", ") ?? ""}, first "${titleOf(typo)}"`,
        `"chair" below $200: ${faceted.found} found, ${categories.map(({ count, value }) => `${value} ${count}`).join(", ")}` +
          (prices === undefined ? "" : `; from $${prices.min / 100} to $${prices.max / 100}`),
        `A second version was built, passed its gates (${(validated.gates ?? []).map(({ gate }) => gate).join(", ")}), was switched to, ` +
          `rolled back and switched to again: ${answers} searches meanwhile, none failed, ${named.size} versions named`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" -H "Content-Type: application/json" -d '{"query":"bokcase","highlight":{"fields":["title"]},"limit":3}' $HM_API_URL/v1/search/indexes/products/search`,
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/search/indexes/products/versions`
      ]
    }
  })
}
