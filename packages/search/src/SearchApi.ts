/**
 * The HTTP groups of search: indexes, their versions, documents, searching, behaviour. Schemas and endpoints only.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import {
  AcceptsClientKeys,
  Authorization,
  RequestDeadline,
  RequiredScope
} from "@hypermarket/core/Authorization"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import { StorageUnavailable } from "@hypermarket/core/Storage"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { Popularity } from "./ProductPopularity.ts"
import * as RankingSignal from "./RankingSignal.ts"
import { SearchIndexBuilding, SearchInvalid, SearchQuery, SearchResult } from "./SearchQuery.ts"
import * as SearchDocument from "./SearchDocument.ts"
import {
  IndexChange,
  IndexName,
  NewIndex,
  SearchIndex,
  SearchIndexExists,
  SearchIndexLimit,
  SearchIndexNotFound,
  VersionId
} from "./SearchIndex.ts"
import {
  NewVersion,
  NothingToRollBack,
  SearchIndexVersion,
  SearchVersionLimit,
  SearchVersionNotFound,
  SearchVersionState
} from "./SearchIndexVersion.ts"
import * as UserBehavior from "./UserBehavior.ts"

const { PreconditionRequired, Tagged, VersionStale } = Precondition
const created = HttpApiSchema.status(201)
const accepted = HttpApiSchema.status(202)
const conditional = [PreconditionRequired, VersionStale] as const
const ofIndex = { indexName: IndexName }
const ofVersion = { indexName: IndexName, versionId: VersionId }

/** Reads every row of the version and of the catalogue. */
const validateDeadline = "60 seconds"

/**
 * A batch of a thousand documents of some kilobytes.
 *
 * @category limits
 * @since 0.1.0
 */
export const documentsBytesMax = 16 * 1024 * 1024

/**
 * @category models
 * @since 0.1.0
 */
export const DocumentBatch = Schema.Struct({
  upserts: Schema.optionalKey(
    Schema.Array(SearchDocument.SearchDocument).check(Schema.isMaxLength(SearchDocument.batchMax))
  ),
  removals: Schema.optionalKey(
    Schema.Array(SearchDocument.DocumentRemoval).check(Schema.isMaxLength(SearchDocument.batchMax))
  )
})

/**
 * What a shop tells of its visitors. `search` needs a query, the other kinds a product.
 *
 * @category models
 * @since 0.1.0
 */
export const BehaviorEvent = Schema.Union([
  UserBehavior.Signal,
  Schema.Struct({
    id: UserBehavior.Signal.fields.id,
    kind: Schema.Literal("search"),
    indexName: Schema.optionalKey(IndexName),
    query: Schema.String.check(Schema.isMaxLength(1_500))
  })
])

/**
 * @category api
 * @since 0.1.0
 */
export class SearchGroup extends HttpApiGroup.make("search")
  .add(
    HttpApiEndpoint.post("search", "/v1/search/indexes/:indexName/search", {
      params: ofIndex,
      payload: SearchQuery,
      success: SearchResult,
      error: [SearchIndexNotFound, SearchInvalid, SearchIndexBuilding, StorageUnavailable]
    })
      .annotate(RequiredScope, "search:read")
      .annotate(AcceptsClientKeys, true),
    HttpApiEndpoint.post("writeDocuments", "/v1/search/indexes/:indexName/documents", {
      params: ofIndex,
      payload: DocumentBatch,
      success: SearchDocument.Written,
      error: [SearchIndexNotFound, SearchDocument.DocumentInvalid, StorageUnavailable]
    })
      .annotate(RequiredScope, "search:write")
      .annotate(RequestDeadline, "10 seconds"),
    HttpApiEndpoint.get("compareDocuments", "/v1/search/indexes/:indexName/comparison", {
      params: ofIndex,
      success: SearchDocument.Comparison,
      error: [SearchIndexNotFound, StorageUnavailable]
    })
      .annotate(RequiredScope, "search:read")
      .annotate(RequestDeadline, validateDeadline),
    HttpApiEndpoint.post("recordEvents", "/v1/search/events", {
      payload: Schema.Struct({
        events: Schema.Array(BehaviorEvent).check(Schema.isMaxLength(UserBehavior.batchMax))
      }),
      success: UserBehavior.Recorded.pipe(accepted),
      error: StorageUnavailable
    })
      .annotate(RequiredScope, "search:write")
      .annotate(AcceptsClientKeys, true),
    HttpApiEndpoint.get("getPendingEvents", "/v1/search/events/pending", {
      success: Schema.Struct({ pending: Schema.Int }),
      error: StorageUnavailable
    }).annotate(RequiredScope, "search:read"),
    HttpApiEndpoint.get("getHistory", "/v1/search/history", {
      query: { userKey: AdopterId },
      success: Schema.Struct({ items: Schema.Array(UserBehavior.HistoryItem) }),
      error: StorageUnavailable
    }).annotate(RequiredScope, "search:read"),
    HttpApiEndpoint.post("eraseHistory", "/v1/search/history/erase", {
      payload: Schema.Struct({ userKey: AdopterId }),
      success: Schema.Struct({ erased: Schema.Int }),
      error: StorageUnavailable
    })
      .annotate(RequiredScope, "search:admin")
      .annotate(RequestDeadline, validateDeadline),
    HttpApiEndpoint.get("getPopularity", "/v1/search/popularity", {
      query: { productId: AdopterId },
      success: Popularity,
      error: StorageUnavailable
    }).annotate(RequiredScope, "search:read"),
    HttpApiEndpoint.post("putRankingSignals", "/v1/search/signals", {
      payload: Schema.Struct({
        signals: Schema.Array(RankingSignal.RankingSignal).check(Schema.isMaxLength(RankingSignal.batchMax))
      }),
      success: HttpApiSchema.NoContent,
      error: StorageUnavailable
    }).annotate(RequiredScope, "search:write"),
    HttpApiEndpoint.get("listRankingSignals", "/v1/search/signals", {
      query: { signal: RankingSignal.SignalName, ...Page.Query },
      success: Page.schema(RankingSignal.RankingSignal),
      error: [Page.CursorInvalid, StorageUnavailable]
    }).annotate(RequiredScope, "search:read")
  )
  .middleware(Authorization)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(OpenApi.Title, "Search") {}

/**
 * @category api
 * @since 0.1.0
 */
export class IndexGroup extends HttpApiGroup.make("searchIndexes")
  .add(
    HttpApiEndpoint.post("createIndex", "/v1/search/indexes", {
      headers: IdempotencyKey.Headers,
      payload: NewIndex,
      success: Tagged(SearchIndex.pipe(created)),
      error: [SearchIndexExists, SearchIndexLimit, ...IdempotencyKey.errors, StorageUnavailable]
    }).annotate(RequiredScope, "search:admin"),
    HttpApiEndpoint.get("listIndexes", "/v1/search/indexes", {
      query: Page.Query,
      success: Page.schema(SearchIndex),
      error: [Page.CursorInvalid, StorageUnavailable]
    }).annotate(RequiredScope, "search:read"),
    HttpApiEndpoint.get("getIndex", "/v1/search/indexes/:indexName", {
      params: ofIndex,
      success: Tagged(SearchIndex),
      error: [SearchIndexNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "search:read"),
    HttpApiEndpoint.patch("changeIndex", "/v1/search/indexes/:indexName", {
      params: ofIndex,
      headers: Precondition.Headers,
      payload: IndexChange,
      success: Tagged(SearchIndex),
      error: [SearchIndexNotFound, ...conditional, StorageUnavailable]
    }).annotate(RequiredScope, "search:admin"),
    HttpApiEndpoint.delete("removeIndex", "/v1/search/indexes/:indexName", {
      params: ofIndex,
      headers: Precondition.Headers,
      success: HttpApiSchema.NoContent,
      error: [SearchIndexNotFound, ...conditional, StorageUnavailable]
    })
      .annotate(RequiredScope, "search:admin")
      .annotate(RequestDeadline, validateDeadline),
    HttpApiEndpoint.post("rollBackIndex", "/v1/search/indexes/:indexName/rollback", {
      params: ofIndex,
      success: Tagged(SearchIndexVersion),
      error: [SearchIndexNotFound, NothingToRollBack, StorageUnavailable]
    }).annotate(RequiredScope, "search:admin")
  )
  .middleware(Authorization)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(OpenApi.Title, "Search indexes") {}

/**
 * @category api
 * @since 0.1.0
 */
export class VersionGroup extends HttpApiGroup.make("searchVersions")
  .add(
    HttpApiEndpoint.post("startVersion", "/v1/search/indexes/:indexName/versions", {
      params: ofIndex,
      headers: IdempotencyKey.Headers,
      payload: NewVersion,
      success: Tagged(SearchIndexVersion.pipe(accepted)),
      error: [SearchIndexNotFound, SearchVersionLimit, ...IdempotencyKey.errors, StorageUnavailable]
    }).annotate(RequiredScope, "search:admin"),
    HttpApiEndpoint.get("listVersions", "/v1/search/indexes/:indexName/versions", {
      params: ofIndex,
      query: Page.Query,
      success: Page.schema(SearchIndexVersion),
      error: [Page.CursorInvalid, SearchIndexNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "search:read"),
    HttpApiEndpoint.get("getVersion", "/v1/search/indexes/:indexName/versions/:versionId", {
      params: ofVersion,
      success: Tagged(SearchIndexVersion),
      error: [SearchVersionNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "search:read"),
    HttpApiEndpoint.post("validateVersion", "/v1/search/indexes/:indexName/versions/:versionId/validate", {
      params: ofVersion,
      success: Tagged(SearchIndexVersion),
      error: [SearchVersionNotFound, SearchVersionState, StorageUnavailable]
    })
      .annotate(RequiredScope, "search:admin")
      .annotate(RequestDeadline, validateDeadline),
    HttpApiEndpoint.post("activateVersion", "/v1/search/indexes/:indexName/versions/:versionId/activate", {
      params: ofVersion,
      success: Tagged(SearchIndexVersion),
      error: [SearchVersionNotFound, SearchVersionState, StorageUnavailable]
    }).annotate(RequiredScope, "search:admin"),
    HttpApiEndpoint.post("retireVersion", "/v1/search/indexes/:indexName/versions/:versionId/retire", {
      params: ofVersion,
      success: Tagged(SearchIndexVersion),
      error: [SearchVersionNotFound, SearchVersionState, StorageUnavailable]
    }).annotate(RequiredScope, "search:admin")
  )
  .middleware(Authorization)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(OpenApi.Title, "Search versions") {}

/**
 * The groups alone, for this package's handlers and tests; apps add them to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class SearchApi extends HttpApi.make(Api.id).add(SearchGroup).add(IndexGroup).add(VersionGroup) {}
