/**
 * An index: what is searched, by which settings, and which of its versions answers.
 *
 * A new index begins with an empty version that is active at once, so that its first document is found by the next
 * search; versions with documents in their postings are built from then on.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import * as SearchSettings from "./SearchSettings.ts"

/**
 * `^[a-z0-9][a-z0-9_-]{0,62}$`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Name = Schema.String.check(
  Schema.isPattern(/^[a-z0-9][a-z0-9_-]{0,62}$/, {
    message: "Expected 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit"
  })
)

/**
 * The name of an index.
 *
 * @category schemas
 * @since 0.1.0
 */
export const IndexName = Name.pipe(Schema.brand("@hypermarket/search/IndexName"))

/**
 * @category models
 * @since 0.1.0
 */
export type IndexName = typeof IndexName.Type

/**
 * The index that the shop's facts about products go to.
 *
 * @category constants
 * @since 0.1.0
 */
export const products: IndexName = IndexName.make("products")

/**
 * The id of a version: digits, unique in the installation.
 *
 * @category schemas
 * @since 0.1.0
 */
export const VersionId = Schema.String.check(
  Schema.isPattern(/^[1-9]\d{0,17}$/, { message: "Expected the id of a version: digits" })
).pipe(Schema.brand("@hypermarket/search/VersionId"))

/**
 * @category models
 * @since 0.1.0
 */
export type VersionId = typeof VersionId.Type

/**
 * @category models
 * @since 0.1.0
 */
export class SearchIndex extends Schema.Class<SearchIndex>("@hypermarket/search/SearchIndex")({
  indexName: IndexName,
  /** The settings of the next version. */
  settings: SearchSettings.SearchSettings,
  /** True when enough changes start a new version, which is activated once its gates pass. */
  automatic: Schema.Boolean,
  activeVersion: VersionId,
  previousVersion: Schema.NullOr(VersionId),
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export const NewIndex = Schema.Struct({
  indexName: IndexName,
  settings: Schema.optionalKey(SearchSettings.SearchSettings),
  automatic: Schema.optionalKey(Schema.Boolean)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewIndex = typeof NewIndex.Type

/**
 * @category models
 * @since 0.1.0
 */
export const IndexChange = Schema.Struct({
  settings: Schema.optionalKey(SearchSettings.SearchSettings),
  automatic: Schema.optionalKey(Schema.Boolean)
})

/**
 * @category models
 * @since 0.1.0
 */
export type IndexChange = typeof IndexChange.Type

/**
 * @category errors
 * @since 0.1.0
 */
export class SearchIndexNotFound extends HttpApiError.Problem<SearchIndexNotFound>()(
  "SearchIndexNotFound",
  { type: "urn:hypermarket:problem:search:index-not-found", status: 404, title: "No such index" },
  { indexName: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class SearchIndexExists extends HttpApiError.Problem<SearchIndexExists>()(
  "SearchIndexExists",
  { type: "urn:hypermarket:problem:search:index-exists", status: 409, title: "The index exists already" },
  { indexName: Schema.String }
) {}

/**
 * The tenant has as many indexes as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class SearchIndexLimit extends HttpApiError.Problem<SearchIndexLimit>()(
  "SearchIndexLimit",
  {
    type: "urn:hypermarket:problem:search:index-limit",
    status: 409,
    title: "The tenant has as many indexes as it may have"
  },
  { limit: Schema.Int }
) {}

/**
 * Each index is a change table to poll and a segment to hold.
 *
 * @category limits
 * @since 0.1.0
 */
export const indexesMax = 100
