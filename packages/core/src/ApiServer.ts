/**
 * Serves routes the way every process of ours does: request ids, access log, problem documents for what no endpoint
 * declares, a bound on requests in flight, a bound on bodies.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FindMyWay from "effect/http/FindMyWay"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerError from "effect/http/HttpServerError"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ByteSize from "effect/ByteSize"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as AccessLog from "./AccessLog.ts"
import * as Problems from "./Problems.ts"
import { Shutdown } from "./Shutdown.ts"

/**
 * The largest body, in bytes, of an endpoint that says nothing else.
 *
 * @category limits
 * @since 0.1.0
 */
export const bodyBytesMax = 1024 * 1024

/**
 * How many requests are worked on at once. Past it a request answers 503 at once instead of waiting: at 2.5 seconds'
 * deadline a longer queue could only time out.
 *
 * @category limits
 * @since 0.1.0
 */
export const requestsInFlightMax = 2_048

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const
const retryAfterSeconds = "1"
const requestIdPattern = /^[A-Za-z0-9._-]{1,128}$/

class Routes extends Context.Service<Routes, { readonly allowed: (url: string) => ReadonlyArray<string> }>()(
  "@hypermarket/core/ApiServer/Routes"
) {}

/** A router that remembers its routes, so that a wrong method can be told from an unknown path. */
const layerRouter = Layer.effectContext(
  Effect.gen(function* () {
    const router = yield* HttpRouter.make
    const table = FindMyWay.make<true>()
    const record = (method: string, path: `/${string}` | "*") =>
      method === "*" ? table.all(path, true) : table.on(method, path, true)
    const recording: HttpRouter.HttpRouter = {
      ...router,
      add: (method, path, handler, options) => {
        record(method, path)
        return router.add(method, path, handler, options)
      },
      addAll: (routes) => {
        for (const route of routes) record(route.method, route.path)
        return router.addAll(routes)
      }
    }
    const allowed = (url: string) => {
      const found = methods.filter((method) => table.find(method, url) !== undefined)
      return found.includes("GET") && !found.includes("HEAD") ? [...found, "HEAD"] : found
    }
    return Context.make(HttpRouter.HttpRouter, recording).pipe(Context.add(Routes, { allowed }))
  })
)

const requestCounter = Metric.counter("hm_api_requests_total", {
  description: "Requests answered, by status class",
  incremental: true
})
const counterByClass = ["1xx", "2xx", "3xx", "4xx", "5xx"].map((status) =>
  Metric.withAttributes(requestCounter, { status })
)
const durationHistogram = Metric.histogram("hm_api_request_duration_seconds", {
  description: "From the first byte of the request to the response's head, in seconds",
  boundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})

const isRouteNotFound = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.some(
    (reason) =>
      reason._tag === "Fail" &&
      reason.error instanceof HttpServerError.HttpServerError &&
      reason.error.reason._tag === "RouteNotFound"
  )

const withHeaders = (
  response: HttpServerResponse.HttpServerResponse,
  requestId: string
): HttpServerResponse.HttpServerResponse => {
  // RFC 9110, 11.6.1: a 401 names the scheme; a protocol's own stays.
  if (response.status === 401 && response.headers["www-authenticate"] === undefined) {
    return HttpServerResponse.setHeaders(response, {
      "x-request-id": requestId,
      "www-authenticate": "Bearer"
    })
  }
  const isRetryLater = response.status === 503 || response.status === 429
  return HttpServerResponse.setHeaders(
    response,
    isRetryLater && response.headers["retry-after"] === undefined
      ? { "x-request-id": requestId, "retry-after": retryAfterSeconds }
      : { "x-request-id": requestId }
  )
}

/**
 * Serves the routes of a layer. Requires a listening `HttpServer`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <A, E, R>(routes: Layer.Layer<A, E, R>) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const context = yield* Layer.build(Layer.provideMerge(routes, layerRouter))
      const router = Context.get(context, HttpRouter.HttpRouter)
      const { allowed } = Context.get(context, Routes)
      const accessLog = yield* AccessLog.AccessLog
      const shutdown = yield* Shutdown
      const clock = yield* Clock.Clock
      let inFlight = 0

      const unanswered = (cause: Cause.Cause<unknown>, request: HttpServerRequest) => {
        if (isRouteNotFound(cause)) {
          const allow = allowed(request.url)
          return Effect.succeed(
            allow.length === 0
              ? Problems.toResponse(Problems.notFound)
              : HttpServerResponse.setHeader(
                  Problems.toResponse(Problems.methodNotAllowed),
                  "allow",
                  allow.join(", ")
                )
          )
        }
        return Effect.flatMap(HttpServerError.causeResponse(cause), ([response]) => {
          const answer =
            response.status === 503 && shutdown.isStopping()
              ? Problems.toResponse(Problems.stopping)
              : Problems.inPlaceOf(response)
          return answer.status === 500
            ? Effect.as(Effect.logError("Unhandled failure", cause), answer)
            : Effect.succeed(answer)
        })
      }

      const handler = router.asHttpEffect()
      const served = Effect.withFiber<HttpServerResponse.HttpServerResponse, never, HttpServerRequest>(
        (fiber) => {
          const request = Context.getUnsafe(fiber.context, HttpServerRequest)
          const given = request.headers["x-request-id"]
          const requestId = given !== undefined && requestIdPattern.test(given) ? given : crypto.randomUUID()
          const facts = AccessLog.makeFacts(
            requestId,
            request.method,
            request.url,
            clock.currentTimeMillisUnsafe()
          )
          const answered = (response: HttpServerResponse.HttpServerResponse) => {
            const endedAtMillis = clock.currentTimeMillisUnsafe()
            accessLog.record(facts, response.status, endedAtMillis)
            counterByClass[Math.floor(response.status / 100) - 1]?.updateUnsafe(1, fiber.context)
            durationHistogram.updateUnsafe((endedAtMillis - facts.startedAtMillis) / 1000, fiber.context)
            return withHeaders(response, requestId)
          }
          if (inFlight >= requestsInFlightMax) {
            return Effect.succeed(answered(Problems.toResponse(Problems.overloaded)))
          }
          inFlight++
          // The enclosing request restores the fiber's context when it ends.
          fiber.setContext(
            fiber.context.pipe(
              Context.add(AccessLog.CurrentRequest, facts),
              Context.add(References.CurrentLogAnnotations, {
                ...fiber.getRef(References.CurrentLogAnnotations),
                request_id: requestId
              })
            )
          )
          return Effect.matchCauseEffect(handler, {
            onSuccess: (response) => {
              inFlight--
              return Effect.succeed(answered(Problems.inPlaceOf(response)))
            },
            onFailure: (cause) => {
              inFlight--
              return Effect.map(unanswered(cause, request), answered)
            }
          }) as Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest>
        }
      )
      return HttpServer.serve(served)
    })
  ).pipe(Layer.provide(Layer.succeed(MaxBodySize, ByteSize.bytes(bodyBytesMax)))) as Layer.Layer<
    never,
    HttpRouter.Request.Without<E>,
    | HttpServer.HttpServer
    | AccessLog.AccessLog
    | Shutdown
    | Exclude<
        HttpRouter.Request.Without<R> | HttpRouter.Request.Only<"Requires", R>,
        HttpRouter.HttpRouter | HttpRouter.Provided
      >
  >
