/**
 * Requests to export or erase the data of a person.
 *
 * @since 0.1.0
 */
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Identifier from "@hypermarket/core/Identifier"
import * as SubjectData from "@hypermarket/core/SubjectData"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * @category schemas
 * @since 0.1.0
 */
export const SubjectRequestId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/platform/SubjectRequestId"))

/**
 * The number of a part of an export, from 1.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PartNumber = BoundedInt.PositiveInt4

/**
 * @category models
 * @since 0.1.0
 */
export type SubjectRequestId = typeof SubjectRequestId.Type

const identifierMax = 200

/** Identifiers that a caller names; the domains find further ones. */
const identifiersMax = 100

const NewIdentifier = Schema.Struct({
  kind: SubjectData.Identifier.fields.kind,
  value: Text.make({ max: identifierMax })
})

/**
 * A request: what is wanted, and whose data it is. Further names of the person, such as an e-mail address, find rows that do not
 * have the id.
 *
 * @category schemas
 * @since 0.1.0
 */
export const NewSubjectRequest = Schema.Struct({
  kind: Schema.Literals(["export", "erasure"]),
  subject: Schema.Struct({
    kind: SubjectData.Subject.fields.kind,
    id: Identifier.AdopterId,
    identifiers: Schema.optionalKey(Schema.Array(NewIdentifier).check(Schema.isMaxLength(identifiersMax)))
  })
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewSubjectRequest = typeof NewSubjectRequest.Type

/**
 * Rows that stay, without the person.
 *
 * @category schemas
 * @since 0.1.0
 */
export const KeptRows = Schema.Struct({
  table: Schema.String,
  rows: Schema.Int,
  reason: Schema.String
})

/**
 * A request and, when it is done, its receipt. It does not name the person: the caller keeps the id.
 *
 * @category models
 * @since 0.1.0
 */
export class SubjectRequest extends Schema.Class<SubjectRequest>("@hypermarket/platform/SubjectRequest")({
  requestId: SubjectRequestId,
  kind: Schema.Literals(["export", "erasure", "tenant-erasure"]),
  state: Schema.Literals(["running", "done"]),
  /** Rows that were exported, or deleted and anonymised. */
  rows: Schema.Int,
  /** The same by domain. */
  domains: Schema.Record(Schema.String, Schema.Int),
  /** Rows that remain without the person, and why. */
  kept: Schema.Array(KeptRows),
  /** Parts of an export, numbered from 1. */
  parts: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  finishedAt: Schema.NullOr(Schema.DateTimeUtcFromString)
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class SubjectRequestNotFound extends HttpApiError.Problem<SubjectRequestNotFound>()(
  "SubjectRequestNotFound",
  {
    type: "urn:hypermarket:problem:platform:subject-request-not-found",
    status: 404,
    title: "There is no such request"
  },
  { requestId: SubjectRequestId }
) {}

/**
 * The export is not done, has fewer parts, or is older than seven days.
 *
 * @category errors
 * @since 0.1.0
 */
export class SubjectPartNotFound extends HttpApiError.Problem<SubjectPartNotFound>()(
  "SubjectPartNotFound",
  {
    type: "urn:hypermarket:problem:platform:subject-part-not-found",
    status: 404,
    title: "There is no such part of the export"
  },
  { part: Schema.Int }
) {}

/**
 * Only a suspended tenant is erased.
 *
 * @category errors
 * @since 0.1.0
 */
export class TenantNotSuspended extends HttpApiError.Problem<TenantNotSuspended>()(
  "TenantNotSuspended",
  {
    type: "urn:hypermarket:problem:platform:tenant-not-suspended",
    status: 409,
    title: "Suspend the tenant before it is erased"
  },
  { tenantId: Schema.String }
) {}
