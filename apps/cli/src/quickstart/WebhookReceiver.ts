/**
 * A partner's receiver of webhooks on this machine: it verifies with the `standardwebhooks` package, and fails once on purpose.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Http from "node:http"
import { Webhook } from "standardwebhooks"
import { failed } from "../CommandFailed.ts"

const host = "127.0.0.1"

/** A request as the receiver saw and answered it. */
export interface Received {
  readonly messageId: string
  readonly type: string
  /** 401 for a request that does not verify, 503 for the first that does, 204 for those that follow. */
  readonly status: number
}

export interface WebhookReceiver {
  readonly url: string
  /** Forgets what was received, and verifies what follows with the secret. */
  readonly expect: (secret: string) => Effect.Effect<void>
  readonly received: Effect.Effect<ReadonlyArray<Received>>
}

const decodeEvent = Schema.decodeUnknownSync(Schema.Struct({ type: Schema.String }))

const isVerified = (secret: string, body: string, headers: Http.IncomingHttpHeaders): boolean => {
  try {
    new Webhook(secret).verify(
      body,
      Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
    )
    return true
  } catch {
    return false
  }
}

const make = Effect.gen(function* () {
  const received: Array<Received> = []
  let secret = ""
  const answer = (request: Http.IncomingMessage, body: string): number => {
    if (!isVerified(secret, body, request.headers)) return 401
    const status = received.some((earlier) => earlier.status === 503) ? 204 : 503
    const { type } = decodeEvent(JSON.parse(body))
    received.push({ messageId: String(request.headers["webhook-id"]), type, status })
    return status
  }
  const server = Http.createServer((request, response) => {
    const chunks: Array<Buffer> = []
    request.on("data", (chunk: Buffer) => chunks.push(chunk))
    request.on("end", () => response.writeHead(answer(request, Buffer.concat(chunks).toString())).end())
  })
  yield* Effect.acquireRelease(
    Effect.callback<void, ReturnType<typeof failed>>((resume) => {
      server.once("error", (error) =>
        resume(Effect.fail(failed(`Cannot listen on ${host}: ${error.message}`)))
      )
      server.listen(0, host, () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  )
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const receiver: WebhookReceiver = {
    url: `http://${host}:${port}/hooks`,
    expect: (next) =>
      Effect.sync(() => {
        received.length = 0
        secret = next
      }),
    received: Effect.sync(() => [...received])
  }
  return { receiver, allowed: `${host}/32:${port}` }
})

/** Runs an effect with a receiver that the API and the worker may deliver to. */
export const provide = <A, E, R>(use: (receiver: WebhookReceiver) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { allowed, receiver } = yield* make
    const environment = yield* ConfigProvider.ConfigProvider
    const others = yield* Config.String("HM_OUTBOUND_ALLOW").pipe(Config.withDefault(""))
    const list = [others, allowed].filter((entry) => entry.trim() !== "").join(",")
    return yield* Effect.provideService(
      use(receiver),
      ConfigProvider.ConfigProvider,
      ConfigProvider.orElse(ConfigProvider.fromUnknown({ HM_OUTBOUND_ALLOW: list }), environment)
    )
  })
