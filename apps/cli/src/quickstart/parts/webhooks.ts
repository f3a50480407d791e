/** Webhooks: an order's event posted to a receiver on this machine, which fails once; the replay arrives. */
import * as Page from "@hypermarket/core/Page"
import { IssuedWebhook, WebhookEndpoint } from "@hypermarket/events/Webhook"
import { WebhookDelivery } from "@hypermarket/events/WebhookDelivery"
import * as Effect from "effect/Effect"
import { HttpClient } from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { failed } from "../../CommandFailed.ts"
import type { Installation, Part } from "../Part.ts"

const type = "com.example.order.packed"
const description = "Quickstart"

const send = Effect.fnUntraced(function* (
  { apiKey, apiUrl }: Installation,
  method: "GET" | "POST" | "PATCH",
  path: string,
  body?: Schema.Json,
  headers: Readonly<Record<string, string>> = {}
) {
  const client = yield* HttpClient
  const request = HttpClientRequest.make(method)(`${apiUrl}/v1/events${path}`).pipe(
    HttpClientRequest.bearerToken(apiKey)
  )
  const withBody = body === undefined ? request : HttpClientRequest.bodyJsonUnsafe(request, body)
  // After the body, which brings a content type.
  const answer = yield* client.execute(HttpClientRequest.setHeaders(withBody, headers))
  return answer.status < 300
    ? answer
    : yield* failed(`${method} /v1/events${path} answered ${answer.status}: ${yield* answer.text}`)
})

const Receipts = Schema.Struct({ items: Schema.Array(Schema.Struct({ state: Schema.String })) })

/** The endpoint of the receiver, which has another port and needs a secret each time. */
const ensureEndpoint = Effect.fnUntraced(function* (installation: Installation) {
  const { receiver } = installation
  const { items } = yield* send(installation, "GET", "/webhooks").pipe(
    Effect.flatMap(HttpClientResponse.schemaBodyJson(Page.schema(WebhookEndpoint)))
  )
  const existing = items.find((endpoint) => endpoint.description === description)
  const issued =
    existing === undefined
      ? send(installation, "POST", "/webhooks", {
          url: receiver.url,
          description,
          filters: [{ exact: { type } }]
        })
      : Effect.andThen(
          send(
            installation,
            "PATCH",
            `/webhooks/${existing.endpointId}`,
            { url: receiver.url },
            { "if-match": `"${existing.version}"` }
          ),
          send(installation, "POST", `/webhooks/${existing.endpointId}/rotate`, { revoke: true })
        )
  const { endpointId, secret } = yield* Effect.flatMap(
    issued,
    HttpClientResponse.schemaBodyJson(IssuedWebhook)
  )
  yield* receiver.expect(secret ?? "")
  return endpointId
})

/** An attempt takes milliseconds; a worker that is busy gets time. */
const attemptWait = "20 seconds"

export const webhooks: Part = {
  domain: "webhooks",
  title: "Webhooks",
  run: Effect.fnUntraced(function* (installation) {
    const { receiver } = installation
    const endpointId = yield* ensureEndpoint(installation)
    const path = `/webhooks/${endpointId}`
    const delivery = send(installation, "GET", `${path}/deliveries?limit=1`).pipe(
      Effect.flatMap(HttpClientResponse.schemaBodyJson(Page.schema(WebhookDelivery))),
      Effect.map(({ items }) => items[0])
    )
    /** Waits until the last delivery has the state and the receiver has that count of requests. */
    const until = (state: WebhookDelivery["state"], requests: number) =>
      Effect.gen(function* () {
        const current = yield* delivery
        const received = yield* receiver.received
        return current?.state === state && received.length >= requests ? current : undefined
      }).pipe(
        Effect.repeat({ until: (current) => current !== undefined, schedule: Schedule.spaced("20 millis") }),
        Effect.timeoutOrElse({
          duration: attemptWait,
          orElse: () => failed(`The webhook was not ${state} within ${attemptWait}`)
        })
      )
    const replay = (body: Schema.Json) => send(installation, "POST", `${path}/replay`, body)

    const event = { id: "quickstart/order-1/packed", source: "/shop", type, data: { orderId: "order-1" } }
    const published = yield* send(installation, "POST", "", event, {
      "content-type": "application/cloudevents+json"
    })
    const { items } = yield* HttpClientResponse.schemaBodyJson(Receipts)(published)
    // A quickstart that has run before has published and delivered it.
    if (items[0]?.state === "duplicate") {
      const last = yield* delivery
      if (last !== undefined) yield* replay({ deliveryIds: [last.deliveryId] })
    }
    const failedOnce = yield* until("waiting", 1)
    if (failedOnce !== undefined) yield* replay({ deliveryIds: [failedOnce.deliveryId] })
    yield* until("delivered", 2)
    const received = yield* receiver.received
    const ids = new Set(received.map(({ messageId }) => messageId))
    return {
      figures: {
        type,
        verified: received.length,
        answers: received.map(({ status }) => status),
        ids: ids.size
      },
      screen: [
        `Signed and verified: ${received[0]?.status} on purpose, then ${received[1]?.status} by a replay with the same webhook-id`
      ],
      lines: [
        `One event posted to a receiver on this machine, which verified it with the package standardwebhooks`,
        `First attempt: ${received[0]?.status}, on purpose; replayed with the same webhook-id: ${received[1]?.status}`
      ],
      next: [
        `curl -H "Authorization: Bearer $HM_API_KEY" $HM_API_URL/v1/events/webhooks/${endpointId}/deliveries`
      ]
    }
  })
}
