/** Endpoints and deliveries of these tests. */
import { assert } from "@effect/vitest"
import { AllTenants } from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import type { EndpointId, NewWebhook } from "@hypermarket/events/Webhook"
import { Webhooks } from "@hypermarket/events/Webhooks"
import { Effect } from "effect"
import { type Received, Receiver } from "./Receiver.ts"

export const asAll = Effect.provideService(AllTenants, { actor: "test" })

export const idOf = (received: Received): string => JSON.parse(received.body).id

export const publish = (...ids: ReadonlyArray<string>) =>
  Effect.flatMap(Events, (events) =>
    events.publish(ids.map((id) => ({ id, type: "com.example.made", data: 1 })))
  )

export const make = Effect.fnUntraced(function* (
  path: string,
  options: Omit<typeof NewWebhook.Type, "url"> = {}
) {
  const receiver = yield* Receiver
  const webhooks = yield* Webhooks
  return yield* webhooks.create({ url: `${receiver.origin}${path}`, ...options })
})

export const only = (endpointId: EndpointId) =>
  Effect.gen(function* () {
    const webhooks = yield* Webhooks
    const { items } = yield* webhooks.deliveries({ endpointId })
    assert.lengthOf(items, 1)
    const [item] = items
    if (item === undefined) return yield* Effect.die("no delivery")
    return item
  })

/** Makes a path answer with a status, and returns what ends that. */
export const failing = (
  receiver: Receiver["Service"],
  path: string,
  status: number,
  headers: Record<string, string> = {}
) => {
  let isFailing = true
  receiver.answer(path, (_request, response) =>
    isFailing
      ? response.writeHead(status, headers).end("no\u0000 \ud83d\ude00")
      : response.writeHead(200).end()
  )
  return () => {
    isFailing = false
  }
}
