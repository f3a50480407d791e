import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants } from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import * as WebhookHold from "@hypermarket/events/internal/webhookHold"
import * as WebhookOverview from "@hypermarket/events/WebhookOverview"
import { Webhooks } from "@hypermarket/events/Webhooks"
import { WebhookSender } from "@hypermarket/events/WebhookSender"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Receiver } from "./Receiver.ts"
import * as Fixture from "./webhookFixture.ts"

const asAll = Effect.provideService(AllTenants, { actor: "test" })

const prune = Effect.flatMap(WebhookSender, (sender) => asAll(sender.prune))

const publish = (...ids: ReadonlyArray<string>) =>
  Effect.flatMap(Events, (events) => events.publish(ids.map((id) => ({ id, type: "com.example.made" }))))

const make = Effect.fnUntraced(function* (path: string) {
  const receiver = yield* Receiver
  const webhooks = yield* Webhooks
  return yield* webhooks.create({ url: `${receiver.origin}${path}` })
})

const tooOld = "Held for 30 days while the endpoint was paused or disabled"
const tooMany = "More than 100,000 deliveries were held while the endpoint was paused or disabled"

layer(Fixture.layer, { excludeTestServices: true })("A held delivery", (it) => {
  it.effect("is dead with its reason after 30 days, which enabling leaves alone and a replay sends", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      const start = yield* Now.now
      receiver.answer("/held", (_request, response) => response.writeHead(410).end())
      const { endpointId } = yield* make("/held")
      const { endpointId: busy } = yield* make("/busy")
      yield* publish("7")
      yield* Fixture.drain
      assert.deepInclude(yield* webhooks.get(endpointId), { status: "disabled", waiting: 1 })
      yield* time.adjust("19 days")
      yield* publish("8")
      yield* time.adjust("12 days")
      yield* prune
      const { items } = yield* webhooks.deliveries({ endpointId })
      assert.deepStrictEqual(
        items.map(({ eventId, lastError, state }) => [eventId, state, lastError]),
        [
          ["8", "waiting", null],
          ["7", "dead", tooOld]
        ]
      )
      // One that waits for a free slot of an enabled endpoint is not held.
      assert.deepInclude((yield* webhooks.deliveries({ endpointId: busy, state: "waiting" })).items[0], {
        eventId: "8"
      })
      receiver.answer("/held", (_request, response) => response.writeHead(204).end())
      const before = receiver.received("/held").length
      const received = () =>
        receiver
          .received("/held")
          .slice(before)
          .map(({ body }): string => JSON.parse(body).id)
      yield* webhooks.enable(endpointId)
      yield* Fixture.drain
      assert.deepStrictEqual(received(), ["8"])
      const deliveryIds = items.slice(1).map(({ deliveryId }) => deliveryId)
      assert.strictEqual(yield* webhooks.replay({ endpointId, deliveryIds }), 1)
      yield* Fixture.drain
      assert.deepStrictEqual(received(), ["8", "7"])
      yield* time.set(start)
    }).pipe(Fixture.as("held"))
  )

  it.effect("is dead with its reason when its endpoint has more than the maximum, the oldest first", () =>
    Effect.gen(function* () {
      const webhooks = yield* Webhooks
      const sql = yield* SqlClient.SqlClient
      const { endpointId } = yield* make("/many")
      const { endpointId: other } = yield* make("/others")
      yield* webhooks.pause(endpointId)
      yield* publish(...Array.from({ length: 9 }, (_, n) => `n${n}`))
      const end = Effect.flatMap(Now.now, (now) => WebhookHold.end(sql, now, 5))
      yield* end
      yield* end
      const { items } = yield* webhooks.deliveries({ endpointId, state: "dead" })
      assert.deepStrictEqual(
        items.map(({ eventId, lastError }) => [eventId, lastError]),
        ["n3", "n2", "n1", "n0"].map((eventId) => [eventId, tooMany])
      )
      assert.deepInclude(yield* webhooks.get(endpointId), { waiting: 5 })
      assert.deepInclude(yield* webhooks.get(other), { waiting: 9 })
    }).pipe(Fixture.as("many"))
  )
})

layer(Fixture.layer, { excludeTestServices: true })("A late delivery", (it) => {
  it.effect("is named by doctor and in the alerts of its tenant, until it is sent", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const start = yield* Now.now
      const { endpointId } = yield* make("/late")
      yield* publish("1", "2", "3")
      const check = Effect.map(WebhookOverview.check.run, (findings) =>
        findings.map(({ message, status }) => `${status} ${message}`)
      )
      const healthy = ["ok webhook endpoints are healthy, no delivery is late"]
      yield* time.adjust("5 seconds")
      assert.deepStrictEqual(yield* WebhookOverview.alerts, [])
      assert.deepStrictEqual(yield* check, healthy)
      yield* time.adjust("1 minute")
      const [alert, ...others] = yield* WebhookOverview.alerts
      assert.deepStrictEqual(others, [])
      assert.deepInclude(alert, {
        kind: "webhook.late",
        severity: "warning",
        subject: endpointId,
        value: 3
      })
      const webhooks = yield* Webhooks
      const oldest = (yield* webhooks.deliveries({ endpointId })).items.at(-1)
      assert.strictEqual(alert?.since?.epochMilliseconds, oldest?.nextAt?.epochMilliseconds)
      assert.deepStrictEqual(yield* check, [
        "warn deliveries of 1 webhook endpoints are due for more than a minute"
      ])
      assert.deepStrictEqual(yield* Fixture.as("other")(WebhookOverview.alerts), [])
      yield* Fixture.drain
      assert.deepStrictEqual(yield* WebhookOverview.alerts, [])
      assert.deepStrictEqual(yield* check, healthy)
      yield* time.set(start)
    }).pipe(Fixture.as("late"))
  )
})
