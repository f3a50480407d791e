import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import * as Commerce from "@hypermarket/core/Commerce"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Console, Effect, Layer, Schema } from "effect"

const migrate = Effect.flatMap(Database.options, (options) =>
  Migrations.run([CoreDomain.migrations, AnalyticsDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
)

const order = Schema.decodeUnknownEffect(Commerce.Order)({
  orderId: "o-1",
  version: 1,
  status: "placed",
  customerId: "c-7",
  channel: "web",
  region: "DE",
  currency: "EUR",
  placedAt: "2026-03-10T12:00:00Z",
  attributes: {},
  lines: [
    {
      lineId: "1",
      productId: "p-3",
      sellerId: "s-1",
      category: "toys/blocks",
      quantity: 2,
      unitPrice: "1000",
      discount: "100",
      tax: "0",
      shipping: "0"
    }
  ]
})

const sell = Effect.gen(function* () {
  const facts = yield* OrderFacts
  const sales = yield* SalesQueries
  // In the shop's own transaction: the figures have the order if and only if it commits.
  yield* Database.transaction(Effect.flatMap(order, facts.place))
  const { rows } = yield* sales.run({
    measures: ["orders", "net"],
    dimensions: ["currency"],
    timeDimension: { from: "2026-01-01", until: "2027-01-01", granularity: "month" }
  })
  yield* Console.log(rows)
}).pipe(
  provide(TenantId.make("acme")),
  Effect.provide(AnalyticsDomain.layer.pipe(Layer.provideMerge(Database.layerConfig)))
)

await Effect.runPromise(Effect.andThen(migrate, sell))
