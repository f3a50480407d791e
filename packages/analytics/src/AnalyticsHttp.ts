/**
 * Handlers of the HTTP group of sales analytics.
 *
 * @since 0.1.0
 */
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Storage from "@hypermarket/core/Storage"
import { tenantId } from "@hypermarket/core/Tenant"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { AnalyticsApi, catalogueDocument, factsBytesMax } from "./AnalyticsApi.ts"
import * as OrderFacts from "./OrderFacts.ts"
import { mergeRowsMax, OrderSummaries, waitingMax } from "./OrderSummaries.ts"
import { OrderZones } from "./OrderZones.ts"
import { NewClose, SalesClose, SalesCloses } from "./SalesClose.ts"
import { SalesQueries } from "./SalesQuery.ts"

const bodyMax = ByteSize.bytes(factsBytesMax)

/** A batch of that size is an import: it merges as it goes, for nobody else would keep up. */
const bulkFactsMin = 100

const createCloseOnce = IdempotencyKey.make({ operation: "analytics.createClose", answer: SalesClose })
const encodeNewClose = Schema.encodeSync(NewClose)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  AnalyticsApi,
  "analytics",
  Effect.fn(function* (handlers) {
    const facts = yield* OrderFacts.OrderFacts
    const summaries = yield* OrderSummaries
    const queries = yield* SalesQueries
    const closes = yield* SalesCloses
    const zones = yield* OrderZones
    const sql = yield* SqlClient.SqlClient
    const storage = Effect.provideService(SqlClient.SqlClient, sql)
    return handlers
      .handleRaw(
        "recordFacts",
        Effect.fnUntraced(function* ({ request }) {
          // A body that is too large is a defect here; the server answers 413 for it.
          const body = yield* request.text.pipe(Effect.provideService(MaxBodySize, bodyMax), Effect.orDie)
          const given = yield* OrderFacts.parse(body)
          const isBulk = given.length >= bulkFactsMin
          if (isBulk && (yield* summaries.waiting(waitingMax)) >= waitingMax) {
            return yield* new Storage.StorageUnavailable()
          }
          const items = yield* facts.record(given).pipe(Effect.catchTag("IsolationRefused", Effect.die))
          // Large merges: a cell that is updated often leaves as many versions behind as somebody's old snapshot holds.
          if (isBulk && (yield* summaries.waiting(mergeRowsMax)) >= mergeRowsMax) yield* summaries.merge()
          return { items }
        }, Storage.orUnavailable)
      )
      .handleAll({
        catalogue: () => Effect.succeed(catalogueDocument),
        query: ({ payload }) => queries.run(payload).pipe(Storage.orUnavailable),
        getZone: ({ query }) =>
          (query.sellerId === undefined ? zones.zone : zones.sellerZone(query.sellerId)).pipe(
            Effect.map((zone) => ({ sellerId: query.sellerId ?? null, zone })),
            Storage.orUnavailable
          ),
        setZone: ({ payload }) =>
          (payload.sellerId === null
            ? zones.setZone(payload.zone)
            : zones.setSellerZone(payload.sellerId, payload.zone)
          ).pipe(Storage.orUnavailable),
        createClose: Effect.fnUntraced(
          function* ({ headers, payload }) {
            const owner = yield* tenantId
            return yield* createCloseOnce(
              { owner, headers, body: encodeNewClose(payload) },
              closes.close(payload.period, payload.fromDay)
            )
          },
          Storage.orUnavailable,
          storage
        ),
        listCloses: ({ query }) => closes.list(query).pipe(Storage.orUnavailable),
        getClose: ({ params }) => closes.get(params.closeId).pipe(Storage.orUnavailable),
        restatement: ({ params, query }) =>
          closes.restatement(params.closeId, query.by ?? "day").pipe(Storage.orUnavailable)
      })
  })
)
