/**
 * The versions of an index: built in the background, checked by gates, activated and rolled back in one transaction each,
 * retired with their rows.
 *
 * ```
 * building -> validating -> ready <-> active
 *     |            |          |
 *   failed       failed    retired
 * ```
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { IndexName, VersionId } from "./SearchIndex.ts"
import * as SearchSettings from "./SearchSettings.ts"

/**
 * @category models
 * @since 0.1.0
 */
export const Status = Schema.Literals(["building", "validating", "ready", "active", "retired", "failed"])

/**
 * The names of the gates.
 *
 * @category schemas
 * @since 0.1.0
 */
export const GateName = Schema.Literals([
  "documents",
  "checksum",
  "postings",
  "catalogue",
  "zero-results",
  "overlap"
])

/**
 * @category models
 * @since 0.1.0
 */
export type GateName = typeof GateName.Type

/**
 * One check before activation. A version that does not pass a gate of the effect `stops` has failed. One that does not
 * pass a gate of the effect `warns` stays ready, and is activated only despite this gate. `reports` has no effect.
 *
 * @category models
 * @since 0.1.0
 */
export const Gate = Schema.Struct({
  gate: GateName,
  passed: Schema.Boolean,
  effect: Schema.Literals(["stops", "warns", "reports"]),
  expected: Schema.String,
  found: Schema.String
})

/**
 * @category models
 * @since 0.1.0
 */
export type Gate = typeof Gate.Type

const fields = {
  versionId: VersionId,
  indexName: IndexName,
  status: Status,
  /**
   * Why it is built: with the index, on request, because of changes, because its popularity is a day old, because the
   * rules of the code are others, or after a dump and restore.
   */
  reason: Schema.Literals(["created", "requested", "changes", "popularity", "upgraded", "restored"]),
  /** True for a version that is activated as soon as it passes its gates. */
  activates: Schema.Boolean,
  /** The steps of the build that are committed. */
  phase: Schema.Literals(["none", "documents", "postings"]),
  settings: SearchSettings.SearchSettings,
  analyserHash: Schema.NullOr(Schema.String),
  documents: Schema.Int,
  checksum: Schema.NullOr(Schema.String),
  gates: Schema.NullOr(Schema.Array(Gate)),
  /** Why it failed. */
  failure: Schema.NullOr(Schema.String),
  version: Schema.Int
}

/**
 * @category models
 * @since 0.1.0
 */
export class SearchIndexVersion extends Schema.Class<SearchIndexVersion>(
  "@hypermarket/search/SearchIndexVersion"
)({
  ...fields,
  recordedAt: Schema.DateTimeUtcFromString,
  builtAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  activatedAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  retiredAt: Schema.NullOr(Schema.DateTimeUtcFromString),
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export const NewVersion = Schema.Struct({
  /** True to activate it as soon as its gates pass; it is false by default. */
  activates: Schema.optionalKey(Schema.Boolean)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewVersion = typeof NewVersion.Type

/**
 * @category models
 * @since 0.1.0
 */
export const Activation = Schema.Struct({
  /** Gates of the effect `warns` that the version did not pass, and that shall not hold it back. */
  despite: Schema.optionalKey(Schema.Array(GateName).check(Schema.isMaxLength(GateName.literals.length)))
})

/**
 * @category models
 * @since 0.1.0
 */
export type Activation = typeof Activation.Type

/**
 * @category errors
 * @since 0.1.0
 */
export class SearchVersionNotFound extends HttpApiError.Problem<SearchVersionNotFound>()(
  "SearchVersionNotFound",
  { type: "urn:hypermarket:problem:search:version-not-found", status: 404, title: "No such version" },
  { versionId: Schema.String }
) {}

/**
 * The version's status does not allow it.
 *
 * @category errors
 * @since 0.1.0
 */
export class SearchVersionState extends HttpApiError.Problem<SearchVersionState>()(
  "SearchVersionState",
  {
    type: "urn:hypermarket:problem:search:version-state",
    status: 409,
    title: "The version's status does not allow this"
  },
  { versionId: Schema.String, currentStatus: Status }
) {}

/**
 * The version did not pass gates that warn, and the request does not name them in `despite`.
 *
 * @category errors
 * @since 0.1.0
 */
export class SearchVersionHeld extends HttpApiError.Problem<SearchVersionHeld>()(
  "SearchVersionHeld",
  {
    type: "urn:hypermarket:problem:search:version-held",
    status: 409,
    title: "Gates hold the version back"
  },
  { versionId: Schema.String, gates: Schema.Array(GateName) }
) {}

/**
 * There is no version to return to.
 *
 * @category errors
 * @since 0.1.0
 */
export class NothingToRollBack extends HttpApiError.Problem<NothingToRollBack>()(
  "NothingToRollBack",
  {
    type: "urn:hypermarket:problem:search:nothing-to-roll-back",
    status: 409,
    title: "There is no version to return to"
  },
  { indexName: Schema.String }
) {}

/**
 * The index has as many versions in work or ready as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class SearchVersionLimit extends HttpApiError.Problem<SearchVersionLimit>()(
  "SearchVersionLimit",
  {
    type: "urn:hypermarket:problem:search:version-limit",
    status: 409,
    title: "The index has as many versions as it may have: retire one"
  },
  { limit: Schema.Int }
) {}

/**
 * Versions of an index that are not retired or failed: each is a copy of the catalogue.
 *
 * @category limits
 * @since 0.1.0
 */
export const versionsMax = 5
