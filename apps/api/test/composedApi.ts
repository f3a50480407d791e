/** The composed API as a server, its endpoints one by one, and keys to walk them with. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert } from "@effect/vitest"
import { Api } from "@hypermarket/api/endpoints"
import * as Server from "@hypermarket/api/Server"
import { RequiredScope } from "@hypermarket/core/Authorization"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { migrationSets } from "@hypermarket/installation/domains"
import type { ApiKeyId, NewApiKey } from "@hypermarket/platform/ApiKey"
import { ApiKeys } from "@hypermarket/platform/ApiKeys"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import * as PlatformDomain from "@hypermarket/platform/PlatformDomain"
import { TenantAccounts } from "@hypermarket/platform/TenantAccounts"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { ConfigProvider, Context, Effect, Layer, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest, type HttpRouter, HttpServer } from "effect/http"
import { HttpApi, type HttpApiEndpoint } from "effect/http-api"

/** The API with these routes more, on a database with every domain's tables. */
export const layerServer = (more: Layer.Layer<never, never, HttpRouter.HttpRouter>) =>
  Server.layerRoutes(more).pipe(
    Layer.provide([
      Shutdown.layer,
      ConfigProvider.layer(
        ConfigProvider.fromUnknown({ HM_API_ACCESS_LOG: "false", HM_METRICS_TOKEN: "scrape" })
      )
    ]),
    Layer.provideMerge(PlatformDomain.layer),
    Layer.provide(Wakeup.layerSend),
    Layer.provideMerge(TestDatabase.layer(...migrationSets)),
    Layer.provideMerge(NodeHttpServer.layerTest)
  )

/** Endpoints that answer without a key, on purpose. */
const publicEndpoints: ReadonlyArray<string> = []

export interface Walked {
  readonly endpoint: HttpApiEndpoint.Top
  readonly scope: string
}

export const endpoints: ReadonlyArray<Walked> = (() => {
  const walked: Array<Walked> = []
  HttpApi.reflect(Api, {
    onGroup: () => undefined,
    onEndpoint: ({ endpoint, mergedAnnotations }) => {
      walked.push({ endpoint, scope: Context.get(mergedAnnotations, RequiredScope) })
    }
  })
  return walked.filter(({ endpoint }) => !publicEndpoints.includes(endpoint.identifier))
})()

const Body = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json))

export const send = Effect.fnUntraced(function* (request: HttpClientRequest.HttpClientRequest, key?: string) {
  const response = yield* HttpClient.execute(
    key === undefined ? request : HttpClientRequest.bearerToken(request, key)
  )
  const text = yield* response.text
  const isProblem = (response.headers["content-type"] ?? "").startsWith("application/problem+json")
  const problem = isProblem ? yield* Schema.decodeEffect(Body)(text) : {}
  return { status: response.status, headers: response.headers, text, isProblem, problem }
})

export const acme = TenantId.make("acme")
export const globex = TenantId.make("globex")

export const issue = Effect.fnUntraced(function* (tenantId: TenantId, key: Omit<NewApiKey, "name">) {
  const accounts = yield* TenantAccounts
  const keys = yield* ApiKeys
  yield* accounts
    .create({ tenantId, name: tenantId })
    .pipe(Effect.provideService(AllTenants, { actor: "test" }), Effect.ignore)
  const { apiKey, secret } = yield* keys.create({ name: "test", ...key }, "operator").pipe(provide(tenantId))
  return { apiKeyId: apiKey.apiKeyId, secret: secret ?? "" }
})

/** An address of the endpoint, with ids that no object has. */
export const path = (endpoint: HttpApiEndpoint.Top) =>
  endpoint.path.replaceAll(/:\w+/g, "0199a000-0000-7000-8000-000000000000")

export const assertProblem = (answer: Effect.Success<ReturnType<typeof send>>, status: number) => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.isTrue(answer.isProblem, `${answer.headers["content-type"]}: ${answer.text}`)
  assert.strictEqual(answer.problem.status, status)
  assert.isString(answer.problem.title)
  assert.isString(answer.headers["x-request-id"])
  assert.strictEqual(answer.headers["x-content-type-options"], "nosniff")
}

/** Returns what sends requests through a new session of the console that holds this key. */
export const sessionOf = Effect.fnUntraced(function* (apiKeyId: ApiKeyId) {
  const { address } = yield* HttpServer.HttpServer
  const sessions = yield* ConsoleSessions
  const { token } = yield* sessions.open({
    apiKeyId,
    label: "Ann",
    userAgent: undefined,
    address: "127.0.0.1",
    replaces: undefined
  })
  const cookie = `hm_console_${"port" in address ? address.port : 0}=${Redacted.value(token)}`
  return {
    cookie,
    through: (request: HttpClientRequest.HttpClientRequest, tenantId: TenantId) =>
      send(
        HttpClientRequest.setHeaders(request, {
          cookie,
          "x-hypermarket-console": "1",
          "x-hypermarket-tenant": tenantId
        })
      )
  }
})
