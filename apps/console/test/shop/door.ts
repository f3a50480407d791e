/** Makes things of the shop through the API, as its own server would. */
import { Effect, identity, Schedule } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"

type Headers = Readonly<Record<string, string>>

const send = Effect.fnUntraced(function* (
  method: "POST" | "PUT",
  secret: string,
  path: string,
  body: unknown,
  headers: Headers
) {
  const answer = yield* HttpClient.execute(
    HttpClientRequest.make(method)(path).pipe(
      HttpClientRequest.bearerToken(secret),
      HttpClientRequest.setHeaders({ "idempotency-key": crypto.randomUUID(), ...headers }),
      body === undefined ? identity : HttpClientRequest.bodyJsonUnsafe(body)
    )
    // On a machine that is busy a request may pass its deadline.
  ).pipe(Effect.repeat({ while: ({ status }) => status === 503, schedule: Schedule.spaced("1 second") }))
  if (answer.status >= 300) return yield* Effect.die(new Error(`${path}: ${yield* answer.text}`))
  const made: unknown = answer.status === 204 ? undefined : yield* answer.json
  return made
})

/** Posts JSON with a key, and returns the body of the answer. A refusal is a defect of the test. */
export const post = (secret: string, path: string, body: unknown, headers: Headers = {}) =>
  send("POST", secret, path, body, headers)

export const put = (secret: string, path: string, body: unknown, headers: Headers = {}) =>
  send("PUT", secret, path, body, headers)
