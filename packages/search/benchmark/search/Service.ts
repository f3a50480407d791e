/**
 * The part `service`: a catalogue of 100,000 products written through the service, built, changed while its version
 * answers, and searched through the API.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Load from "@hypermarket/bench/Load"
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import { AllTenants, provide } from "@hypermarket/core/Tenant"
import { SearchBuilds } from "@hypermarket/search/SearchBuild"
import type { SearchDocument } from "@hypermarket/search/SearchDocument"
import { SearchDocuments } from "@hypermarket/search/SearchDocuments"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { products } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Catalogue from "./Catalogue.ts"

const catalogueSize = 100_000
const changedSize = 20_000
const batchSize = 1_000
const connections = 16
const roundMillis = 5_000
const rounds = 3

const documentOf = (
  { attributes, brand, description, id, kind, price, title }: Catalogue.Product,
  n: number
): SearchDocument => ({
  id: `${id}-${n}`,
  fields: {
    title,
    brand,
    description,
    attributes: { texts: attributes },
    ...(kind === undefined ? {} : { categories: [kind] }),
    price
  }
})

const seconds = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const startedAt = performance.now()
    return Effect.map(self, () => (performance.now() - startedAt) / 1_000)
  })

/** Writes through the service, a transaction a batch; products a second. */
const write = Effect.fnUntraced(function* (all: ReadonlyArray<SearchDocument>) {
  const documents = yield* SearchDocuments
  const batches = Array.from({ length: Math.ceil(all.length / batchSize) }, (_, at) =>
    all.slice(at * batchSize, (at + 1) * batchSize)
  )
  const took = yield* seconds(
    Effect.forEach(batches, (upserts) => documents.write(products, { upserts }), { discard: true })
  )
  return all.length / took
})

export const run = Effect.fn("Service.run")(function* (
  scale: number
): Effect.fn.Return<ReadonlyArray<Bench.Figure>, unknown, Scope.Scope> {
  yield* Setup.build
  const { settings } = yield* Bench.readTargets("search")
  const { key, options, url } = yield* Setup.database(settings, ["search:read"])
  const all = yield* Catalogue.products
  const count = Math.round(catalogueSize * scale)
  const documents = Array.from({ length: count }, (_, n) => documentOf(Catalogue.productAt(all, count, n), n))
  const context = yield* Layer.build(
    SearchDomain.layer.pipe(Layer.provide(Database.layer(options, "hm-bench")))
  )
  const written = yield* Effect.gen(function* () {
    const indexes = yield* SearchIndexes
    const versions = yield* SearchIndexVersions
    const builds = yield* SearchBuilds
    yield* indexes.ensure(products)
    const fresh = yield* write(documents)
    const { versionId } = yield* versions.start(products, {})
    yield* Effect.repeat(builds.buildNext, { while: (worked) => worked }).pipe(
      Effect.provideService(AllTenants, { actor: "bench" })
    )
    yield* versions.activate(products, versionId)
    const changed = yield* write(
      documents
        .slice(0, Math.round(changedSize * scale))
        .map(({ fields, id }) => ({ id, fields: { ...fields, stock: 1 } }))
    )
    yield* Bench.say(`written ${Math.round(fresh)} products/s, changed ${Math.round(changed)} products/s`)
    return { fresh, changed }
  }).pipe(Effect.provideContext(context), provide(Setup.tenantId))

  const api = yield* Setup.startApi(url)
  yield* api.ready
  const bodies = Catalogue.queries(all).map((query) =>
    JSON.stringify({ query, facets: [{ column: "brand" }, { column: "categories" }], limit: 20 })
  )
  const ask = (millis: number) =>
    Load.run({
      port: api.port,
      path: `/v1/search/indexes/${products}/search`,
      headers: { authorization: `Bearer ${key}` },
      bodies,
      connections,
      millis
    })
  yield* ask(roundMillis)
  const measured: Array<Load.Result> = []
  for (let round = 1; round <= rounds; round++) {
    const result = yield* ask(roundMillis)
    measured.push(result)
    yield* Bench.say(
      `round ${round}: ${Math.round(result.requestsPerSecond)} searches/s, ${result.errors} errors`
    )
  }
  const median = (of: (result: Load.Result) => number) => Bench.median(measured.map(of))
  const figure = (name: string, unit: string, ours: number): Bench.Figure => ({
    figure: `100k: ${name}`,
    unit,
    ours,
    peers: {}
  })
  return [
    figure("written through the service, batches of 1,000", "products/s", written.fresh),
    figure("changed beside the active version, batches of 1,000", "products/s", written.changed),
    figure(
      "searches over HTTP, 2 facets",
      "searches/s",
      median((result) => result.requestsPerSecond)
    ),
    figure(
      "searches over HTTP, 2 facets, p50",
      "ms",
      median((result) => Bench.quantile(result.latenciesMillis, 0.5))
    ),
    figure(
      "searches over HTTP, 2 facets, p99",
      "ms",
      median((result) => Bench.quantile(result.latenciesMillis, 0.99))
    ),
    figure(
      "searches over HTTP that failed",
      "searches",
      measured.reduce((sum, { errors }) => sum + errors, 0)
    )
  ]
})
