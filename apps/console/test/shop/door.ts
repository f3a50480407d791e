/** Makes things of the shop through the API, as its own server would. */
import { Effect } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"

/** Posts JSON with a key, and returns the body of the answer. A refusal is a defect of the test. */
export const post = Effect.fnUntraced(function* (
  secret: string,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {}
) {
  const answer = yield* HttpClient.execute(
    HttpClientRequest.post(path).pipe(
      HttpClientRequest.bearerToken(secret),
      HttpClientRequest.setHeaders(headers),
      HttpClientRequest.bodyJsonUnsafe(body)
    )
  )
  if (answer.status >= 300) return yield* Effect.die(new Error(`${path}: ${yield* answer.text}`))
  const made: unknown = answer.status === 204 ? undefined : yield* answer.json
  return made
})
