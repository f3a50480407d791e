/**
 * Handlers of the platform's HTTP groups.
 *
 * @since 0.1.0
 */
import { Caller } from "@hypermarket/core/Credentials"
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import { IssuedKey, NewApiKey, Rotation } from "./ApiKey.ts"
import { ApiKeys } from "./ApiKeys.ts"
import { PlatformApi } from "./PlatformApi.ts"
import { NewTenant, TenantAccount } from "./TenantAccount.ts"
import { TenantAccounts } from "./TenantAccounts.ts"

const withoutSecret = (issued: IssuedKey) => new IssuedKey({ apiKey: issued.apiKey, secret: null })

const createTenant = IdempotentRequests.create({
  operation: "platform.createTenant",
  payload: NewTenant,
  answer: TenantAccount
})
const createTenantKey = IdempotentRequests.create({
  operation: "platform.createTenantKey",
  payload: NewApiKey,
  answer: IssuedKey,
  stored: withoutSecret
})
const createKey = IdempotentRequests.create({
  operation: "platform.createKey",
  payload: NewApiKey,
  answer: IssuedKey,
  stored: withoutSecret
})
const rotateKey = IdempotentRequests.create({
  operation: "platform.rotateKey",
  payload: Rotation,
  answer: IssuedKey,
  stored: withoutSecret
})

const tenants = HttpApiBuilder.group(
  PlatformApi,
  "tenants",
  Effect.fn(function* (handlers) {
    const accounts = yield* TenantAccounts
    const keys = yield* ApiKeys
    const createTenantOnce = yield* createTenant
    const createTenantKeyOnce = yield* createTenantKey
    return handlers.handleAll({
      createTenant: ({ headers, payload }) =>
        createTenantOnce({ headers, payload }, accounts.create(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listTenants: ({ query }) => accounts.list(query).pipe(Storage.orUnavailable),
      getTenant: ({ params }) =>
        accounts.get(params.tenantId).pipe(Effect.map(tagged), Storage.orUnavailable),
      changeTenant: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => accounts.change(params.tenantId, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      createTenantKey: ({ headers, params, payload }) =>
        createTenantKeyOnce(
          { headers, payload, scope: { tenantId: params.tenantId } },
          Effect.andThen(
            accounts.get(params.tenantId),
            Tenant.provide(params.tenantId)(keys.create(payload, "operator"))
          )
        ).pipe(Storage.orUnavailable)
    })
  })
)

const ownKeys = HttpApiBuilder.group(
  PlatformApi,
  "keys",
  Effect.fn(function* (handlers) {
    const accounts = yield* TenantAccounts
    const keys = yield* ApiKeys
    const createKeyOnce = yield* createKey
    const rotateKeyOnce = yield* rotateKey
    return handlers.handleAll({
      currentTenant: () => accounts.current.pipe(Effect.map(tagged), Storage.orUnavailable),
      createKey: Effect.fnUntraced(function* ({ headers, payload }) {
        const grantor = yield* Caller
        return yield* createKeyOnce({ headers, payload }, keys.create(payload, grantor))
      }, Storage.orUnavailable),
      listKeys: ({ query }) => keys.list(query).pipe(Storage.orUnavailable),
      getKey: ({ params }) => keys.get(params.apiKeyId).pipe(Effect.map(tagged), Storage.orUnavailable),
      rotateKey: Effect.fnUntraced(function* ({ headers, params, payload }) {
        const grantor = yield* Caller
        const version = yield* expectedVersion(headers)
        return yield* rotateKeyOnce(
          { headers, payload, scope: { apiKeyId: params.apiKeyId, version } },
          keys.rotate(params.apiKeyId, version, payload, grantor)
        )
      }, Storage.orUnavailable),
      revokeKey: ({ headers, params, query }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) =>
            keys.revoke(params.apiKeyId, version, query.reason ?? "revoked over the API")
          ),
          Effect.map(tagged),
          Storage.orUnavailable
        )
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(tenants, ownKeys)
