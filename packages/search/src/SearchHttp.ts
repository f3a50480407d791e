/**
 * Handlers of search's HTTP groups.
 *
 * @since 0.1.0
 */
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import { tenantId } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SqlClient from "effect/sql/SqlClient"
import { ProductPopularity } from "./ProductPopularity.ts"
import { RankingSignals } from "./RankingSignal.ts"
import { Search } from "./Search.ts"
import { DocumentBatch, documentsBytesMax, SearchApi } from "./SearchApi.ts"
import { SearchDocuments } from "./SearchDocument.ts"
import { NewIndex, products, SearchIndex } from "./SearchIndex.ts"
import { SearchIndexes } from "./SearchIndexes.ts"
import { NewVersion, SearchIndexVersion } from "./SearchIndexVersion.ts"
import { SearchIndexVersions } from "./SearchIndexVersions.ts"
import { UserBehaviors } from "./UserBehavior.ts"

/** Where signals come from that are sent to the endpoint. */
const source = "/v1/search/events"

const bodyMax = ByteSize.bytes(documentsBytesMax)
const decodeBatch = Schema.decodeEffect(Schema.fromJsonString(DocumentBatch), {
  onExcessProperty: "error",
  errors: "all"
})

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

/** As the endpoints answer whose bodies are decoded for them. */
const toBadRequest = ({ issue }: Schema.SchemaError) =>
  new HttpApiError.BadRequestProblem({
    detail: "Request validation failed",
    errors: formatIssues(issue).issues.map(({ message, path }) => ({
      path: [
        "payload",
        ...(path ?? []).map((segment) => {
          const key = typeof segment === "object" ? segment.key : segment
          return typeof key === "number" ? key : String(key)
        })
      ],
      message
    }))
  })

const searching = HttpApiBuilder.group(
  SearchApi,
  "search",
  Effect.fn(function* (handlers) {
    const search = yield* Search
    const documents = yield* SearchDocuments
    const behaviors = yield* UserBehaviors
    const popularity = yield* ProductPopularity
    const signals = yield* RankingSignals
    const sql = yield* SqlClient.SqlClient
    const withLargeBody = handlers.handleRaw(
      "writeDocuments",
      Effect.fnUntraced(function* ({ params, request }) {
        // A body that is too large is a defect here; the server answers 413 for it.
        const body = yield* request.text.pipe(Effect.provideService(MaxBodySize, bodyMax), Effect.orDie)
        const batch = yield* Effect.mapError(decodeBatch(body), toBadRequest)
        return yield* documents.write(params.indexName, batch)
      }, Storage.orUnavailable)
    )
    return withLargeBody.handleAll({
      search: ({ params, payload }) => search.search(params.indexName, payload).pipe(Storage.orUnavailable),
      compareDocuments: ({ params }) => documents.compare(params.indexName).pipe(Storage.orUnavailable),
      recordEvents: ({ payload }) =>
        Effect.gen(function* () {
          const searches = payload.events.flatMap((event) => (event.kind === "search" ? [event] : []))
          let counted = 0
          for (const [indexName, own] of Map.groupBy(searches, ({ indexName }) => indexName ?? products)) {
            counted += yield* behaviors.recordQueries(source, indexName, own)
          }
          const signals = payload.events.flatMap((event) => (event.kind === "search" ? [] : [event]))
          const { duplicates, limited, recorded } = yield* behaviors.record(source, signals)
          return {
            recorded: recorded + counted,
            duplicates: duplicates + searches.length - counted,
            limited
          }
        }).pipe(transactionOf(sql), Storage.orUnavailable),
      getPendingEvents: () =>
        behaviors.pending.pipe(
          Effect.map((pending) => ({ pending })),
          Storage.orUnavailable
        ),
      getHistory: ({ query }) =>
        behaviors.history(query.userKey).pipe(
          Effect.map((items) => ({ items })),
          Storage.orUnavailable
        ),
      eraseHistory: ({ payload }) => behaviors.erase(payload.userKey).pipe(Storage.orUnavailable),
      getPopularity: ({ query }) => popularity.get(query.productId).pipe(Storage.orUnavailable),
      putRankingSignals: ({ payload }) => signals.put(payload.signals).pipe(Storage.orUnavailable),
      listRankingSignals: ({ query }) => signals.list(query.signal, query).pipe(Storage.orUnavailable)
    })
  })
)

const encodeNewIndex = Schema.encodeSync(NewIndex)
const createIndexOnce = IdempotencyKey.make({ operation: "search.createIndex", answer: SearchIndex })

const indexes = HttpApiBuilder.group(
  SearchApi,
  "searchIndexes",
  Effect.fn(function* (handlers) {
    const all = yield* SearchIndexes
    const versions = yield* SearchIndexVersions
    const sql = yield* SqlClient.SqlClient
    const storage = Effect.provideService(SqlClient.SqlClient, sql)
    return handlers.handleAll({
      createIndex: Effect.fnUntraced(
        function* ({ headers, payload }) {
          const request = { owner: yield* tenantId, headers, body: encodeNewIndex(payload) }
          return tagged(yield* createIndexOnce(request, all.create(payload)))
        },
        Storage.orUnavailable,
        storage
      ),
      listIndexes: ({ query }) => all.list(query).pipe(Storage.orUnavailable),
      getIndex: ({ params }) => all.get(params.indexName).pipe(Effect.map(tagged), Storage.orUnavailable),
      changeIndex: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.change(params.indexName, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      removeIndex: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => all.remove(params.indexName, version)),
          Storage.orUnavailable
        ),
      rollBackIndex: ({ params }) =>
        versions.rollBack(params.indexName).pipe(Effect.map(tagged), Storage.orUnavailable)
    })
  })
)

const encodeNewVersion = Schema.encodeSync(NewVersion)
const startVersionOnce = IdempotencyKey.make({ operation: "search.startVersion", answer: SearchIndexVersion })

const versions = HttpApiBuilder.group(
  SearchApi,
  "searchVersions",
  Effect.fn(function* (handlers) {
    const indexes = yield* SearchIndexes
    const all = yield* SearchIndexVersions
    const sql = yield* SqlClient.SqlClient
    const storage = Effect.provideService(SqlClient.SqlClient, sql)
    return handlers.handleAll({
      startVersion: Effect.fnUntraced(
        function* ({ headers, params, payload }) {
          const body = { indexName: params.indexName, ...encodeNewVersion(payload) }
          const request = { owner: yield* tenantId, headers, body }
          return tagged(yield* startVersionOnce(request, all.start(params.indexName, payload)))
        },
        Storage.orUnavailable,
        storage
      ),
      listVersions: ({ params, query }) =>
        Effect.andThen(indexes.get(params.indexName), all.list(params.indexName, query)).pipe(
          Storage.orUnavailable
        ),
      getVersion: ({ params }) =>
        all.get(params.indexName, params.versionId).pipe(Effect.map(tagged), Storage.orUnavailable),
      validateVersion: ({ params }) =>
        all.validate(params.indexName, params.versionId).pipe(Effect.map(tagged), Storage.orUnavailable),
      activateVersion: ({ params }) =>
        all.activate(params.indexName, params.versionId).pipe(Effect.map(tagged), Storage.orUnavailable),
      retireVersion: ({ params }) =>
        all.retire(params.indexName, params.versionId).pipe(Effect.map(tagged), Storage.orUnavailable)
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(searching, indexes, versions)
