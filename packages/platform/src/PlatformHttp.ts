/**
 * Handlers of the platform's HTTP groups.
 *
 * @since 0.1.0
 */
import { Caller } from "@hypermarket/core/Credentials"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { ApiKeys, IssuedKey, NewApiKey, Rotation } from "./ApiKey.ts"
import { PlatformApi } from "./PlatformApi.ts"
import { NewTenant, TenantAccount, TenantAccounts } from "./TenantAccount.ts"

/** Owns the idempotency keys of endpoints over all tenants; no tenant can have this id. */
const systemOwner = "_system"

const encodeNewTenant = Schema.encodeSync(NewTenant)
const encodeNewApiKey = Schema.encodeSync(NewApiKey)
const encodeRotation = Schema.encodeSync(Rotation)

const withoutSecret = (issued: IssuedKey) => new IssuedKey({ apiKey: issued.apiKey, secret: null })

const createTenantOnce = IdempotencyKey.make({ operation: "platform.createTenant", answer: TenantAccount })
const createTenantKeyOnce = IdempotencyKey.make({
  operation: "platform.createTenantKey",
  answer: IssuedKey,
  stored: withoutSecret
})
const createKeyOnce = IdempotencyKey.make({
  operation: "platform.createKey",
  answer: IssuedKey,
  stored: withoutSecret
})
const rotateKeyOnce = IdempotencyKey.make({
  operation: "platform.rotateKey",
  answer: IssuedKey,
  stored: withoutSecret
})

const tenants = HttpApiBuilder.group(
  PlatformApi,
  "tenants",
  Effect.fn(function* (handlers) {
    const accounts = yield* TenantAccounts
    const keys = yield* ApiKeys
    const sql = yield* SqlClient.SqlClient
    const storage = Effect.provideService(SqlClient.SqlClient, sql)
    return handlers.handleAll({
      createTenant: ({ headers, payload }) =>
        createTenantOnce(
          { owner: systemOwner, headers, body: encodeNewTenant(payload) },
          accounts.create(payload)
        ).pipe(Effect.map(tagged), Storage.orUnavailable, storage),
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
          {
            owner: systemOwner,
            headers,
            body: { tenantId: params.tenantId, ...encodeNewApiKey(payload) }
          },
          Effect.andThen(
            accounts.get(params.tenantId),
            Tenant.provide(params.tenantId)(keys.create(payload, "operator"))
          )
        ).pipe(Storage.orUnavailable, storage)
    })
  })
)

const ownKeys = HttpApiBuilder.group(
  PlatformApi,
  "keys",
  Effect.fn(function* (handlers) {
    const accounts = yield* TenantAccounts
    const keys = yield* ApiKeys
    const sql = yield* SqlClient.SqlClient
    const storage = Effect.provideService(SqlClient.SqlClient, sql)
    return handlers.handleAll({
      currentTenant: () => accounts.current.pipe(Effect.map(tagged), Storage.orUnavailable),
      createKey: Effect.fnUntraced(
        function* ({ headers, payload }) {
          const grantor = yield* Caller
          const owner = yield* Tenant.tenantId
          return yield* createKeyOnce(
            { owner, headers, body: encodeNewApiKey(payload) },
            keys.create(payload, grantor)
          )
        },
        Storage.orUnavailable,
        storage
      ),
      listKeys: ({ query }) => keys.list(query).pipe(Storage.orUnavailable),
      getKey: ({ params }) => keys.get(params.apiKeyId).pipe(Effect.map(tagged), Storage.orUnavailable),
      rotateKey: Effect.fnUntraced(
        function* ({ headers, params, payload }) {
          const grantor = yield* Caller
          const owner = yield* Tenant.tenantId
          const version = yield* expectedVersion(headers)
          return yield* rotateKeyOnce(
            { owner, headers, body: { apiKeyId: params.apiKeyId, version, ...encodeRotation(payload) } },
            keys.rotate(params.apiKeyId, version, payload, grantor)
          )
        },
        Storage.orUnavailable,
        storage
      ),
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
