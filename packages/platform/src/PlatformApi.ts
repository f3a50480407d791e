/**
 * The HTTP groups of tenants and keys: schemas and endpoints only.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import { TenantId } from "@hypermarket/core/Tenant"
import * as Text from "@hypermarket/core/Text"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import {
  ApiKey,
  ApiKeyId,
  ApiKeyInactive,
  ApiKeyNotFound,
  IssuedKey,
  NewApiKey,
  Rotation,
  ScopeTooWide
} from "./ApiKey.ts"
import { NewTenant, TenantAccount, TenantChange, TenantExists, TenantNotFound } from "./TenantAccount.ts"

const { PreconditionRequired, Tagged, VersionStale } = Precondition
const created = HttpApiSchema.status(201)
const conditional = [PreconditionRequired, VersionStale] as const

/**
 * Tenants, for the tenant-less `system:admin` credential.
 *
 * @category api
 * @since 0.1.0
 */
export class TenantGroup extends Endpoint.systemGroup(
  "tenants",
  {
    title: "Tenants",
    description:
      "A tenant is one marketplace or shop; every row belongs to exactly one. These operations need the tenant-less credential with the scope `system:admin`, which `hypermarket keys create-system` makes."
  },
  HttpApiEndpoint.post("createTenant", "/v1/platform/tenants", {
    headers: IdempotencyKey.Headers,
    payload: NewTenant,
    success: Tagged(TenantAccount.pipe(created)),
    error: [TenantExists, ...IdempotencyKey.errors]
  }).annotate(Audited, "tenant.created"),
  HttpApiEndpoint.get("listTenants", "/v1/platform/tenants", {
    query: Page.Query,
    success: Page.schema(TenantAccount),
    error: Page.CursorInvalid
  }),
  HttpApiEndpoint.get("getTenant", "/v1/platform/tenants/:tenantId", {
    params: { tenantId: TenantId },
    success: Tagged(TenantAccount),
    error: TenantNotFound
  }),
  HttpApiEndpoint.patch("changeTenant", "/v1/platform/tenants/:tenantId", {
    params: { tenantId: TenantId },
    headers: Precondition.Headers,
    payload: TenantChange,
    success: Tagged(TenantAccount),
    error: [TenantNotFound, ...conditional]
  }).annotate(Audited, "tenant.changed"),
  HttpApiEndpoint.post("createTenantKey", "/v1/platform/tenants/:tenantId/keys", {
    params: { tenantId: TenantId },
    headers: IdempotencyKey.Headers,
    payload: NewApiKey,
    success: IssuedKey.pipe(created),
    error: [TenantNotFound, ScopeTooWide, ...IdempotencyKey.errors]
  }).annotate(Audited, "key.created")
) {}

/**
 * The tenant's own account and keys.
 *
 * @category api
 * @since 0.1.0
 */
export class KeyGroup extends Endpoint.group(
  "keys",
  {
    title: "Keys",
    description:
      "A key opens the API for one tenant with the scopes it was made with. Its secret is shown once and stored as a hash. Rotate a key to replace it with an overlap, or revoke it to end it within 5 seconds everywhere."
  },
  HttpApiEndpoint.get("currentTenant", "/v1/platform/tenant", {
    success: Tagged(TenantAccount),
    error: TenantNotFound
  }).annotate(RequiredScope, "platform:read"),
  HttpApiEndpoint.post("createKey", "/v1/platform/keys", {
    headers: IdempotencyKey.Headers,
    payload: NewApiKey,
    success: IssuedKey.pipe(created),
    error: [ScopeTooWide, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "key.created")
    .annotate(RequiredScope, "platform:admin"),
  HttpApiEndpoint.get("listKeys", "/v1/platform/keys", {
    query: Page.Query,
    success: Page.schema(ApiKey),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "platform:read"),
  HttpApiEndpoint.get("getKey", "/v1/platform/keys/:apiKeyId", {
    params: { apiKeyId: ApiKeyId },
    success: Tagged(ApiKey),
    error: ApiKeyNotFound
  }).annotate(RequiredScope, "platform:read"),
  HttpApiEndpoint.post("rotateKey", "/v1/platform/keys/:apiKeyId/rotate", {
    params: { apiKeyId: ApiKeyId },
    headers: { ...Precondition.Headers, ...IdempotencyKey.Headers },
    payload: Rotation,
    success: IssuedKey.pipe(created),
    error: [ApiKeyNotFound, ApiKeyInactive, ScopeTooWide, ...conditional, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "key.rotated")
    .annotate(RequiredScope, "platform:admin"),
  HttpApiEndpoint.delete("revokeKey", "/v1/platform/keys/:apiKeyId", {
    params: { apiKeyId: ApiKeyId },
    query: {
      reason: Schema.optionalKey(Text.make({ max: 500 }))
    },
    headers: Precondition.Headers,
    success: Tagged(ApiKey),
    error: [ApiKeyNotFound, ApiKeyInactive, ...conditional]
  })
    .annotate(Audited, "key.revoked")
    .annotate(RequiredScope, "platform:admin")
) {}

/**
 * The groups alone, for this package's handlers and tests; apps add them to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class PlatformApi extends HttpApi.make(Api.id).add(TenantGroup).add(KeyGroup) {}
