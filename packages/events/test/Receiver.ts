/** A receiver of webhooks in the test's process: answers by path, and keeps what it got. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Http from "node:http"
import * as Https from "node:https"
import * as SelfSigned from "./selfSigned.ts"

export interface Received {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export type Answer = (request: Received, response: Http.ServerResponse) => void

const headersOf = (headers: Http.IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))

export class Receiver extends Context.Service<
  Receiver,
  {
    readonly origin: string
    readonly port: number
    /** Of the same receiver over TLS, with a certificate that no authority has signed. */
    readonly securePort: number
    /** Sets the answer of a path. Without one the receiver answers 204. */
    readonly answer: (path: string, answer: Answer) => void
    /** Returns the requests of a path so far, oldest first. */
    readonly received: (path: string) => ReadonlyArray<Received>
  }
>()("@hypermarket/events/test/Receiver") {
  static readonly layer = Layer.effect(
    Receiver,
    Effect.gen(function* () {
      const all: Array<Received> = []
      const answers = new Map<string, Answer>()
      const listener: Http.RequestListener = (request, response) => {
        const chunks: Array<Buffer> = []
        request.on("data", (chunk: Buffer) => chunks.push(chunk))
        request.on("end", () => {
          const received = {
            path: request.url ?? "",
            headers: headersOf(request.headers),
            body: Buffer.concat(chunks).toString("utf8")
          }
          all.push(received)
          const answer = answers.get(received.path)
          if (answer === undefined) response.writeHead(204).end()
          else answer(received, response)
        })
      }
      const listen = Effect.fnUntraced(function* (server: Http.Server | Https.Server) {
        yield* Effect.acquireRelease(
          Effect.callback<void>((resume) => {
            server.listen(0, "127.0.0.1", () => resume(Effect.void))
          }),
          () =>
            Effect.callback<void>((resume) => {
              server.closeAllConnections()
              server.close(() => resume(Effect.void))
            })
        )
        const address = server.address()
        return typeof address === "object" && address !== null ? address.port : 0
      })
      const port = yield* listen(Http.createServer(listener))
      const secure = { cert: SelfSigned.certificate, key: SelfSigned.key }
      const securePort = yield* listen(Https.createServer(secure, listener))
      return {
        origin: `http://127.0.0.1:${port}`,
        port,
        securePort,
        answer: (path, answer) => void answers.set(path, answer),
        received: (path) => all.filter((received) => received.path === path)
      }
    })
  )
}
