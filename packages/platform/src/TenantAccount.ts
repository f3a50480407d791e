/**
 * A tenant of the installation: its plan, region and status. Schemas and errors; the service is `TenantAccounts`.
 *
 * @since 0.1.0
 */
import * as Place from "@hypermarket/core/Place"
import { TenantId } from "@hypermarket/core/Tenant"
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * ISO 3166-1 alpha-2, or an ISO 3166-2 subdivision.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Region = Place.Region

/**
 * A suspended tenant's keys answer 403; its data stays.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Status = Schema.Literals(["active", "suspended"])

const fields = {
  name: Text.make({ max: 200 }),
  plan: Text.make({ max: 64 }),
  region: Schema.NullOr(Region),
  status: Status,
  statusReason: Schema.NullOr(Text.make({ max: 500 }))
}

/**
 * A tenant of the installation.
 *
 * @category models
 * @since 0.1.0
 */
export class TenantAccount extends Schema.Class<TenantAccount>("@hypermarket/platform/TenantAccount")({
  tenantId: TenantId,
  ...fields,
  version: Schema.Int,
  recordedAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * The fields of a new tenant. `plan` is `standard` by default.
 *
 * @category models
 * @since 0.1.0
 */
export const NewTenant = Schema.Struct({
  tenantId: TenantId,
  name: fields.name,
  plan: Schema.optionalKey(fields.plan),
  region: Schema.optionalKey(fields.region)
})

/**
 * @category models
 * @since 0.1.0
 */
export type NewTenant = typeof NewTenant.Type

/**
 * The fields that can change; an absent field keeps its value. A suspension requires a `statusReason`.
 *
 * @category models
 * @since 0.1.0
 */
export const TenantChange = Schema.Struct({
  name: Schema.optionalKey(fields.name),
  plan: Schema.optionalKey(fields.plan),
  region: Schema.optionalKey(fields.region),
  status: Schema.optionalKey(fields.status),
  statusReason: Schema.optionalKey(fields.statusReason)
}).check(
  Schema.makeFilter((change) =>
    change.status === "suspended" && (change.statusReason ?? null) === null
      ? { path: ["statusReason"], issue: "Suspending needs a reason" }
      : undefined
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type TenantChange = typeof TenantChange.Type

/**
 * No tenant has this id.
 *
 * @category errors
 * @since 0.1.0
 */
export class TenantNotFound extends HttpApiError.Problem<TenantNotFound>()(
  "TenantNotFound",
  { type: "urn:hypermarket:problem:platform:tenant-not-found", status: 404, title: "No such tenant" },
  { tenantId: Schema.String }
) {}

/**
 * A tenant has this id already.
 *
 * @category errors
 * @since 0.1.0
 */
export class TenantExists extends HttpApiError.Problem<TenantExists>()(
  "TenantExists",
  { type: "urn:hypermarket:problem:platform:tenant-exists", status: 409, title: "The tenant exists already" },
  { tenantId: Schema.String }
) {}
