/**
 * The HTTP server of a process: its listeners, its limits on slow clients, and how it stops.
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import { ServeError } from "effect/http/HttpServerError"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { createServer as createNetServer, type Server as NetServer } from "node:net"
import * as Connections from "./Connections.ts"
import * as RefusedHeads from "./RefusedHeads.ts"

/** A client that sends its head more slowly than this is cut off. */
const headersTimeoutMillis = 15_000

/** A request that has not arrived whole by then is cut off. Longer than the limit on reading a body, which answers. */
const requestTimeoutMillis = 90_000

/** How often Node looks for such clients; with its 30 seconds a head of 15 seconds lives for 45. */
const connectionsCheckingIntervalMillis = 1_000

/**
 * How long an idle connection is kept. Longer than the 60 seconds of usual load balancers. With Node's default of 5 seconds
 * the server may close a connection just as a request is sent over it, and the client sees a reset.
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

const closeListener = (listener: NetServer) =>
  Effect.sync(() => void (listener.listening && listener.close()))

const acceptFaster = (node: Server) =>
  Effect.forEach(Array.from({ length: furtherListeners }), () =>
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
      closeListener
    )
  )

/** Requests that wait for the routes: as many as the API has in flight. */
const earlyMax = 2_048

/**
 * Keeps requests that arrive before the routes are there: without a listener Node would read them and answer none. The
 * returned function hands them to the listeners that `attach` has added. Above {@link earlyMax} a request is answered
 * with 503.
 */
const holdEarly = (node: Server) => {
  const early: Array<readonly [IncomingMessage, ServerResponse]> = []
  const hold = (request: IncomingMessage, response: ServerResponse) => {
    if (early.length < earlyMax) early.push([request, response])
    else response.writeHead(503, { "retry-after": "1", connection: "close" }).end()
  }
  node.on("request", hold)
  return <E, R>(attach: Effect.Effect<void, E, R>) =>
    Effect.suspend(() => {
      const before = new Set(node.listeners("request"))
      return Effect.map(attach, () => {
        node.off("request", hold)
        const added = node.listeners("request").filter((listener) => !before.has(listener))
        for (const request of early.splice(0)) {
          for (const listener of added) Reflect.apply(listener, node, request)
        }
      })
    })
}

/**
 * Listens. When it stops, requests in flight have 8 seconds, and idle connections 1 second; then what is still open is
 * closed.
 */
export const layer = (options: { readonly port: number; readonly host: string }) =>
  Layer.merge(
    Layer.effect(
      HttpServer.HttpServer,
      Effect.gen(function* () {
        const node = createServer({
          connectionsCheckingInterval: connectionsCheckingIntervalMillis,
          headersTimeout: headersTimeoutMillis,
          requestTimeout: requestTimeoutMillis,
          keepAliveTimeout: keepAliveTimeoutMillis,
          // Node's own answer is none of ours: ApiServer refuses a request without a host.
          requireHostHeader: false
        })
        const connections = Connections.follow(node)
        RefusedHeads.answer(node)
        const withEarly = holdEarly(node)
        if (canReusePort && options.port !== 0) yield* requireFree(options)
        const server = yield* NodeHttpServer.make(() => node, {
          ...options,
          backlog,
          reusePort: canReusePort,
          disablePreemptiveShutdown: true
        })
        const further = canReusePort ? yield* acceptFaster(node) : []
        const stopListening = Effect.forEach([node, ...further], closeListener, { discard: true })
        // Runs before the server waits for its own connections.
        yield* Effect.addFinalizer(() => connections.closeAll)
        return HttpServer.make({
          address: server.address,
          serve: (app, middleware) =>
            Effect.andThen(
              withEarly(middleware === undefined ? server.serve(app) : server.serve(app, middleware)),
              // Runs before the requests are interrupted.
              Effect.flatMap(Effect.scope, (scope) =>
                Scope.addFinalizer(scope, connections.drain(stopListening))
              )
            )
        })
      })
    ),
    NodeHttpServer.layerHttpServices
  )
