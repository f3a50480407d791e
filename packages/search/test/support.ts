/** Services over a test database, and made-up products. */
import { assert } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { Search } from "@hypermarket/search/Search"
import { type SearchQuery, type SearchResult } from "@hypermarket/search/SearchQuery"
import { SearchBuilds } from "@hypermarket/search/SearchBuild"
import { batchMax, type SearchDocument } from "@hypermarket/search/SearchDocument"
import { SearchDocuments } from "@hypermarket/search/SearchDocuments"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { IndexName, type VersionId } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer } from "effect"

export const acme = TenantId.make("acme")
export const globex = TenantId.make("globex")
export const shop = IndexName.make("shop")
export const asOperator = Effect.provideService(AllTenants, { actor: "test" })

/** The services, with settings of the environment as given. */
export const layerOf = (environment: Readonly<Record<string, string>> = {}) =>
  SearchDomain.layer.pipe(
    Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, SearchDomain.domain.migrations)),
    Layer.provide(ConfigProvider.layerAdd(ConfigProvider.fromUnknown(environment)))
  )

export const upsert = (documents: ReadonlyArray<SearchDocument>, index = shop) =>
  Effect.flatMap(SearchDocuments, (all) => all.write(index, { upserts: documents })).pipe(provide(acme))

export const remove = (ids: ReadonlyArray<string>, index = shop) =>
  Effect.flatMap(SearchDocuments, (all) => all.write(index, { removals: ids.map((id) => ({ id })) })).pipe(
    provide(acme)
  )

export const search = (query: SearchQuery, index = shop) =>
  Effect.flatMap(Search, (one) => one.search(index, query)).pipe(provide(acme))

export const ids = (result: SearchResult): ReadonlyArray<string> => result.hits.map(({ id }) => id)

/** A new index of the tenant. */
export const makeIndex = (index: IndexName) =>
  Effect.flatMap(SearchIndexes, (all) => all.create({ indexName: index, automatic: false })).pipe(
    provide(acme)
  )

/** Builds everything that was started. */
export const buildAll = Effect.flatMap(SearchBuilds, (builds) =>
  Effect.repeat(builds.buildNext, { while: (worked) => worked })
).pipe(asOperator)

/** Starts a version and builds it, up to its gates. */
export const buildVersion = Effect.fnUntraced(function* (index = shop) {
  const versions = yield* SearchIndexVersions
  const started = yield* versions.start(index, {}).pipe(provide(acme))
  yield* buildAll
  return yield* versions.get(index, started.versionId).pipe(provide(acme))
})

export const activate = (versionId: VersionId, index = shop) =>
  Effect.flatMap(SearchIndexVersions, (versions) => versions.activate(index, versionId)).pipe(provide(acme))

/** Builds a version and activates it. */
export const buildActive = Effect.fnUntraced(function* (index: IndexName) {
  const built = yield* buildVersion(index)
  assert.strictEqual(built.status, "ready", JSON.stringify(built.gates))
  yield* activate(built.versionId, index)
  return built
})

export const compare = (index = shop) =>
  Effect.flatMap(SearchDocuments, (all) => all.compare(index)).pipe(provide(acme))

const nouns = [
  "lamp",
  "chair",
  "printer",
  "cable",
  "camera",
  "notebook",
  "speaker",
  "battery",
  "desk",
  "monitor"
]
const adjectives = [
  "black",
  "wireless",
  "compact",
  "steel",
  "portable",
  "curved",
  "quiet",
  "folding",
  "heavy",
  "smart"
]
const brands = ["Canon", "Epson", "Lenovo", "Ikea", "Sony"]

/** Document number `n` of a catalogue that is the same every time. */
export const product = (n: number, version?: number): SearchDocument => ({
  id: `p${n}`,
  ...(version === undefined ? {} : { version }),
  fields: {
    title: `${adjectives[n % 10]} ${nouns[Math.floor(n / 10) % 10]} x${n}`,
    brand: brands[n % 5] ?? "",
    description: `A ${adjectives[(n * 7) % 10]} thing for the ${nouns[(n * 3) % 10]}`,
    categories: [`Things/${nouns[Math.floor(n / 10) % 10]}`, "Things"],
    price: 1_000 + ((n * 37) % 500) * 10,
    stock: n % 7,
    attributes: { colour: n % 2 === 0 ? "black" : "white" }
  }
})

export const products = (count: number, from = 0): ReadonlyArray<SearchDocument> =>
  Array.from({ length: count }, (_, n) => product(from + n))

/** Makes an index of the test with documents. */
export const stocked = Effect.fnUntraced(function* (name: string, documents: number) {
  const index = IndexName.make(name)
  yield* makeIndex(index)
  for (let from = 0; from < documents; from += batchMax) {
    yield* upsert(products(Math.min(batchMax, documents - from), from), index)
  }
  return index
})
