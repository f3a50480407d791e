/** Calls of the notifications' API that the quickstart makes for more than one tenant. */
import { Explanation } from "@hypermarket/notifications/Notification"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { Address } from "../ApiClient.ts"
import { failed } from "../CommandFailed.ts"

/** A busy machine sheds load; each of these calls may be sent twice. */
const busy = Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: "30 seconds" }))

const send = Effect.fnUntraced(function* (
  { apiKey, apiUrl }: Address,
  method: "GET" | "POST",
  path: string,
  body?: Schema.Json
) {
  const client = yield* HttpClient
  const request = HttpClientRequest.make(method)(`${apiUrl}/v1/notifications/${path}`).pipe(
    HttpClientRequest.bearerToken(apiKey)
  )
  return yield* client
    .execute(body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, body))
    .pipe(Effect.repeat({ while: ({ status }) => status === 503, schedule: busy }))
})

const accepted = Effect.fnUntraced(function* (path: string, answer: HttpClientResponse.HttpClientResponse) {
  return answer.status < 300
    ? answer
    : yield* failed(`POST /v1/notifications/${path} answered ${answer.status}: ${yield* answer.text}`)
})

/** Posts, and fails unless it is a success. */
export const post = (address: Address, path: string, body: Schema.Json) =>
  Effect.flatMap(send(address, "POST", path, body), (answer) => accepted(path, answer))

/** Publishes the first version of a template, once. */
export const publish = Effect.fnUntraced(function* (
  address: Address,
  template: string,
  contents: Schema.Json,
  more: { readonly [name: string]: Schema.Json } = {}
) {
  const existing = yield* send(address, "GET", `templates/${template}/versions/1`)
  if (existing.status === 404) yield* post(address, "templates", { template, contents, ...more })
  yield* post(address, `templates/${template}/versions/1/publish`, {})
})

const Explained = Schema.Struct({ items: Schema.Array(Explanation) })

/** The worker expands and sends within some tens of milliseconds; a slow machine needs seconds. */
const patience = "30 seconds"

const open: ReadonlyArray<string> = ["pending", "leased", "sending"]

/** Waits until a message has an outcome, and returns it. */
export const outcome = Effect.fnUntraced(function* (address: Address, key: string, customer: string) {
  const path = "triggers/explain"
  const explain = Effect.gen(function* () {
    const answer = yield* send(address, "POST", path, { key, to: { customer } })
    // The fact that triggers it may not be handled yet.
    if (answer.status === 404) return undefined
    const { items } = yield* HttpClientResponse.schemaBodyJson(Explained)(yield* accepted(path, answer))
    return items[0]
  })
  const explanation = yield* explain.pipe(
    Effect.repeat({
      until: (found) => found !== undefined && !open.includes(found.state),
      schedule: Schedule.spaced("50 millis").pipe(Schedule.upTo({ duration: patience }))
    }),
    Effect.andThen(explain)
  )
  return { state: explanation?.state ?? "none", reason: explanation?.reason ?? null }
})
