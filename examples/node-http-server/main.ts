/** API keys for a server of one's own: plain `node:http`, with `@hypermarket/platform` asking who is calling. */
import * as AccessScope from "@hypermarket/core/AccessScope"
import { Credentials } from "@hypermarket/core/Credentials"
import * as Database from "@hypermarket/core/Database"
import * as KeyCredentials from "@hypermarket/platform/KeyCredentials"
import { Effect, Layer, ManagedRuntime, Option, Redacted } from "effect"
import { createServer } from "node:http"

const runtime = ManagedRuntime.make(KeyCredentials.layer.pipe(Layer.provide(Database.layerConfig)))

const authenticate = (authorization: string | undefined) =>
  runtime.runPromise(
    Effect.flatMap(Credentials, (credentials) =>
      credentials.authenticate(Redacted.make((authorization ?? "").replace(/^Bearer /, "")))
    )
  )

const server = createServer(async (request, response) => {
  const answer = (status: number, body: unknown) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  try {
    const caller = await authenticate(request.headers.authorization)
    if (Option.isNone(caller)) return answer(401, { error: "no such key" })
    if (!AccessScope.includes(caller.value.scopes, "orders:read"))
      return answer(403, { error: "the key lacks orders:read" })
    return answer(200, { tenant: Option.getOrNull(caller.value.tenantId), orders: [] })
  } catch (error) {
    console.error(error)
    return answer(503, { error: "try again" })
  }
})

server.listen(Number(process.env["PORT"] ?? 8080), "127.0.0.1", () =>
  console.log(JSON.stringify(server.address()))
)
process.once("SIGTERM", () => server.close(() => void runtime.dispose()))
