/**
 * A route of another system's protocol, for its clients as they are: the chain of every endpoint with that protocol's
 * places of keys and its own refusals.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as AccessLog from "./AccessLog.ts"
import { opensResource, ResourceRefused } from "./Authorization.ts"
import * as BoundedBody from "./BoundedBody.ts"
import type { Caller, Credential, Resource } from "./Credentials.ts"
import * as Cors from "./Cors.ts"
import type * as Limits from "./Limits.ts"
import * as RequestChain from "./RequestChain.ts"
import type { Tenant } from "./Tenant.ts"

/**
 * Where a protocol's clients put their key: `basic` is the password, `bare` an `Authorization` header without a scheme,
 * `x-sentry-auth` the `sentry_key` of that header.
 *
 * @category models
 * @since 0.1.0
 */
export type KeyPlace =
  | "bearer"
  | "x-api-key"
  | "x-sentry-auth"
  | "bare"
  | "basic"
  | `query:${string}`
  | `path:${string}`

/**
 * Why a request was refused before its handler ran, or cut off.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason =
  | "unauthenticated"
  | "scope-missing"
  | "key-kind-refused"
  | "resource-refused"
  | "tenant-suspended"
  | "limited"
  | "body-too-large"
  | "body-too-slow"
  | "body-broken"
  | "deadline"
  | "storage-unavailable"

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** The template, for example `/growthbook/api/features/:key`. */
  readonly path: `/${string}`
  /** Parameters that the log shows as the key's id or `…`. Those of `path:` keys are secret without being listed. */
  readonly secretParams?: ReadonlyArray<string>
  /** The places that are looked at, in this order. */
  readonly key: readonly [KeyPlace, ...ReadonlyArray<KeyPlace>]
  readonly scope: string
  /** True when public keys open it too. */
  readonly clientKeys: boolean
  /** The parameter that names what a client key must have been made for. */
  readonly resource?: { readonly kind: Resource["kind"]; readonly param: string }
  /** Bytes on the wire, and after decompression (gzip, deflate, br, zstd). */
  readonly body: { readonly max: number; readonly inflatedMax: number }
  /** `database` refuses while the database is unavailable; `own` goes on with keys that were read within 15 minutes. */
  readonly guard: "database" | "own"
  /** True when the answer is a stream: no deadline. */
  readonly stream?: boolean
  /** Makes the protocol's own refusal. The headers of a limit's verdict are added to it. */
  readonly refuse: (reason: Reason) => HttpServerResponse.HttpServerResponse
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Input {
  readonly request: HttpServerRequest
  readonly params: Readonly<Record<string, string | undefined>>
  /** The whole body, decompressed. */
  readonly body: Uint8Array
}

/**
 * Handles a request. The scope ends with the handler; that of a `stream` ends with the request.
 *
 * @category models
 * @since 0.1.0
 */
export type Handler = (
  input: Input
) => Effect.Effect<HttpServerResponse.HttpServerResponse, never, Tenant | Caller | Scope.Scope>

/**
 * @category models
 * @since 0.1.0
 */
export interface ProtocolRoute extends Options {
  readonly handler: Handler
}

/** Long for any statement on our hot paths, as for endpoints. */
const deadline = Duration.millis(2_500)

/**
 * Makes a route. Throws when a parameter that it names is not in its path: a mistake in the code.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options, handler: Handler): ProtocolRoute => {
  const secretParams = [
    ...(options.secretParams ?? []),
    ...options.key.flatMap((place) => (place.startsWith("path:") ? [place.slice("path:".length)] : []))
  ]
  const params = options.resource === undefined ? secretParams : [...secretParams, options.resource.param]
  for (const param of params) {
    if (!options.path.split("/").includes(`:${param}`)) {
      throw new TypeError(`${options.path} has no parameter ${param}`)
    }
  }
  return { ...options, secretParams, handler }
}

const textOfBasic = (encoded: string): string => Result.getOrElse(Base64.decodeString(encoded), () => "")

const keyAt = (
  place: KeyPlace,
  request: HttpServerRequest,
  params: Readonly<Record<string, string | undefined>>
): string | undefined => {
  const authorization = request.headers["authorization"] ?? ""
  switch (place) {
    case "bearer":
      return /^Bearer +(\S+)$/i.exec(authorization)?.[1]
    case "basic":
      return /^[^:]*:(.+)$/s.exec(textOfBasic(/^Basic +(\S+)$/i.exec(authorization)?.[1] ?? ""))?.[1]
    case "bare":
      return /^\S+$/.exec(authorization)?.[0]
    case "x-api-key":
      return request.headers["x-api-key"]
    case "x-sentry-auth":
      return /^Sentry .*?\bsentry_key=([^\s,]+)/i.exec(request.headers["x-sentry-auth"] ?? "")?.[1]
    default: {
      const name = place.slice(place.indexOf(":") + 1)
      if (place.startsWith("path:")) return params[name]
      return new URLSearchParams(request.url.split("?")[1] ?? "").get(name) ?? undefined
    }
  }
}

const reasons = {
  Unauthenticated: "unauthenticated",
  ScopeMissing: "scope-missing",
  KeyKindRefused: "key-kind-refused",
  ResourceRefused: "resource-refused",
  TenantSuspended: "tenant-suspended",
  BodyTooLarge: "body-too-large",
  TooLarge: "body-too-large",
  BodyTooSlow: "body-too-slow",
  TooSlow: "body-too-slow",
  Broken: "body-broken",
  BudgetExceeded: "limited",
  DeadlineExceeded: "deadline",
  StorageUnavailable: "storage-unavailable"
} as const satisfies Record<string, Reason>

/** The body was read by the chain: it waits for nothing, and is only decompressed here. */
const bodyOf = (request: HttpServerRequest, { inflatedMax, max }: Options["body"]) =>
  Effect.flatMap(
    Effect.mapError(request.arrayBuffer, () => new BoundedBody.Broken({ reason: "connection" })),
    (bytes) => BoundedBody.collectArrived(request, new Uint8Array(bytes), { sentMax: max, inflatedMax })
  )

const run = (route: ProtocolRoute, chain: RequestChain.RequestChain["Service"]) => {
  const passage: RequestChain.Passage = {
    scope: route.scope,
    acceptsClientKeys: route.clientKeys,
    deadline: route.stream === true ? Duration.infinity : deadline,
    bodyBytesMax: route.body.max,
    mayRunLong: false,
    guard: route.guard,
    cost: 1
  }
  const limited = (verdict: Limits.Verdict) =>
    HttpServerResponse.setHeaders(route.refuse("limited"), verdict.headers)
  return Effect.gen(function* () {
    const request = yield* HttpServerRequest
    const params = yield* HttpRouter.params
    const key = route.key.map((place) => keyAt(place, request, params)).find((text) => text !== undefined)
    const contextOf = Effect.fnUntraced(function* (credential: Credential) {
      const { resource } = route
      const id = resource === undefined ? undefined : params[resource.param]
      if (
        resource !== undefined &&
        id !== undefined &&
        !opensResource(credential, { kind: resource.kind, id })
      ) {
        return yield* new ResourceRefused({ kind: resource.kind, id })
      }
      return yield* RequestChain.tenantContext(credential)
    })
    const handle = Effect.flatMap(bodyOf(request, route.body), (body) =>
      route.handler({ request, params, body })
    )
    // A stream goes on after the handler has returned it: what it holds is given back with the request.
    const handled = route.stream === true ? handle : Effect.scoped(handle)
    return yield* chain.pass(
      { secret: Redacted.make(key ?? ""), passage, route: route.path, contextOf, limited },
      handled
    )
  }).pipe(Effect.catch((error) => Effect.succeed(route.refuse(reasons[error._tag]))))
}

/**
 * The routes that are served, for tests that walk them.
 *
 * @category services
 * @since 0.1.0
 */
export class Served extends Context.Service<Served, { readonly list: ReadonlyArray<ProtocolRoute> }>()(
  "@hypermarket/core/ProtocolRoute/Served"
) {}

/**
 * Serves routes, and hides their secret parameters from the log.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  routes: ReadonlyArray<ProtocolRoute>
): Layer.Layer<Served, never, RequestChain.RequestChain | HttpRouter.HttpRouter> =>
  Layer.effect(
    Served,
    Effect.gen(function* () {
      const chain = yield* RequestChain.RequestChain
      const router = yield* HttpRouter.HttpRouter
      const secretParameters = yield* AccessLog.SecretParameters
      const openRoutes = yield* Cors.OpenRoutes
      for (const route of routes) {
        if (route.secretParams !== undefined) secretParameters.set(route.path, route.secretParams)
        if (route.clientKeys) openRoutes.add(`${route.method} ${route.path}`)
        yield* router.add(route.method, route.path, run(route, chain))
      }
      return { list: routes }
    })
  )
