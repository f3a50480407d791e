/** A receiver that fails at random, and counts what it accepted. */
import type { Chance } from "@hypermarket/soak/Chance"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"

const failureProbability = 0.25

export interface FlakyReceiver {
  readonly port: number
  /** Requests by path and `webhook-id` that were answered with 204. */
  readonly accepted: ReadonlySet<string>
  /** Requests for what it had accepted already, by path. */
  readonly repeated: ReadonlyMap<string, number>
  readonly requests: () => number
}

/** The path whose requests all fail. */
export const brokenPath = "/broken"

export const make = Effect.fnUntraced(function* (chance: Chance) {
  const accepted = new Set<string>()
  const repeated = new Map<string, number>()
  let requests = 0
  const server = createServer((request, response) => {
    request.resume()
    request.once("end", () => {
      requests++
      const path = request.url ?? "/"
      const name = `${path} ${String(request.headers["webhook-id"])}`
      if (accepted.has(name)) repeated.set(path, (repeated.get(path) ?? 0) + 1)
      if (path === brokenPath || chance.happens(failureProbability)) {
        // A connection that ends without an answer, or an answer that is no success.
        if (chance.happens(0.5)) return void request.socket.destroy()
        return void response.writeHead(chance.pick([500, 502, 302])).end()
      }
      accepted.add(name)
      response.writeHead(204).end()
    })
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  )
  const receiver: FlakyReceiver = { port, accepted, repeated, requests: () => requests }
  return receiver
})
