/** The HTTP server of this package over a database, and an index with documents. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as ApiServer from "@hypermarket/core/ApiServer"
import { Credentials, type Credential } from "@hypermarket/core/Credentials"
import * as Problems from "@hypermarket/core/Problems"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { provide, type TenantId } from "@hypermarket/core/Tenant"
import { RankingSignals } from "@hypermarket/search/RankingSignals"
import { SearchApi } from "@hypermarket/search/SearchApi"
import * as SearchHttp from "@hypermarket/search/SearchHttp"
import { SearchIndexes } from "@hypermarket/search/SearchIndexes"
import { SearchIndexVersions } from "@hypermarket/search/SearchIndexVersions"
import { Effect, Layer, Option, Redacted, Schema } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { HttpApiBuilder } from "effect/http-api"
import { SqlClient } from "effect/sql"
import { acme, buildAll, globex, layerOf, makeIndex, product, products, shop, upsert } from "./support.ts"

/** Keys of these tests are the tenants' names. */
const credentialOf = (tenantId: TenantId): Credential => ({
  keyId: `key of ${tenantId}`,
  tenantId: Option.some(tenantId),
  kind: "server",
  scopes: new Set(["search:admin"]),
  environment: "live",
  plan: Option.some("standard"),
  resource: Option.none(),
  isTenantActive: true
})

/** A public key of acme for one index. */
const browser: Credential = {
  ...credentialOf(acme),
  kind: "client",
  resource: Option.some({ kind: "index", id: "books" })
}

const layerCredentials = Layer.succeed(
  Credentials,
  Credentials.of({
    authenticate: (secret) =>
      Effect.succeed(
        Redacted.value(secret) === "browser"
          ? Option.some(browser)
          : Option.map(
              Option.fromUndefinedOr([acme, globex].find((tenantId) => tenantId === Redacted.value(secret))),
              credentialOf
            )
      )
  })
)

export const TestServer = ApiServer.layer(
  HttpApiBuilder.layer(SearchApi).pipe(
    Layer.provide(SearchHttp.layer),
    Layer.provide([RequestChain.layer, Problems.layerInput])
  )
).pipe(
  Layer.provide([AccessLog.layerDiscard, Shutdown.layer, layerCredentials]),
  Layer.provideMerge(layerOf()),
  Layer.provideMerge(NodeHttpServer.layerTest)
)

export const send = Effect.fnUntraced(function* (
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  options: {
    readonly body?: Schema.Json
    readonly headers?: Record<string, string>
    readonly key?: string
  } = {}
) {
  const request = HttpClientRequest.make(method)(path).pipe(
    HttpClientRequest.bearerToken(options.key ?? acme),
    HttpClientRequest.setHeaders(options.headers ?? {})
  )
  const response = yield* HttpClient.execute(
    options.body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, options.body)
  )
  const text = yield* response.text
  const body =
    text === ""
      ? {}
      : yield* Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))(text)
  return { status: response.status, headers: response.headers, body, text }
})

/** Ids that are in no other number of an answer. */
const farAhead = 700_000_123

export const seedOnce = Effect.gen(function* () {
  const indexes = yield* SearchIndexes
  const versions = yield* SearchIndexVersions
  const signals = yield* RankingSignals
  const sql = yield* SqlClient.SqlClient
  const existing = yield* indexes.get(shop).pipe(provide(acme), Effect.option)
  if (Option.isNone(existing)) {
    // The suite deletes the index: another one's versions must not get the same ids.
    yield* sql`SELECT setval('hm_search_index_version_seq', greatest(${farAhead}::bigint, nextval('hm_search_index_version_seq')))`
    yield* makeIndex(shop)
    yield* upsert(products(200))
    yield* signals.put([{ signal: "margin", productId: "p1", value: 0.5 }]).pipe(provide(acme))
    yield* versions.start(shop, {}).pipe(provide(acme))
    yield* buildAll
  }
  // The suite carries out the owner's removal of this one too.
  yield* upsert([product(1)])
  const { items } = yield* versions.list(shop, {}).pipe(provide(acme))
  return items[0]?.versionId ?? ""
})
