/**
 * Handlers of search's HTTP groups.
 *
 * @since 0.1.0
 */
import { requireResource } from "@hypermarket/core/Authorization"
import { Caller } from "@hypermarket/core/Credentials"
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Problems from "@hypermarket/core/Problems"
import * as Storage from "@hypermarket/core/Storage"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { ProductPopularity } from "./ProductPopularity.ts"
import { RankingSignals } from "./RankingSignals.ts"
import { Search } from "./Search.ts"
import { DocumentBatch, documentsBytesMax, SearchApi } from "./SearchApi.ts"
import { SearchCurations } from "./SearchCurations.ts"
import { SearchDocuments } from "./SearchDocuments.ts"
import { NewIndex, products, SearchIndex } from "./SearchIndex.ts"
import { SearchIndexes } from "./SearchIndexes.ts"
import { NewVersion, SearchIndexVersion } from "./SearchIndexVersion.ts"
import { SearchIndexVersions } from "./SearchIndexVersions.ts"
import { SignalsInvalid } from "./UserBehavior.ts"
import { UserBehaviors } from "./UserBehaviors.ts"

/** Where signals come from that are sent to the endpoint. */
const source = "/v1/search/events"

const bodyMax = ByteSize.bytes(documentsBytesMax)
const decodeBatch = Schema.decodeEffect(Schema.fromJsonString(DocumentBatch), {
  onExcessProperty: "error",
  errors: "all"
})

/** As the endpoints answer whose bodies are decoded for them. */
const toBadRequest = (error: Schema.SchemaError) =>
  new HttpApiError.BadRequestProblem({
    detail: "Request validation failed",
    errors: Problems.issuesOf(error.issue)
  })

/** Returns the error with the paths of the body, which has searches among the signals. */
const atEvents = ({ errors }: SignalsInvalid, placeOf: (index: number) => number | undefined) =>
  new SignalsInvalid({
    errors: errors.map(({ message, path: [index, ...field] }) => ({
      path: ["events", String(placeOf(Number(index)) ?? index), ...field],
      message
    }))
  })

const searching = HttpApiBuilder.group(
  SearchApi,
  "search",
  Effect.fn(function* (handlers) {
    const search = yield* Search
    return handlers.handleAll({
      search: ({ params, payload }) =>
        requireResource("index", params.indexName).pipe(
          Effect.andThen(Caller),
          Effect.flatMap(({ kind }) =>
            kind === "client"
              ? search.searchByClient(params.indexName, payload)
              : search.search(params.indexName, payload)
          ),
          Storage.orUnavailable
        ),
      searchAll: ({ params, payload }) =>
        requireResource("index", params.indexName).pipe(
          Effect.andThen(Caller),
          Effect.flatMap(({ kind }) =>
            kind === "client"
              ? search.searchAllByClient(params.indexName, payload.searches)
              : search.searchAll(params.indexName, payload.searches)
          ),
          Effect.map((results) => ({ results })),
          Storage.orUnavailable
        ),
      queries: ({ params, query: { limit, withoutResults } }) =>
        requireResource("index", params.indexName).pipe(
          Effect.andThen(
            search.queries(params.indexName, {
              withoutResults: withoutResults === "true",
              ...(limit === undefined ? {} : { limit })
            })
          ),
          Effect.map((items) => ({ items })),
          Storage.orUnavailable
        )
    })
  })
)

const documents = HttpApiBuilder.group(
  SearchApi,
  "documents",
  Effect.fn(function* (handlers) {
    const documents = yield* SearchDocuments
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
      removeWhere: ({ params, payload }) =>
        documents.removeWhere(params.indexName, payload.filter).pipe(Storage.orUnavailable),
      listDocuments: ({ params, query }) =>
        requireResource("index", params.indexName).pipe(
          Effect.andThen(documents.list(params.indexName, query)),
          Storage.orUnavailable
        ),
      getDocument: ({ params }) =>
        requireResource("index", params.indexName).pipe(
          Effect.andThen(documents.get(params.indexName, params.documentId)),
          Storage.orUnavailable
        ),
      // In a transaction it has a connection to itself: no statement of another request waits behind it.
      compareDocuments: ({ params }) =>
        documents.compare(params.indexName).pipe(transactionOf(sql), Storage.orUnavailable)
    })
  })
)

const behaviour = HttpApiBuilder.group(
  SearchApi,
  "behaviour",
  Effect.fn(function* (handlers) {
    const behaviors = yield* UserBehaviors
    const sql = yield* SqlClient.SqlClient
    return handlers.handleAll({
      record: ({ payload }) =>
        Effect.gen(function* () {
          const { kind } = yield* Caller
          const searches = payload.events.flatMap((event) => (event.kind === "search" ? [event] : []))
          let counted = 0
          for (const [indexName, own] of Map.groupBy(searches, ({ indexName }) => indexName ?? products)) {
            yield* requireResource("index", indexName)
            counted += yield* behaviors.recordQueries(source, indexName, own)
          }
          const signals = payload.events.flatMap((event, place) =>
            event.kind === "search" ? [] : [{ event, place }]
          )
          const { duplicates, limited, recorded } = yield* (
            kind === "client" ? behaviors.recordByClient : behaviors.record
          )(
            source,
            signals.map(({ event }) => event)
          ).pipe(
            Effect.mapError((error) =>
              error._tag === "SignalsInvalid" ? atEvents(error, (index) => signals[index]?.place) : error
            )
          )
          return {
            recorded: recorded + counted,
            duplicates: duplicates + searches.length - counted,
            limited
          }
        }).pipe(transactionOf(sql), Storage.orUnavailable),
      pending: () =>
        behaviors.pending.pipe(
          Effect.map((pending) => ({ pending })),
          Storage.orUnavailable
        ),
      history: ({ query }) =>
        behaviors.history(query.userKey).pipe(
          Effect.map((items) => ({ items })),
          Storage.orUnavailable
        ),
      erase: ({ payload }) => behaviors.erase(payload.userKey).pipe(Storage.orUnavailable)
    })
  })
)

const popularity = HttpApiBuilder.group(
  SearchApi,
  "popularity",
  Effect.fn(function* (handlers) {
    const popularity = yield* ProductPopularity
    return handlers.handleAll({
      getPopularity: ({ query }) => popularity.get(query.productId).pipe(Storage.orUnavailable)
    })
  })
)

const rankingSignals = HttpApiBuilder.group(
  SearchApi,
  "rankingSignals",
  Effect.fn(function* (handlers) {
    const signals = yield* RankingSignals
    return handlers.handleAll({
      putSignals: ({ payload }) => signals.put(payload.signals).pipe(Storage.orUnavailable),
      listSignals: ({ query }) => signals.list(query.signal, query).pipe(Storage.orUnavailable)
    })
  })
)

const createIndex = IdempotentRequests.create({
  operation: "search.createIndex",
  payload: NewIndex,
  answer: SearchIndex
})

const indexes = HttpApiBuilder.group(
  SearchApi,
  "indexes",
  Effect.fn(function* (handlers) {
    const all = yield* SearchIndexes
    const createOnce = yield* createIndex
    return handlers.handleAll({
      createIndex: ({ headers, payload }) =>
        createOnce({ headers, payload }, all.create(payload)).pipe(Effect.map(tagged), Storage.orUnavailable),
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
        )
    })
  })
)

const curations = HttpApiBuilder.group(
  SearchApi,
  "curations",
  Effect.fn(function* (handlers) {
    const curations = yield* SearchCurations
    return handlers.handleAll({
      getCuration: ({ params }) =>
        curations.get(params.indexName).pipe(Effect.map(tagged), Storage.orUnavailable),
      setCuration: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => curations.set(params.indexName, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        )
    })
  })
)

const startVersion = IdempotentRequests.create({
  operation: "search.startVersion",
  payload: NewVersion,
  answer: SearchIndexVersion
})

const versions = HttpApiBuilder.group(
  SearchApi,
  "indexVersions",
  Effect.fn(function* (handlers) {
    const indexes = yield* SearchIndexes
    const all = yield* SearchIndexVersions
    const startOnce = yield* startVersion
    return handlers.handleAll({
      rollBack: ({ params }) =>
        all.rollBack(params.indexName).pipe(Effect.map(tagged), Storage.orUnavailable),
      startVersion: ({ headers, params, payload }) =>
        startOnce(
          { headers, payload, scope: { indexName: params.indexName } },
          all.start(params.indexName, payload)
        ).pipe(Effect.map(tagged), Storage.orUnavailable),
      listVersions: ({ params, query }) =>
        Effect.andThen(indexes.get(params.indexName), all.list(params.indexName, query)).pipe(
          Storage.orUnavailable
        ),
      getVersion: ({ params }) =>
        all.get(params.indexName, params.versionId).pipe(Effect.map(tagged), Storage.orUnavailable),
      validateVersion: ({ params }) =>
        all.validate(params.indexName, params.versionId).pipe(Effect.map(tagged), Storage.orUnavailable),
      activateVersion: ({ params, payload }) =>
        all
          .activate(params.indexName, params.versionId, payload)
          .pipe(Effect.map(tagged), Storage.orUnavailable),
      retireVersion: ({ params }) =>
        all.retire(params.indexName, params.versionId).pipe(Effect.map(tagged), Storage.orUnavailable)
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  searching,
  documents,
  behaviour,
  popularity,
  rankingSignals,
  indexes,
  curations,
  versions
)
