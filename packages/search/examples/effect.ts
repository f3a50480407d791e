import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Search } from "@hypermarket/search/Search"
import { SearchDocuments } from "@hypermarket/search/SearchDocuments"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import { products } from "@hypermarket/search/SearchIndex"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { Console, Effect, Layer } from "effect"

const migrate = Effect.flatMap(Database.options, (options) =>
  Migrations.run([CoreDomain.migrations, SearchDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
)

const services = Layer.provideMerge(SearchDomain.layer, Database.layerConfig)

const shop = Effect.gen(function* () {
  const indexes = yield* SearchIndexes
  const documents = yield* SearchDocuments
  const search = yield* Search
  yield* indexes.ensure(products)
  const found = yield* Effect.gen(function* () {
    yield* documents.write(products, {
      upserts: [{ id: "lamp-1", version: 1, fields: { title: "Brass desk lamp", price: 4_900 } }]
    })
    // Here go the shop's own statements: all of it commits, or none. This search sees it already, others do not.
    return yield* search.search(products, { query: "lamps", filter: "price < 5000" })
  }).pipe(Database.transaction)
  yield* Console.log(found.hits.map(({ fields }) => fields.title))
}).pipe(provide(TenantId.make("acme")), Effect.provide(services))

await Effect.runPromise(Effect.andThen(migrate, shop))
