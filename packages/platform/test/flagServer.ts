/** The flags' HTTP groups and OFREP on a listening server, with keys of the platform. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as RequestChain from "@hypermarket/core/RequestChain"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Problems from "@hypermarket/core/Problems"
import { Secrets } from "@hypermarket/core/Secrets"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { SignedToken } from "@hypermarket/core/SignedToken"
import { AllTenants, provide, type TenantId } from "@hypermarket/core/Tenant"
import type { NewApiKey } from "@hypermarket/platform/ApiKey"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { FlagEvaluations } from "@hypermarket/platform/FlagEvaluations"
import { FlagsApi } from "@hypermarket/platform/FlagsApi"
import * as FlagsHttp from "@hypermarket/platform/FlagsHttp"
import * as GrowthbookProtocol from "@hypermarket/platform/GrowthbookProtocol"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import * as OfrepProtocol from "@hypermarket/platform/OfrepProtocol"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as UnleashProtocol from "@hypermarket/platform/UnleashProtocol"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Effect, Layer, Schedule, type Schema } from "effect"
import { HttpClient, HttpClientRequest, HttpServer } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import type { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"

/** Keys of tokens, for the streams of OFREP. */
export const layerTokens = SignedToken.layer.pipe(
  Layer.provide(Secrets.layer),
  Layer.provide(
    ConfigProvider.layer(
      ConfigProvider.fromUnknown({
        HM_SECRETS_KEYS: `test:${createHash("sha256").update("test").digest("base64")}`
      })
    )
  )
)

const layerRoutes = HttpApiBuilder.layer(FlagsApi).pipe(
  Layer.provide(FlagsHttp.layer),
  Layer.merge(OfrepProtocol.layer.pipe(Layer.provide(layerTokens))),
  Layer.merge(GrowthbookProtocol.layer),
  Layer.merge(UnleashProtocol.layer),
  Layer.provide([RequestChain.layer, Problems.layerInput])
)

/** The server on a database. */
export const layerServerOn = <A, E, R>(database: Layer.Layer<A | SqlClient.SqlClient, E, R>) =>
  ApiServer.layer(layerRoutes).pipe(
    Layer.provide([AccessLog.layerDiscard, Shutdown.layer, KeyCredentials.layer]),
    Layer.provideMerge(PlatformDomain.layer),
    Layer.provideMerge(database),
    Layer.provideMerge(NodeHttpServer.layerTest)
  )

export const layerServer = layerServerOn(
  TestDatabase.layer(CoreDomain.migrations, PlatformDomain.domain.migrations)
)

/** Makes a key of a tenant, and the tenant when it is not there. */
export const keyOf = Effect.fnUntraced(function* (tenantId: TenantId, key: Partial<NewApiKey> = {}) {
  const accounts = yield* TenantAccounts
  const keys = yield* ApiKeys
  yield* accounts
    .create({ tenantId, name: tenantId })
    .pipe(Effect.provideService(AllTenants, { actor: "test" }), Effect.ignore)
  const issued = yield* keys
    .create({ name: "test", scopes: ["flags:read"], ...key }, "operator")
    .pipe(provide(tenantId))
  return issued.secret ?? ""
})

/** Waits until this process evaluates at the newest revision. */
export const settled = Effect.fnUntraced(function* (environment: string, revision: bigint) {
  const evaluations = yield* FlagEvaluations
  return yield* evaluations
    .evaluator(environment)
    .pipe(
      Effect.repeat({ until: (flags) => flags.revision >= revision, schedule: Schedule.spaced("50 millis") })
    )
})

export const baseUrl = Effect.map(HttpServer.HttpServer, ({ address }) =>
  HttpServer.formatAddress(address).replace(/0\.0\.0\.0|\[::\]/, "127.0.0.1")
)

/** Posts JSON, or a text as it is. */
export const post = Effect.fnUntraced(function* (
  path: string,
  body: Schema.Json | { readonly text: string },
  headers: Readonly<Record<string, string>>
) {
  const request = HttpClientRequest.post(path).pipe(HttpClientRequest.setHeaders(headers))
  const isText = typeof body === "object" && body !== null && "text" in body && typeof body.text === "string"
  const response = yield* HttpClient.execute(
    isText
      ? HttpClientRequest.bodyText(request, String(body.text), "application/json")
      : HttpClientRequest.bodyJsonUnsafe(request, body)
  )
  const text = yield* response.text
  return { status: response.status, headers: response.headers, text }
})
