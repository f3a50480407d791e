/**
 * Cross-origin requests (WHATWG Fetch): allowed from every origin, without credentials, on endpoints and protocol routes
 * that accept client keys, and nowhere else.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as HttpApi from "effect/http-api/HttpApi"
import type * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as Layer from "effect/Layer"
import { AcceptsClientKeys } from "./Authorization.ts"

/**
 * The headers of an answer that a script may read.
 *
 * @category constants
 * @since 0.1.0
 */
export const exposed: ReadonlyArray<string> = [
  "ETag",
  "Retry-After",
  "RateLimit",
  "RateLimit-Policy",
  "RateLimit-Limit",
  "RateLimit-Remaining",
  "RateLimit-Reset",
  "X-Request-Id",
  "X-SSE-Support",
  "X-Sentry-Rate-Limits",
  "X-Sentry-Error"
]

/** An SDK sends a dozen headers. More, or longer ones, are not allowed to it. */
const requestHeadersMax = 30
const requestHeaderLengthMax = 64

/** Chromium keeps a preflight for no longer than two hours, others for ten minutes. */
const maxAgeSeconds = 600

/**
 * The routes that are open, each as `<METHOD> <template>`. {@link layer} and `ProtocolRoute` add to it.
 *
 * @category services
 * @since 0.1.0
 */
export const OpenRoutes = Context.Reference<Set<string>>("@hypermarket/core/Cors/OpenRoutes", {
  defaultValue: () => new Set()
})

/**
 * Opens the endpoints of an API that accept client keys.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Id extends string, Groups extends HttpApiGroup.Constraint>(
  api: HttpApi.HttpApi<Id, Groups>
): Layer.Layer<never> =>
  Layer.effectDiscard(
    Effect.map(OpenRoutes, (open) =>
      HttpApi.reflect(api, {
        onGroup: () => undefined,
        onEndpoint: ({ endpoint, mergedAnnotations }) => {
          if (Context.get(mergedAnnotations, AcceptsClientKeys))
            open.add(`${endpoint.method} ${endpoint.path}`)
        }
      })
    )
  )

/**
 * Adds the headers that let a script of another origin read an answer, refusals included.
 *
 * @category responses
 * @since 0.1.0
 */
export const opened = (
  response: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.setHeaders(response, {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": exposed.join(", ")
  })

/**
 * Returns the method that a preflight asks for; undefined for every other request.
 *
 * @category guards
 * @since 0.1.0
 */
export const methodOf = (request: HttpServerRequest): string | undefined =>
  request.method === "OPTIONS" ? request.headers["access-control-request-method"] : undefined

/**
 * Makes the answer to a preflight: the route's methods, and the headers that were asked for.
 *
 * @category responses
 * @since 0.1.0
 */
export const preflight = (
  request: HttpServerRequest,
  methods: ReadonlyArray<string>
): HttpServerResponse.HttpServerResponse => {
  const names = (request.headers["access-control-request-headers"] ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => /^[\w-]+$/.test(name) && name.length <= requestHeaderLengthMax)
  return HttpServerResponse.empty({
    status: 204,
    headers: {
      "access-control-allow-methods": methods.join(", "),
      "access-control-allow-headers": names.slice(0, requestHeadersMax).join(", "),
      "access-control-max-age": String(maxAgeSeconds),
      vary: "Access-Control-Request-Method, Access-Control-Request-Headers"
    }
  })
}
