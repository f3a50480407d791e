/**
 * Receivers of outbound requests, on addresses of the loopback network.
 */
import { Deferred, Effect } from "effect"
import * as Http from "node:http"
import * as Https from "node:https"
import { certificate, certificateKey } from "./outboundCertificates.ts"

export interface Receiver {
  readonly port: number
  readonly requests: Array<{
    readonly url: string
    readonly headers: Http.IncomingHttpHeaders
    readonly body: string
  }>
  /** Connections that were accepted, requests or not. */
  readonly connections: () => number
  /** Completes with the first request's head. */
  readonly arrived: Deferred.Deferred<void>
}

type Answer = (response: Http.ServerResponse, request: Http.IncomingMessage) => void

/** Listens until the scope closes. The same port on two addresses makes two receivers of one URL. */
export const receiver = Effect.fnUntraced(function* (options: {
  readonly address: string
  readonly port?: number
  readonly isSecure?: boolean
  readonly answer?: Answer
}) {
  const arrived = yield* Deferred.make<void>()
  const requests: Array<Receiver["requests"][number]> = []
  const answer: Answer = options.answer ?? ((response) => response.end("ok"))
  const listener: Http.RequestListener = (request, response) => {
    const chunks: Array<Buffer> = []
    Deferred.doneUnsafe(arrived, Effect.void)
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => {
      requests.push({
        url: request.url ?? "",
        headers: request.headers,
        body: Buffer.concat(chunks).toString()
      })
      answer(response, request)
    })
  }
  const server =
    options.isSecure === true
      ? Https.createServer({ cert: certificate, key: certificateKey }, listener)
      : Http.createServer(listener)
  let connections = 0
  server.on("connection", () => {
    connections++
  })
  const port = yield* Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen({ host: options.address, port: options.port ?? 0 }, () => {
        const address = server.address()
        if (typeof address === "object" && address !== null) resume(Effect.succeed(address.port))
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  )
  const result: Receiver = { port, requests, connections: () => connections, arrived }
  return result
})
