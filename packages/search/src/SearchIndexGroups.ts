/**
 * The HTTP groups of indexes, their curations and their versions. Schemas and endpoints only.
 *
 * @since 0.1.0
 */
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import { readsAll } from "./internal/readsAll.ts"
import { Curation, SearchCuration } from "./SearchCuration.ts"
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
import { SearchInvalid } from "./SearchQuery.ts"

const { PreconditionRequired, Tagged, VersionStale } = Precondition
const created = HttpApiSchema.status(201)
const accepted = HttpApiSchema.status(202)
const conditional = [PreconditionRequired, VersionStale] as const
const ofIndex = { indexName: IndexName }
const path = "/v1/search/indexes"
const indexPath = `${path}/:indexName` as const
const versionPath = `${indexPath}/versions/:versionId` as const
const ofVersion = { indexName: IndexName, versionId: VersionId }

/**
 * @category api
 * @since 0.1.0
 */
export class IndexGroup extends Endpoint.group(
  "indexes",
  {
    title: "Indexes",
    description: "An index holds documents and answers searches, also while it is written."
  },
  HttpApiEndpoint.post("createIndex", path, {
    headers: IdempotencyKey.Headers,
    payload: NewIndex,
    success: Tagged(SearchIndex.pipe(created)),
    error: [SearchIndexExists, SearchIndexLimit, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "index.created")
    .annotate(RequiredScope, "search:admin"),
  HttpApiEndpoint.get("listIndexes", path, {
    query: Page.Query,
    success: Page.schema(SearchIndex),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.get("getIndex", indexPath, {
    params: ofIndex,
    success: Tagged(SearchIndex),
    error: SearchIndexNotFound
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.patch("changeIndex", indexPath, {
    params: ofIndex,
    headers: Precondition.Headers,
    payload: IndexChange,
    success: Tagged(SearchIndex),
    error: [SearchIndexNotFound, ...conditional]
  })
    .annotate(Audited, "index.changed")
    .annotate(RequiredScope, "search:admin"),
  HttpApiEndpoint.delete("removeIndex", indexPath, {
    params: ofIndex,
    headers: Precondition.Headers,
    success: HttpApiSchema.NoContent,
    error: [SearchIndexNotFound, ...conditional]
  })
    .annotate(Audited, "index.removed")
    .annotate(RequiredScope, "search:admin")
    .annotateMerge(readsAll)
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class CurationGroup extends Endpoint.group(
  "curations",
  {
    title: "Curations",
    description: "Synonyms and rules of an index. The next search uses them; no version is built."
  },
  HttpApiEndpoint.get("getCuration", `${indexPath}/curation`, {
    params: ofIndex,
    success: Tagged(SearchCuration),
    error: SearchIndexNotFound
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.put("setCuration", `${indexPath}/curation`, {
    params: ofIndex,
    headers: Precondition.Headers,
    payload: Curation,
    success: Tagged(SearchCuration),
    error: [SearchIndexNotFound, SearchInvalid, ...conditional]
  })
    .annotate(Audited, "index.curated")
    .annotate(RequiredScope, "search:admin")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class VersionGroup extends Endpoint.group(
  "indexVersions",
  {
    title: "Index versions",
    description:
      "A version is one build of an index. It is built beside the active one, validated, and activated in one step."
  },
  HttpApiEndpoint.post("rollBack", `${indexPath}/rollback`, {
    params: ofIndex,
    success: Tagged(SearchIndexVersion),
    error: [SearchIndexNotFound, NothingToRollBack]
  })
    .annotate(Audited, "index.rolled-back")
    .annotate(RequiredScope, "search:admin"),
  HttpApiEndpoint.post("startVersion", `${indexPath}/versions`, {
    params: ofIndex,
    headers: IdempotencyKey.Headers,
    payload: NewVersion,
    success: Tagged(SearchIndexVersion.pipe(accepted)),
    error: [SearchIndexNotFound, SearchVersionLimit, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "index-version.started")
    .annotate(RequiredScope, "search:admin"),
  HttpApiEndpoint.get("listVersions", `${indexPath}/versions`, {
    params: ofIndex,
    query: Page.Query,
    success: Page.schema(SearchIndexVersion),
    error: [Page.CursorInvalid, SearchIndexNotFound]
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.get("getVersion", versionPath, {
    params: ofVersion,
    success: Tagged(SearchIndexVersion),
    error: SearchVersionNotFound
  }).annotate(RequiredScope, "search:read"),
  HttpApiEndpoint.post("validateVersion", `${versionPath}/validate`, {
    params: ofVersion,
    success: Tagged(SearchIndexVersion),
    error: [SearchVersionNotFound, SearchVersionState]
  })
    .annotate(NotAudited, "stores the results of checks; the activation is audited")
    .annotate(RequiredScope, "search:admin")
    .annotateMerge(readsAll),
  HttpApiEndpoint.post("activateVersion", `${versionPath}/activate`, {
    params: ofVersion,
    payload: Activation,
    success: Tagged(SearchIndexVersion),
    error: [SearchVersionHeld, SearchVersionNotFound, SearchVersionState]
  })
    .annotate(Audited, "index-version.activated")
    .annotate(RequiredScope, "search:admin"),
  HttpApiEndpoint.post("retireVersion", `${versionPath}/retire`, {
    params: ofVersion,
    success: Tagged(SearchIndexVersion),
    error: [SearchVersionNotFound, SearchVersionState]
  })
    .annotate(Audited, "index-version.retired")
    .annotate(RequiredScope, "search:admin")
) {}
