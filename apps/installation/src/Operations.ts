/**
 * The routes for operators: `/health/*` and `/metrics`; and the HTTP server they are served on.
 */
import { NodeHttpServer } from "@effect/platform-node"
import * as Health from "@hypermarket/core/Health"
import * as Problems from "@hypermarket/core/Problems"
import * as Setting from "@hypermarket/core/Setting"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import { ServeError } from "effect/http/HttpServerError"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import { createServer, type Server } from "node:http"
import { createServer as createNetServer, type Server as NetServer } from "node:net"
import { gracefulShutdownTimeout } from "./Startup.ts"

const metricsToken = Setting.optionalSecret({
  name: "HM_METRICS_TOKEN",
  doc: "When set, /metrics asks for it as bearer token."
})

export const settings: ReadonlyArray<Setting.Any> = [metricsToken]

const residentMemory = Metric.gauge("process_resident_memory_bytes", {
  description: "Resident memory of this process, in bytes"
})

const digest = (text: string) => createHash("sha256").update(text).digest()

const layerMetrics = HttpRouter.use(
  Effect.fnUntraced(function* (router) {
    const token = yield* metricsToken.config
    const expected = token === undefined ? undefined : digest(`Bearer ${Redacted.value(token)}`)
    yield* router.add("GET", "/metrics", (request) =>
      Effect.gen(function* () {
        const given = digest(request.headers.authorization ?? "")
        if (expected !== undefined && !timingSafeEqual(given, expected)) {
          return Problems.toResponse(Problems.unauthenticated)
        }
        yield* Metric.update(residentMemory, process.memoryUsage.rss())
        return HttpServerResponse.text(yield* PrometheusMetrics.format(), {
          contentType: "text/plain; version=0.0.4; charset=utf-8"
        })
      })
    )
  })
)

export const layer = Layer.mergeAll(Health.layer, layerMetrics)

/** A client that sends its head or body more slowly than this is cut off. */
const headersTimeoutMillis = 15_000
const requestTimeoutMillis = 60_000

/**
 * How long a connection without a request is kept. Longer than the 60 seconds of usual load balancers: with Node's 5 the
 * server closes a connection just as a request is sent over it, and the client sees a reset in place of an answer.
 */
const keepAliveTimeoutMillis = 65_000

/**
 * Connections that may wait to be accepted. Node's 511 is fewer than a burst of 1,000 clients: the rest would try again
 * after one second, then three.
 */
const backlog = 4_096

/**
 * Node accepts one connection of a listening socket in each turn of its loop. Under load a turn is long, and new
 * clients of a full server would wait for many seconds while those it knows are served again and again. Further
 * sockets on the same port (SO_REUSEPORT, where the system has it) let a turn accept as many.
 */
const furtherListeners = 63
const canReusePort = process.platform === "linux"

/**
 * With SO_REUSEPORT a second process of the same user listens on a taken port without an error, and its clients reach
 * either of the two. So whether a port is free is asked without it, just before.
 */
const requireFree = (listen: { readonly port: number; readonly host: string }) =>
  Effect.callback<void, ServeError>((resume) => {
    const probe = createNetServer()
    probe.once("error", (cause) => resume(Effect.fail(new ServeError({ cause }))))
    probe.listen(listen, () => probe.close(() => resume(Effect.void)))
  })

const acceptFaster = (node: Server) =>
  Effect.forEach(
    Array.from({ length: furtherListeners }),
    () =>
      Effect.acquireRelease(
        Effect.callback<NetServer>((resume) => {
          const address = node.address()
          const further = createNetServer((socket) => node.emit("connection", socket))
          further.once("error", () => resume(Effect.succeed(further)))
          if (typeof address !== "object" || address === null) return resume(Effect.succeed(further))
          further.listen({ host: address.address, port: address.port, backlog, reusePort: true }, () =>
            resume(Effect.succeed(further))
          )
        }),
        (further) => Effect.sync(() => void further.close())
      ),
    { discard: true }
  )

/**
 * Listens. When it stops, requests in flight have 8 seconds; then what is still open is closed.
 */
export const layerServer = (options: { readonly port: number; readonly host: string }) =>
  Layer.merge(
    Layer.effect(
      HttpServer.HttpServer,
      Effect.gen(function* () {
        const node = createServer({
          headersTimeout: headersTimeoutMillis,
          requestTimeout: requestTimeoutMillis,
          keepAliveTimeout: keepAliveTimeoutMillis
        })
        if (canReusePort && options.port !== 0) yield* requireFree(options)
        const server = yield* NodeHttpServer.make(() => node, {
          ...options,
          backlog,
          reusePort: canReusePort,
          gracefulShutdownTimeout
        })
        if (canReusePort) yield* acceptFaster(node)
        // Runs before the server waits for its connections, and after the requests had their time.
        yield* Effect.addFinalizer(() => Effect.sync(() => node.closeAllConnections()))
        return server
      })
    ),
    NodeHttpServer.layerHttpServices
  )
