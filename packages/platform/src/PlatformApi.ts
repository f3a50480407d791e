/**
 * The HTTP groups of tenants and keys: schemas and endpoints only.
 *
 * @since 0.1.0
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as Api from "@hypermarket/core/Api"
import { Authorization, RequiredScope, SystemAuthorization } from "@hypermarket/core/Authorization"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import { StorageUnavailable } from "@hypermarket/core/Storage"
import { TenantId } from "@hypermarket/core/Tenant"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
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
export class TenantGroup extends HttpApiGroup.make("tenants")
  .add(
    HttpApiEndpoint.post("createTenant", "/v1/platform/tenants", {
      headers: IdempotencyKey.Headers,
      payload: NewTenant,
      success: Tagged(TenantAccount.pipe(created)),
      error: [TenantExists, ...IdempotencyKey.errors, StorageUnavailable]
    }),
    HttpApiEndpoint.get("listTenants", "/v1/platform/tenants", {
      query: Page.Query,
      success: Page.schema(TenantAccount),
      error: [Page.CursorInvalid, StorageUnavailable]
    }),
    HttpApiEndpoint.get("getTenant", "/v1/platform/tenants/:tenantId", {
      params: { tenantId: TenantId },
      success: Tagged(TenantAccount),
      error: [TenantNotFound, StorageUnavailable]
    }),
    HttpApiEndpoint.patch("changeTenant", "/v1/platform/tenants/:tenantId", {
      params: { tenantId: TenantId },
      headers: Precondition.Headers,
      payload: TenantChange,
      success: Tagged(TenantAccount),
      error: [TenantNotFound, ...conditional, StorageUnavailable]
    }),
    HttpApiEndpoint.post("createTenantKey", "/v1/platform/tenants/:tenantId/keys", {
      params: { tenantId: TenantId },
      headers: IdempotencyKey.Headers,
      payload: NewApiKey,
      success: IssuedKey.pipe(created),
      error: [TenantNotFound, ScopeTooWide, ...IdempotencyKey.errors, StorageUnavailable]
    })
  )
  .annotateEndpoints(RequiredScope, AccessScope.systemAdmin)
  .middleware(SystemAuthorization)
  .middleware(HttpApiMiddleware.ProblemDetails)
  // Here and not on the composed API, where these annotations do nothing.
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(OpenApi.Title, "Tenants") {}

/**
 * The tenant's own account and keys.
 *
 * @category api
 * @since 0.1.0
 */
export class KeyGroup extends HttpApiGroup.make("keys")
  .add(
    HttpApiEndpoint.get("currentTenant", "/v1/platform/tenant", {
      success: Tagged(TenantAccount),
      error: [TenantNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "platform:read"),
    HttpApiEndpoint.post("createKey", "/v1/platform/keys", {
      headers: IdempotencyKey.Headers,
      payload: NewApiKey,
      success: IssuedKey.pipe(created),
      error: [ScopeTooWide, ...IdempotencyKey.errors, StorageUnavailable]
    }).annotate(RequiredScope, "platform:admin"),
    HttpApiEndpoint.get("listKeys", "/v1/platform/keys", {
      query: Page.Query,
      success: Page.schema(ApiKey),
      error: [Page.CursorInvalid, StorageUnavailable]
    }).annotate(RequiredScope, "platform:read"),
    HttpApiEndpoint.get("getKey", "/v1/platform/keys/:apiKeyId", {
      params: { apiKeyId: ApiKeyId },
      success: Tagged(ApiKey),
      error: [ApiKeyNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "platform:read"),
    HttpApiEndpoint.post("rotateKey", "/v1/platform/keys/:apiKeyId/rotate", {
      params: { apiKeyId: ApiKeyId },
      headers: { ...Precondition.Headers, ...IdempotencyKey.Headers },
      payload: Rotation,
      success: IssuedKey.pipe(created),
      error: [
        ApiKeyNotFound,
        ApiKeyInactive,
        ScopeTooWide,
        ...conditional,
        ...IdempotencyKey.errors,
        StorageUnavailable
      ]
    }).annotate(RequiredScope, "platform:admin"),
    HttpApiEndpoint.delete("revokeKey", "/v1/platform/keys/:apiKeyId", {
      params: { apiKeyId: ApiKeyId },
      query: {
        reason: Schema.optionalKey(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(500)))
      },
      headers: Precondition.Headers,
      success: Tagged(ApiKey),
      error: [ApiKeyNotFound, ApiKeyInactive, ...conditional, StorageUnavailable]
    }).annotate(RequiredScope, "platform:admin")
  )
  .middleware(Authorization)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(OpenApi.Title, "Keys") {}

/**
 * The groups alone, for this package's handlers and tests; apps add them to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class PlatformApi extends HttpApi.make(Api.id).add(TenantGroup).add(KeyGroup) {}
