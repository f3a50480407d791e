/**
 * The connections of an HTTP server and the requests on them, counted whichever listener accepted them, so that a
 * server that stops answers every request it has begun.
 */
import * as Effect from "effect/Effect"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Socket } from "node:net"

/**
 * How long an idle connection stays open after stopping begins. A request that crosses the signal on its way is
 * answered within it, and a load balancer that polls each second sees readiness fail.
 */
const idleGrace = "1 second"

/** How long requests in flight may go on after stopping begins; the promise is an exit within 10 seconds. */
const requestGraceMillis = 8_000
const idleGraceMillis = 1_000

export interface Connections {
  /**
   * Ends when every request whose head has arrived is answered, or after 8 seconds. Responses carry
   * `Connection: close` from now on. After 1 second `stopListening` runs and idle connections are closed.
   */
  readonly drain: (stopListening: Effect.Effect<void>) => Effect.Effect<void>
  /** Closes what is still open. */
  readonly closeAll: Effect.Effect<void>
}

/**
 * Follows the connections of a server. `node.close` does not: it counts those of one listener, and calls back while
 * connections of the further listeners still have requests in flight.
 */
export const follow = (node: Server): Connections => {
  const sockets = new Map<Socket, number>()
  const unsent = new Set<ServerResponse>()
  let inFlight = 0
  let isDraining = false
  let isClosingIdle = false
  let onIdle: () => void = () => undefined

  const closeWhenIdle = (socket: Socket) => {
    if (isClosingIdle && sockets.get(socket) === 0) socket.destroySoon()
  }
  node.on("connection", (socket: Socket) => {
    sockets.set(socket, 0)
    socket.once("close", () => sockets.delete(socket))
    closeWhenIdle(socket)
  })
  const begun = (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request
    inFlight++
    sockets.set(socket, (sockets.get(socket) ?? 0) + 1)
    unsent.add(response)
    if (isDraining) response.shouldKeepAlive = false
    response.once("close", () => {
      inFlight--
      unsent.delete(response)
      const left = sockets.get(socket)
      if (left !== undefined) sockets.set(socket, left - 1)
      closeWhenIdle(socket)
      if (inFlight === 0) onIdle()
    })
  }
  // First of the listeners: a request is counted before anything can answer it.
  node.prependListener("request", begun)
  node.prependListener("checkContinue", begun)

  const answered = Effect.callback<void>((resume) => {
    if (inFlight === 0) return resume(Effect.void)
    onIdle = () => resume(Effect.void)
  })
  return {
    drain: Effect.fnUntraced(function* (stopListening) {
      isDraining = true
      for (const response of unsent) if (!response.headersSent) response.shouldKeepAlive = false
      yield* Effect.sleep(idleGrace)
      yield* stopListening
      isClosingIdle = true
      for (const socket of sockets.keys()) closeWhenIdle(socket)
      yield* Effect.timeoutOrElse(answered, {
        duration: requestGraceMillis - idleGraceMillis,
        orElse: () => Effect.void
      })
    }),
    closeAll: Effect.sync(() => {
      for (const socket of sockets.keys()) socket.destroy()
    })
  }
}
