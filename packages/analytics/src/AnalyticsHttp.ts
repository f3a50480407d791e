/**
 * Handlers of the HTTP groups of sales analytics.
 *
 * @since 0.1.0
 */
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import * as Storage from "@hypermarket/core/Storage"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { AnalyticsApi, catalogueDocument, factsBytesMax } from "./AnalyticsApi.ts"
import * as OrderFacts from "./OrderFacts.ts"
import { OrderFigures } from "./OrderFigures.ts"
import { mergeRowsMax, OrderSummaries, waitingMax } from "./OrderSummaries.ts"
import { OrderZones } from "./OrderZones.ts"
import { NewClose, SalesClose } from "./SalesClose.ts"
import { SalesCloses } from "./SalesCloses.ts"
import { SalesQueries } from "./SalesQueries.ts"
import { UnplacedFacts } from "./UnplacedFacts.ts"

const csvOptions = { contentType: "text/csv; charset=utf-8; header=present" } as const

const bodyMax = ByteSize.bytes(factsBytesMax)

/** Facts from which a batch counts as an import: it merges as it goes, because the background merge would fall behind. */
const bulkFactsMin = 100

const createClose = IdempotentRequests.create({
  operation: "analytics.createClose",
  payload: NewClose,
  answer: SalesClose
})

const orders = HttpApiBuilder.group(
  AnalyticsApi,
  "orders",
  Effect.fn(function* (handlers) {
    const facts = yield* OrderFacts.OrderFacts
    const summaries = yield* OrderSummaries
    return handlers.handleRaw(
      "record",
      Effect.fnUntraced(function* ({ request }) {
        // A body that is too large is a defect here; the server answers 413 for it.
        const body = yield* request.text.pipe(Effect.provideService(MaxBodySize, bodyMax), Effect.orDie)
        const batch = yield* OrderFacts.parse(body)
        const isBulk = batch.length >= bulkFactsMin
        if (isBulk && (yield* summaries.waiting(waitingMax)) >= waitingMax) {
          return yield* new Storage.StorageUnavailable()
        }
        const items = yield* facts.record(batch).pipe(Effect.catchTag("IsolationRefused", Effect.die))
        // Large merges: a cell that is updated often leaves as many row versions behind as a long-running transaction holds.
        // The facts are recorded: the background merge tries again what fails here.
        if (isBulk && (yield* summaries.waiting(mergeRowsMax)) >= mergeRowsMax) {
          yield* summaries
            .merge()
            .pipe(Effect.catchTag("SqlError", (error) => Effect.logWarning("A merge failed", error)))
        }
        return { items }
      }, Storage.orUnavailable)
    )
  })
)

const unplaced = HttpApiBuilder.group(
  AnalyticsApi,
  "unplaced",
  Effect.fn(function* (handlers) {
    const service = yield* UnplacedFacts
    return handlers.handleAll({
      listUnplaced: ({ query }) => service.list(query).pipe(Storage.orUnavailable)
    })
  })
)

const sales = HttpApiBuilder.group(
  AnalyticsApi,
  "sales",
  Effect.fn(function* (handlers) {
    const queries = yield* SalesQueries
    const sql = yield* SqlClient.SqlClient
    return handlers.handleAll({
      catalogue: () => Effect.succeed(catalogueDocument),
      // In a transaction it has a connection to itself: no statement of another request waits behind it.
      run: Effect.fnUntraced(
        function* ({ payload: { format, ...query } }) {
          if (format === "csv") return HttpServerResponse.text(yield* queries.csv(query), csvOptions)
          return yield* queries.run(query)
        },
        transactionOf(sql),
        Storage.orUnavailable
      ),
      freshness: () => Storage.orUnavailable(queries.freshness)
    })
  })
)

const figures = HttpApiBuilder.group(
  AnalyticsApi,
  "figures",
  Effect.fn(function* (handlers) {
    const service = yield* OrderFigures
    return handlers.handleAll({
      getFigures: ({ params }) => service.get(params.orderId).pipe(Storage.orUnavailable)
    })
  })
)

const zones = HttpApiBuilder.group(
  AnalyticsApi,
  "zones",
  Effect.fn(function* (handlers) {
    const service = yield* OrderZones
    return handlers.handleAll({
      getZone: ({ query }) =>
        (query.sellerId === undefined ? service.zone : service.sellerZone(query.sellerId)).pipe(
          Effect.map((zone) => ({ sellerId: query.sellerId ?? null, zone })),
          Storage.orUnavailable
        ),
      setZone: ({ payload }) =>
        (payload.sellerId === null
          ? service.setZone(payload.zone)
          : service.setSellerZone(payload.sellerId, payload.zone)
        ).pipe(Storage.orUnavailable)
    })
  })
)

const closes = HttpApiBuilder.group(
  AnalyticsApi,
  "closes",
  Effect.fn(function* (handlers) {
    const service = yield* SalesCloses
    const createOnce = yield* createClose
    return handlers.handleAll({
      close: ({ headers, payload }) =>
        createOnce({ headers, payload }, service.close(payload.period, payload.fromDay)).pipe(
          Storage.orUnavailable
        ),
      listCloses: ({ query }) => service.list(query).pipe(Storage.orUnavailable),
      getClose: ({ params }) => service.get(params.closeId).pipe(Storage.orUnavailable),
      restatement: ({ params, query }) =>
        service.restatement(params.closeId, query.by ?? "day").pipe(Storage.orUnavailable)
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(orders, unplaced, sales, figures, zones, closes)
