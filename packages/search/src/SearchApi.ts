/**
 * The HTTP groups of search: indexes, their versions, documents, searching, behaviour. Schemas and endpoints only.
 *
 * @since 0.1.0
 */
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import * as Api from "@hypermarket/core/Api"
import {
  AcceptsClientKeys,
  MayRunLong,
  RequestDeadline,
  RequiredScope
} from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import { BodyBytesMax } from "@hypermarket/core/RequestBody"
import * as Text from "@hypermarket/core/Text"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
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
import { Curation, SearchCuration } from "./SearchCuration.ts"
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
  Activation,
  NewVersion,
  NothingToRollBack,
  SearchIndexVersion,
  SearchVersionHeld,
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
    description:
      "Documents are searched in an index of the tenant. A written document is found by the next search. Behaviour events feed popularity and ranking."
  },
  HttpApiEndpoint.post("search", "/v1/search/indexes/:indexName/search", {
    params: ofIndex,
    payload: SearchQuery,
    success: SearchResult,
    error: searchErrors
  })
    .annotate(NotAudited, "reads only")
    .annotate(RequiredScope, "search:read")
    .annotate(AcceptsClientKeys, true),
  HttpApiEndpoint.post("searchAll", "/v1/search/indexes/:indexName/searches", {
    params: ofIndex,
    payload: Schema.Struct({ searches: SearchQueries }),
    success: Schema.Struct({ results: Schema.Array(SearchResult) }),
    error: searchErrors
  })
    .annotate(NotAudited, "reads only")
    .annotate(RequiredScope, "search:read")
    .annotate(AcceptsClientKeys, true),
  HttpApiEndpoint.post("writeDocuments", "/v1/search/indexes/:indexName/documents", {
    params: ofIndex,
    payload: DocumentBatch,
    success: SearchDocument.Written,
    error: [SearchIndexNotFound, SearchDocument.DocumentInvalid]
  })
    .annotate(NotAudited, "documents come in bulk and carry their own versions")
    .annotate(RequiredScope, "search:write")
    .annotate(RequestDeadline, "10 seconds")
    .annotate(BodyBytesMax, documentsBytesMax),
  HttpApiEndpoint.post("removeDocuments", "/v1/search/indexes/:indexName/documents/remove", {
    params: ofIndex,
    payload: Schema.Struct({ filter: SearchDocument.RemovalFilter }),
    success: SearchDocument.Removed,
    error: [SearchIndexNotFound, SearchInvalid]
  })
    .annotate(NotAudited, "documents come in bulk and carry their own versions")
    .annotate(RequiredScope, "search:write")
    .annotate(RequestDeadline, validateDeadline)
    .annotate(MayRunLong, true),
  HttpApiEndpoint.get("listDocuments", "/v1/search/indexes/:indexName/documents", {
    params: ofIndex,
    query: Page.Query,
    success: Page.schema(SearchDocument.StoredDocument),
    error: [Page.CursorInvalid, SearchIndexNotFound]
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.get("getDocument", "/v1/search/indexes/:indexName/documents/:documentId", {
    params: { indexName: IndexName, documentId: AdopterId },
    success: SearchDocument.StoredDocument,
    error: [SearchIndexNotFound, SearchDocument.DocumentNotFound]
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.get("compareDocuments", "/v1/search/indexes/:indexName/comparison", {
    params: ofIndex,
    success: SearchDocument.Comparison,
    error: SearchIndexNotFound
  })
    .annotate(RequiredScope, "search:read")
    .annotate(RequestDeadline, validateDeadline)
    .annotate(MayRunLong, true),
  HttpApiEndpoint.post("recordEvents", "/v1/search/events", {
    payload: Schema.Struct({
      events: Schema.Array(BehaviorEvent).check(Schema.isMaxLength(UserBehavior.batchMax))
    }),
    success: UserBehavior.Recorded.pipe(accepted)
  })
    .annotate(NotAudited, "events are their own record")
    .annotate(RequiredScope, "search:write")
    .annotate(AcceptsClientKeys, true),
  HttpApiEndpoint.get("listQueries", "/v1/search/indexes/:indexName/queries", {
    params: ofIndex,
    query: {
      limit: Page.Query.limit,
      withoutResults: Schema.optionalKey(Schema.Literals(["true", "false"]))
    },
    success: Schema.Struct({ items: Schema.Array(CommonQuery) }),
    error: [SearchIndexNotFound, SearchInvalid, SearchIndexBuilding]
  })
    .annotate(RequiredScope, "search:read")
    .annotate(RequestDeadline, validateDeadline)
    .annotate(MayRunLong, true),
  HttpApiEndpoint.get("getPendingEvents", "/v1/search/events/pending", {
    success: Schema.Struct({ pending: Schema.Int })
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.get("getHistory", "/v1/search/history", {
    query: { userKey: AdopterId },
    success: Schema.Struct({ items: Schema.Array(UserBehavior.HistoryItem) })
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.post("eraseHistory", "/v1/search/history/erase", {
    payload: Schema.Struct({ userKey: AdopterId }),
    success: Schema.Struct({ erased: Schema.Int })
  })
    .annotate(NotAudited, "a row would keep the id of the customer who is erased")
    .annotate(RequiredScope, "search:admin")
    .annotate(RequestDeadline, validateDeadline)
    .annotate(MayRunLong, true),
  HttpApiEndpoint.get("getPopularity", "/v1/search/popularity", {
    query: { productId: AdopterId },
    success: Popularity
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.post("putRankingSignals", "/v1/search/signals", {
    payload: Schema.Struct({
      signals: Schema.Array(RankingSignal.RankingSignal).check(Schema.isMaxLength(RankingSignal.batchMax))
    }),
    success: HttpApiSchema.NoContent
  })
    .annotate(NotAudited, "signals come in bulk and are their own record")
    .annotate(RequiredScope, "search:write"),
  HttpApiEndpoint.get("listRankingSignals", "/v1/search/signals", {
    query: { signal: RankingSignal.SignalName, ...Page.Query },
    success: Page.schema(RankingSignal.RankingSignal),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "search:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class IndexGroup extends Endpoint.group(
  "searchIndexes",
  {
    title: "Search indexes",
    description:
      "An index holds documents and answers searches from its active version. Writing to an index never blocks searches in it."
  },
  HttpApiEndpoint.post("createIndex", "/v1/search/indexes", {
    headers: IdempotencyKey.Headers,
    payload: NewIndex,
    success: Tagged(SearchIndex.pipe(created)),
    error: [SearchIndexExists, SearchIndexLimit, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "index.created")
    .annotate(RequiredScope, "search:admin"),
  HttpApiEndpoint.get("listIndexes", "/v1/search/indexes", {
    query: Page.Query,
    success: Page.schema(SearchIndex),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.get("getIndex", "/v1/search/indexes/:indexName", {
    params: ofIndex,
    success: Tagged(SearchIndex),
    error: SearchIndexNotFound
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.patch("changeIndex", "/v1/search/indexes/:indexName", {
    params: ofIndex,
    headers: Precondition.Headers,
    payload: IndexChange,
    success: Tagged(SearchIndex),
    error: [SearchIndexNotFound, ...conditional]
  })
    .annotate(Audited, "index.changed")
    .annotate(RequiredScope, "search:admin"),
  HttpApiEndpoint.delete("removeIndex", "/v1/search/indexes/:indexName", {
    params: ofIndex,
    headers: Precondition.Headers,
    success: HttpApiSchema.NoContent,
    error: [SearchIndexNotFound, ...conditional]
  })
    .annotate(Audited, "index.removed")
    .annotate(RequiredScope, "search:admin")
    .annotate(RequestDeadline, validateDeadline)
    .annotate(MayRunLong, true),
  HttpApiEndpoint.get("getCuration", "/v1/search/indexes/:indexName/curation", {
    params: ofIndex,
    success: Tagged(SearchCuration),
    error: SearchIndexNotFound
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.put("setCuration", "/v1/search/indexes/:indexName/curation", {
    params: ofIndex,
    headers: Precondition.Headers,
    payload: Curation,
    success: Tagged(SearchCuration),
    error: [SearchIndexNotFound, SearchInvalid, ...conditional]
  })
    .annotate(Audited, "index.curated")
    .annotate(RequiredScope, "search:admin"),
  HttpApiEndpoint.post("rollBackIndex", "/v1/search/indexes/:indexName/rollback", {
    params: ofIndex,
    success: Tagged(SearchIndexVersion),
    error: [SearchIndexNotFound, NothingToRollBack]
  })
    .annotate(Audited, "index.rolled-back")
    .annotate(RequiredScope, "search:admin")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class VersionGroup extends Endpoint.group(
  "searchVersions",
  {
    title: "Search versions",
    description:
      "A version is one build of an index by one set of rules. It is built beside the active version, validated, and then activated in one step; the previous one can be restored."
  },
  HttpApiEndpoint.post("startVersion", "/v1/search/indexes/:indexName/versions", {
    params: ofIndex,
    headers: IdempotencyKey.Headers,
    payload: NewVersion,
    success: Tagged(SearchIndexVersion.pipe(accepted)),
    error: [SearchIndexNotFound, SearchVersionLimit, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "index-version.started")
    .annotate(RequiredScope, "search:admin"),
  HttpApiEndpoint.get("listVersions", "/v1/search/indexes/:indexName/versions", {
    params: ofIndex,
    query: Page.Query,
    success: Page.schema(SearchIndexVersion),
    error: [Page.CursorInvalid, SearchIndexNotFound]
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.get("getVersion", "/v1/search/indexes/:indexName/versions/:versionId", {
    params: ofVersion,
    success: Tagged(SearchIndexVersion),
    error: SearchVersionNotFound
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.post("validateVersion", "/v1/search/indexes/:indexName/versions/:versionId/validate", {
    params: ofVersion,
    success: Tagged(SearchIndexVersion),
    error: [SearchVersionNotFound, SearchVersionState]
  })
    .annotate(NotAudited, "stores the results of checks; the activation is audited")
    .annotate(RequiredScope, "search:admin")
    .annotate(RequestDeadline, validateDeadline)
    .annotate(MayRunLong, true),
  HttpApiEndpoint.post("activateVersion", "/v1/search/indexes/:indexName/versions/:versionId/activate", {
    params: ofVersion,
    payload: Activation,
    success: Tagged(SearchIndexVersion),
    error: [SearchVersionHeld, SearchVersionNotFound, SearchVersionState]
  })
    .annotate(Audited, "index-version.activated")
    .annotate(RequiredScope, "search:admin"),
  HttpApiEndpoint.post("retireVersion", "/v1/search/indexes/:indexName/versions/:versionId/retire", {
    params: ofVersion,
    success: Tagged(SearchIndexVersion),
    error: [SearchVersionNotFound, SearchVersionState]
  })
    .annotate(Audited, "index-version.retired")
    .annotate(RequiredScope, "search:admin")
) {}

/**
 * The groups alone, for this package's handlers and tests; apps add them to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class SearchApi extends HttpApi.make(Api.id).add(SearchGroup).add(IndexGroup).add(VersionGroup) {}
