/**
 * The HTTP groups of search: searching, documents, behaviour, ranking, and those of `SearchIndexGroups`. Schemas and endpoints only.
 *
 * @since 0.1.0
 */
import { NotAudited } from "@hypermarket/core/Audit"
import * as Api from "@hypermarket/core/Api"
import { AcceptsClientKeys, RequestDeadline, RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import { BodyBytesMax } from "@hypermarket/core/RequestBody"
import * as Text from "@hypermarket/core/Text"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { readsAll } from "./internal/readsAll.ts"
import { Popularity } from "./Popularity.ts"
import * as RankingSignal from "./RankingSignal.ts"
import {
  CommonQuery,
  SearchIndexBuilding,
  SearchInvalid,
  SearchQueries,
  SearchQuery,
  SearchResult
} from "./SearchQuery.ts"
import * as SearchDocument from "./SearchDocument.ts"
import { IndexName, SearchIndexNotFound } from "./SearchIndex.ts"
import { CurationGroup, IndexGroup, VersionGroup } from "./SearchIndexGroups.ts"
import { SearchVersionNotFound, SearchVersionState } from "./SearchIndexVersion.ts"
import * as UserBehavior from "./UserBehavior.ts"

const accepted = HttpApiSchema.status(202)
const ofIndex = { indexName: IndexName }
const indexPath = "/v1/search/indexes/:indexName"

const bulk = "documents come in bulk and carry their own versions"
const ownRecord = "they come in bulk and are their own record"

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
export const DocumentBatch = SearchDocument.DocumentBatch

/**
 * An event of a visitor. `search` needs a query, the other kinds a product.
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
    query: Text.make({ min: 0, max: 1_500 })
  })
])

const searchErrors = [
  SearchIndexNotFound,
  SearchInvalid,
  SearchIndexBuilding,
  SearchVersionNotFound,
  SearchVersionState
] as const

/**
 * @category api
 * @since 0.1.0
 */
export class SearchGroup extends Endpoint.group(
  "search",
  {
    title: "Search",
    description: "Searches read the active version of an index. A written document is found by the next one."
  },
  HttpApiEndpoint.post("search", `${indexPath}/search`, {
    params: ofIndex,
    payload: SearchQuery,
    success: SearchResult,
    error: searchErrors
  })
    .annotate(NotAudited, "reads only")
    .annotate(RequiredScope, "search:read")
    .annotate(AcceptsClientKeys, true),
  HttpApiEndpoint.post("searchAll", `${indexPath}/searches`, {
    params: ofIndex,
    payload: Schema.Struct({ searches: SearchQueries }),
    success: Schema.Struct({ results: Schema.Array(SearchResult) }),
    error: searchErrors
  })
    .annotate(NotAudited, "reads only")
    .annotate(RequiredScope, "search:read")
    .annotate(AcceptsClientKeys, true),
  HttpApiEndpoint.get("queries", `${indexPath}/queries`, {
    params: ofIndex,
    query: {
      limit: Page.Query.limit,
      withoutResults: Schema.optionalKey(Schema.Literals(["true", "false"]))
    },
    success: Schema.Struct({ items: Schema.Array(CommonQuery) }),
    error: [SearchIndexNotFound, SearchInvalid, SearchIndexBuilding]
  })
    .annotate(RequiredScope, "search:read")
    .annotateMerge(readsAll)
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class DocumentGroup extends Endpoint.group(
  "documents",
  {
    title: "Documents",
    description: "Products, sellers or articles that an index finds. A batch is written whole or not at all."
  },
  HttpApiEndpoint.post("writeDocuments", `${indexPath}/documents`, {
    params: ofIndex,
    payload: DocumentBatch,
    success: SearchDocument.Written,
    error: [SearchIndexNotFound, SearchDocument.DocumentInvalid]
  })
    .annotate(NotAudited, bulk)
    .annotate(RequiredScope, "search:write")
    .annotate(RequestDeadline, "10 seconds")
    .annotate(BodyBytesMax, documentsBytesMax),
  HttpApiEndpoint.post("removeWhere", `${indexPath}/documents/remove`, {
    params: ofIndex,
    payload: Schema.Struct({ filter: SearchDocument.RemovalFilter }),
    success: SearchDocument.Removed,
    error: [SearchIndexNotFound, SearchInvalid]
  })
    .annotate(NotAudited, bulk)
    .annotate(RequiredScope, "search:write")
    .annotateMerge(readsAll),
  HttpApiEndpoint.get("listDocuments", `${indexPath}/documents`, {
    params: ofIndex,
    query: Page.Query,
    success: Page.schema(SearchDocument.StoredDocument),
    error: [Page.CursorInvalid, SearchIndexNotFound]
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.get("getDocument", `${indexPath}/documents/:documentId`, {
    params: { indexName: IndexName, documentId: AdopterId },
    success: SearchDocument.StoredDocument,
    error: [SearchIndexNotFound, SearchDocument.DocumentNotFound]
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.get("compareDocuments", `${indexPath}/comparison`, {
    params: ofIndex,
    success: SearchDocument.Comparison,
    error: SearchIndexNotFound
  })
    .annotate(RequiredScope, "search:read")
    .annotateMerge(readsAll)
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class BehaviourGroup extends Endpoint.group(
  "behaviour",
  {
    title: "Behaviour",
    description: "Views, clicks, carts and searches of customers. They feed popularity and ranking."
  },
  HttpApiEndpoint.post("record", "/v1/search/events", {
    payload: Schema.Struct({
      events: Schema.Array(BehaviorEvent).check(Schema.isMaxLength(UserBehavior.batchMax))
    }),
    success: UserBehavior.Recorded.pipe(accepted),
    error: UserBehavior.SignalsInvalid
  })
    .annotate(NotAudited, ownRecord)
    .annotate(RequiredScope, "search:write")
    .annotate(AcceptsClientKeys, true),
  HttpApiEndpoint.get("pending", "/v1/search/events/pending", {
    success: Schema.Struct({ pending: Schema.Int })
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.get("history", "/v1/search/history", {
    query: { userKey: AdopterId },
    success: Schema.Struct({ items: Schema.Array(UserBehavior.HistoryItem) })
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.post("erase", "/v1/search/history/erase", {
    payload: Schema.Struct({ userKey: AdopterId }),
    success: Schema.Struct({ erased: Schema.Int })
  })
    .annotate(NotAudited, "a row would keep the id of the customer who is erased")
    .annotate(RequiredScope, "search:admin")
    .annotateMerge(readsAll)
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class PopularityGroup extends Endpoint.group(
  "popularity",
  {
    title: "Popularity",
    description: "What customers did with a product lately. Ranking uses it."
  },
  HttpApiEndpoint.get("getPopularity", "/v1/search/popularity", {
    query: { productId: AdopterId },
    success: Popularity
  }).annotate(RequiredScope, "search:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class RankingSignalGroup extends Endpoint.group(
  "rankingSignals",
  {
    title: "Ranking signals",
    description: "Numbers per product that the shop sends, such as its margin. Ranking weighs them."
  },
  HttpApiEndpoint.post("putSignals", "/v1/search/signals", {
    payload: Schema.Struct({
      signals: Schema.Array(RankingSignal.RankingSignal).check(Schema.isMaxLength(RankingSignal.batchMax))
    }),
    success: HttpApiSchema.NoContent
  })
    .annotate(NotAudited, ownRecord)
    .annotate(RequiredScope, "search:write"),
  HttpApiEndpoint.get("listSignals", "/v1/search/signals", {
    query: { signal: RankingSignal.SignalName, ...Page.Query },
    success: Page.schema(RankingSignal.RankingSignal),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "search:read")
) {}

/**
 * The groups alone, for this package's handlers and tests; apps add them to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class SearchApi extends HttpApi.make(Api.id)
  .add(SearchGroup)
  .add(DocumentGroup)
  .add(BehaviourGroup)
  .add(PopularityGroup)
  .add(RankingSignalGroup)
  .add(IndexGroup)
  .add(CurationGroup)
  .add(VersionGroup) {}
