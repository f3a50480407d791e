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
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as AccessLog from "./AccessLog.ts"
import * as ClientAddress from "./ClientAddress.ts"
import * as Cors from "./Cors.ts"
import * as RequestMetrics from "./internal/requestMetrics.ts"
import { refusalOf } from "./internal/limitRefusal.ts"
import * as Limits from "./Limits.ts"
import * as Problems from "./Problems.ts"
import { Shutdown } from "./Shutdown.ts"
import { tokenLengthMax } from "./SignedToken.ts"
import * as Unavailability from "./Unavailability.ts"

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

/** A token in a path is longer than the router's own limit of 100 characters. */
const routerConfig = { maxParamLength: tokenLengthMax }

class Routes extends Context.Service<
  Routes,
  {
    readonly allowed: (url: string) => ReadonlyArray<string>
    /** The template of the route that a request is for. */
    readonly templateOf: (method: string, url: string) => string | undefined
  }
>()("@hypermarket/core/ApiServer/Routes") {}

/** A router that remembers its routes, so that a wrong method can be told from an unknown path. */
const layerRouter = Layer.effectContext(
  Effect.gen(function* () {
    const router = yield* HttpRouter.make.pipe(Effect.provideService(HttpRouter.RouterConfig, routerConfig))
    const table = FindMyWay.make<string>(routerConfig)
    const recordAt = (method: string, path: `/${string}` | "*", template: string) =>
      method === "*" ? table.all(path, template) : table.on(method, path, template)
    const record = (method: string, path: `/${string}` | "*") => {
      recordAt(method, path, path)
      // As the router does: a wildcard's route is also that of the path before it.
      if (path.length > 2 && path.endsWith("/*")) recordAt(method, `/${path.slice(1, -2)}`, path)
    }
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
    const templateOf = (method: string, url: string) =>
      table.find(method === "HEAD" ? "GET" : method, url)?.handler
    return Context.make(HttpRouter.HttpRouter, recording).pipe(Context.add(Routes, { allowed, templateOf }))
  })
)

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
  // No browser takes an answer for another type than it has: pages are on this origin too.
  const always = { "x-request-id": requestId, "x-content-type-options": "nosniff" }
  // RFC 9110, 11.6.1: a 401 names the scheme; a protocol's own stays.
  if (response.status === 401 && response.headers["www-authenticate"] === undefined) {
    return HttpServerResponse.setHeaders(response, { ...always, "www-authenticate": "Bearer" })
  }
  // The rest of the body stays unread: another request cannot follow it.
  if (response.status === 408 || response.status === 413) {
    return HttpServerResponse.setHeaders(response, { ...always, connection: "close" })
  }
  const isRetryLater = response.status === 503 || response.status === 429
  return HttpServerResponse.setHeaders(
    response,
    isRetryLater && response.headers["retry-after"] === undefined
      ? { ...always, "retry-after": retryAfterSeconds }
      : always
  )
}

/** Services that a request adds to those of the process, and some more. With more than that, all of them are copied. */
const requestServicesMax = 32

/** The services of the process, for requests that add theirs. */
const ofRequests = <R>(services: Context.Context<R>): Context.Context<R> =>
  Context.makeUnsafe(new Map(services.mapUnsafe), { maxDepth: requestServicesMax })

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
      const { allowed, templateOf } = Context.get(context, Routes)
      const secretParameters = yield* AccessLog.SecretParameters
      const openRoutes = yield* Cors.OpenRoutes
      const accessLog = yield* AccessLog.AccessLog
      const limits = yield* Limits.Limits
      const trusted = yield* ClientAddress.TrustedProxies
      const shutdown = yield* Shutdown
      const clock = yield* Clock.Clock
      const unavailability = yield* Unavailability.make
      const measure = RequestMetrics.make(yield* Effect.context())
      let inFlight = 0

      const isOpen = (method: string, url: string) => {
        const template = templateOf(method, url)
        return template !== undefined && openRoutes.has(`${method === "HEAD" ? "GET" : method} ${template}`)
      }

      const unanswered = (cause: Cause.Cause<unknown>, request: HttpServerRequest) => {
        if (isRouteNotFound(cause)) {
          const { headers, remoteAddress } = request
          const byAddress = limits.checkAddress(
            ClientAddress.resolve(trusted, Option.getOrUndefined(remoteAddress), headers["x-forwarded-for"])
          )
          if (!byAddress.allowed) return Effect.succeed(refusalOf(byAddress))
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
            facts.route = templateOf(request.method, request.url)
            const secret = facts.route === undefined ? undefined : secretParameters.get(facts.route)
            if (facts.route !== undefined && secret !== undefined) {
              facts.path = AccessLog.pathOf(facts.path, facts.route, secret)
            }
            if (response.status === 503 && facts.unavailable === undefined) {
              facts.unavailable = { reason: shutdown.isStopping() ? "stopping" : "other" }
            }
            accessLog.record(facts, response.status, endedAtMillis)
            measure({
              route: facts.route,
              status: response.status,
              durationMillis: endedAtMillis - facts.startedAtMillis
            })
            const asked = Cors.methodOf(request) ?? request.method
            const sent = withHeaders(isOpen(asked, request.url) ? Cors.opened(response) : response, requestId)
            return response.status === 503
              ? Effect.as(unavailability.record(facts), sent)
              : Effect.succeed(sent)
          }
          if (request.headers["host"] === undefined) return answered(Problems.toResponse(Problems.badRequest))
          const asked = Cors.methodOf(request)
          if (asked !== undefined && isOpen(asked, request.url)) {
            return answered(Cors.preflight(request, allowed(request.url)))
          }
          if (inFlight >= requestsInFlightMax) {
            facts.unavailable = { reason: "overloaded" }
            return answered(Problems.toResponse(Problems.overloaded))
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
          // The server provides the scope of a request, which the handler's type asks for.
          return Effect.matchCauseEffect(handler, {
            onSuccess: (response) => {
              inFlight--
              return answered(Problems.inPlaceOf(response))
            },
            onFailure: (cause) => {
              inFlight--
              return Effect.flatMap(unanswered(cause, request), answered)
            }
          }) as Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest>
        }
      )
      return Layer.effectDiscard(Effect.updateContext(HttpServer.serveEffect(served), ofRequests))
    })
    // The inferred type leaves out errors and requirements of handlers, which routes carry as `HttpRouter.Request`.
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
