/**
 * A package's HTTP groups on a test server, with keys that need no platform: a key is its tenant's id.
 *
 * Who may do what is the platform's own test. Here the key `acme` has every scope that the API asks for, and the key
 * `_system` is the tenant-less credential.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as ApiServer from "@hypermarket/core/ApiServer"
import * as Authorization from "@hypermarket/core/Authorization"
import * as RequestChain from "@hypermarket/core/RequestChain"
import { Credentials } from "@hypermarket/core/Credentials"
import * as Problems from "@hypermarket/core/Problems"
import { Shutdown } from "@hypermarket/core/Shutdown"
import { system, TenantId } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

const scopesOf = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): ReadonlySet<string> => {
  const scopes = new Set<string>(AccessScope.ofData)
  HttpApi.reflect(api, {
    onGroup: () => undefined,
    onEndpoint: ({ mergedAnnotations }) => {
      scopes.add(Context.get(mergedAnnotations, Authorization.RequiredScope))
    }
  })
  return scopes
}

const decodeTenantId = Schema.decodeUnknownOption(TenantId)

const layerCredentials = (scopes: ReadonlySet<string>) =>
  Layer.succeed(Credentials, {
    authenticate: (secret) => {
      const text = Redacted.value(secret)
      const isSystem = text === system
      const tenantId = decodeTenantId(text)
      if (!isSystem && Option.isNone(tenantId)) return Effect.succeedNone
      return Effect.succeedSome({
        keyId: `key of ${text}`,
        kind: "server" as const,
        tenantId: isSystem ? Option.none() : tenantId,
        environment: "live",
        plan: Option.some("standard"),
        resource: Option.none(),
        isTenantActive: true,
        scopes: isSystem ? new Set([AccessScope.systemAdmin]) : scopes
      })
    }
  })

/** Serves the groups. Requires what the handlers require. */
export const layer = <Id extends string, Groups extends HttpApiGroup.Constraint, E, R>(
  api: HttpApi.HttpApi<Id, Groups>,
  handlers: Layer.Layer<HttpApiGroup.ToService<Id, Groups>, E, R>,
  options: {
    /** @default every scope that the API asks for, and those of data */
    readonly scopes?: ReadonlyArray<string>
  } = {}
) =>
  ApiServer.layer(
    HttpApiBuilder.layer(api).pipe(
      Layer.provide(handlers),
      Layer.provide([RequestChain.layer, Problems.layerInput])
    )
  ).pipe(
    Layer.provide([
      AccessLog.layerDiscard,
      Shutdown.layer,
      layerCredentials(options.scopes === undefined ? scopesOf(api) : new Set(options.scopes))
    ]),
    Layer.provideMerge(NodeHttpServer.layerTest)
  )

export interface Sent {
  /** @default acme */
  readonly key?: string
  readonly body?: Schema.Json
  readonly headers?: Readonly<Record<string, string>>
}

const decodeBody = Schema.decodeEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

/** Sends a request and reads the answer; an empty body reads as `{}`. */
export const send = Effect.fnUntraced(function* (
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  path: string,
  options: Sent = {}
) {
  const request = HttpClientRequest.make(method)(path).pipe(
    HttpClientRequest.bearerToken(options.key ?? "acme"),
    HttpClientRequest.setHeaders(options.headers ?? {})
  )
  const response = yield* HttpClient.execute(
    options.body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, options.body)
  )
  const text = yield* response.text
  const body = text === "" ? {} : yield* decodeBody(text)
  return { status: response.status, headers: response.headers, text, body }
})
