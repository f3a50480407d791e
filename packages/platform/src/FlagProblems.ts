/**
 * The errors of flags and segments.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The tenant has no flag with this key. Another tenant's flag is not found either.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagNotFound extends HttpApiError.Problem<FlagNotFound>()(
  "FlagNotFound",
  { type: "urn:hypermarket:problem:platform:flag-not-found", status: 404, title: "No such flag" },
  { flagKey: Schema.String }
) {}

/**
 * The flag has no such version: it was never written, or more than 500 newer ones have been.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagVersionNotFound extends HttpApiError.Problem<FlagVersionNotFound>()(
  "FlagVersionNotFound",
  {
    type: "urn:hypermarket:problem:platform:flag-version-not-found",
    status: 404,
    title: "The flag has no such version"
  },
  { flagKey: Schema.String, version: Schema.Int }
) {}

/**
 * The flag is not in this environment.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagEnvironmentNotFound extends HttpApiError.Problem<FlagEnvironmentNotFound>()(
  "FlagEnvironmentNotFound",
  {
    type: "urn:hypermarket:problem:platform:flag-environment-not-found",
    status: 404,
    title: "The flag is not in this environment"
  },
  { flagKey: Schema.String, environment: Schema.String }
) {}

/**
 * An active flag has this key.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagExists extends HttpApiError.Problem<FlagExists>()(
  "FlagExists",
  { type: "urn:hypermarket:problem:platform:flag-exists", status: 409, title: "The flag exists" },
  { flagKey: Schema.String }
) {}

/**
 * Other flags need the flag, the segment or the variant; `usedBy` lists their keys.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagInUse extends HttpApiError.Problem<FlagInUse>()(
  "FlagInUse",
  { type: "urn:hypermarket:problem:platform:flag-in-use", status: 409, title: "Flags use it" },
  { usedBy: Schema.Array(Schema.String) }
) {}

/**
 * The tenant has as many flags or segments as it may have.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagLimitReached extends HttpApiError.Problem<FlagLimitReached>()(
  "FlagLimitReached",
  {
    type: "urn:hypermarket:problem:platform:flag-limit-reached",
    status: 409,
    title: "The tenant has as many as it may have"
  },
  { limit: Schema.Int }
) {}

/**
 * The definition contradicts itself, or names a variant, segment or flag that does not exist. Nothing was stored.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagInvalid extends HttpApiError.Problem<FlagInvalid>()(
  "FlagInvalid",
  {
    type: "urn:hypermarket:problem:platform:flag-invalid",
    status: 422,
    title: "The flag cannot be evaluated"
  },
  {
    errors: Schema.Array(
      Schema.Struct({
        path: Schema.Array(Schema.Union([Schema.String, Schema.Int])),
        message: Schema.String
      })
    )
  }
) {}

/**
 * Another change of the environment has held its revision for two seconds. `requestId` is that change's request, or null when
 * it is not known. Try again when it has ended.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagRevisionBusy extends HttpApiError.Problem<FlagRevisionBusy>()(
  "FlagRevisionBusy",
  {
    type: "urn:hypermarket:problem:platform:flags-revision-busy",
    status: 409,
    title: "Another change of the flags is not committed yet"
  },
  { requestId: Schema.NullOr(Schema.String) }
) {}

/**
 * Changes of flags in these environments need a second person: propose a change request.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagApprovalRequired extends HttpApiError.Problem<FlagApprovalRequired>()(
  "FlagApprovalRequired",
  {
    type: "urn:hypermarket:problem:platform:flag-approval-required",
    status: 409,
    title: "The change needs an approval"
  },
  { environments: Schema.Array(Schema.String) }
) {}

/**
 * The tenant has no change request with this id.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagRequestNotFound extends HttpApiError.Problem<FlagRequestNotFound>()(
  "FlagRequestNotFound",
  {
    type: "urn:hypermarket:problem:platform:flag-request-not-found",
    status: 404,
    title: "No such change request"
  },
  { requestId: Schema.String }
) {}

/**
 * The flag has changed since the version that the request was made for. Nothing was changed.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagRequestStale extends HttpApiError.Problem<FlagRequestStale>()(
  "FlagRequestStale",
  {
    type: "urn:hypermarket:problem:platform:flag-request-stale",
    status: 409,
    title: "The flag has changed since the base of the request"
  },
  { baseVersion: Schema.Int, currentVersion: Schema.Int }
) {}

/**
 * The request does not wait for an approval, or has ended.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagRequestNotOpen extends HttpApiError.Problem<FlagRequestNotOpen>()(
  "FlagRequestNotOpen",
  {
    type: "urn:hypermarket:problem:platform:flag-request-not-open",
    status: 409,
    title: "The request is in another state"
  },
  { state: Schema.String }
) {}

/**
 * The author of a request cannot approve it.
 *
 * @category errors
 * @since 0.1.0
 */
export class FlagApproverIsAuthor extends HttpApiError.Problem<FlagApproverIsAuthor>()(
  "FlagApproverIsAuthor",
  {
    type: "urn:hypermarket:problem:platform:flag-approver-is-author",
    status: 403,
    title: "The author cannot approve the request"
  },
  { requestId: Schema.String }
) {}
