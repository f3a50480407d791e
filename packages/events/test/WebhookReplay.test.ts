import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { Events } from "@hypermarket/events/Events"
import * as WebhookOverview from "@hypermarket/events/WebhookOverview"
import { Webhooks } from "@hypermarket/events/Webhooks"
import { WebhookSender } from "@hypermarket/events/WebhookSender"
import { DateTime, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Receiver } from "./Receiver.ts"
import * as Fixture from "./webhookFixture.ts"
import { asAll, idOf, publish, make, only } from "./webhookDeliveries.ts"

layer(Fixture.layer, { excludeTestServices: true })("A delivery, when it is repeated", (it) => {
  it.effect("is sent again by a replay since a time or by its id, with the same webhook-id", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      const start = yield* Now.now
      const { endpointId } = yield* make("/replayed")
      yield* publish("1")
      yield* time.adjust("1 hour")
      const since = DateTime.fromDateUnsafe(yield* Now.now)
      yield* publish("2", "3")
      yield* Fixture.drain
      assert.strictEqual(yield* webhooks.replay({ endpointId, since }), 0)
      assert.strictEqual(yield* webhooks.replay({ endpointId, since, state: "delivered" }), 2)
      yield* Fixture.drain
      assert.deepStrictEqual(receiver.received("/replayed").map(idOf), ["1", "2", "3", "2", "3"])
      const [oldest] = (yield* webhooks.deliveries({ endpointId })).items.toReversed()
      assert.isDefined(oldest)
      if (oldest === undefined) return
      assert.strictEqual(yield* webhooks.replay({ endpointId, deliveryIds: [oldest.deliveryId] }), 1)
      yield* Fixture.drain
      const requests = receiver.received("/replayed")
      assert.deepStrictEqual(
        requests.map(({ headers }) => headers["webhook-id"])[5],
        requests[0]?.headers["webhook-id"]
      )
      assert.strictEqual(requests[5]?.body, requests[0]?.body)
      yield* time.set(start)
    }).pipe(Fixture.as("replayed"))
  )

  it.effect("in order waits for the earlier ones of its subject, and for no other", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const receiver = yield* Receiver
      const events = yield* Events
      const start = yield* Now.now
      yield* make("/ordered", { ordered: true })
      let isFailing = true
      receiver.answer("/ordered", (request, response) =>
        response.writeHead(isFailing && idOf(request) === "a1" ? 500 : 204).end()
      )
      const event = (id: string, subject: string) => ({ id, subject, type: "com.example.made" })
      yield* events.publish([event("a1", "a"), event("a2", "a"), event("b1", "b"), event("a3", "a")])
      yield* Fixture.drain
      assert.deepStrictEqual(receiver.received("/ordered").map(idOf), ["a1", "b1"])
      isFailing = false
      yield* time.adjust("10 seconds")
      yield* Fixture.drain
      assert.deepStrictEqual(receiver.received("/ordered").map(idOf), ["a1", "b1", "a1", "a2", "a3"])
      yield* time.set(start)
    }).pipe(Fixture.as("ordered"))
  )

  it.effect("whose worker is lost counts as a failed attempt, so that none is tried for ever", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const sql = yield* SqlClient.SqlClient
      const sender = yield* WebhookSender
      const start = yield* Now.now
      const { endpointId } = yield* make("/lost")
      yield* publish("1")
      for (let attempt = 1; attempt <= 10; attempt++) {
        yield* sender.dispatch
        yield* sql`
          UPDATE hm_webhook_delivery
             SET sends = sends + 1, started_at = ${yield* Now.now}
           WHERE tenant_id = 'lost' AND state = 'sending'
        `
        yield* sql`
          DELETE FROM hm_event_queue
           WHERE tenant_id = 'lost'
        `
        yield* time.adjust("2 minutes")
        yield* asAll(sender.sweep)
      }
      assert.deepInclude(yield* only(endpointId), {
        state: "dead",
        attempts: 10,
        lastError: "The worker was lost during the attempt"
      })
      yield* time.set(start)
    }).pipe(Fixture.as("lost"))
  )

  it.effect("whose secret cannot be opened sends nothing, says so, and is tried by the schedule", () =>
    Effect.gen(function* () {
      const receiver = yield* Receiver
      const sql = yield* SqlClient.SqlClient
      const { endpointId } = yield* make("/sealed")
      yield* sql`
        UPDATE hm_webhook_secret
           SET sealed = sealed || 'x'::bytea
         WHERE tenant_id = 'sealed'
      `
      yield* publish("1")
      yield* Fixture.drain
      const { attempts, lastError, state } = yield* only(endpointId)
      assert.deepStrictEqual([state, attempts], ["waiting", 1])
      assert.include(lastError, "The secret of the endpoint cannot be opened")
      assert.lengthOf(receiver.received("/sealed"), 0)
    }).pipe(Fixture.as("sealed"))
  )

  it.effect("is shown in the timeline of its order", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* make("/timeline")
      yield* publish("1")
      yield* Fixture.drain
      yield* sql`
        UPDATE hm_webhook_message
           SET type = 'com.hypermarket.shop.order.placed.v1', subject = 'o-1'
         WHERE tenant_id = 'timeline'
      `
      const request = { before: undefined, limit: 10 }
      const items = yield* WebhookOverview.timeline({ ...request, subject: { kind: "order", id: "o-1" } })
      assert.deepStrictEqual(
        items.map(({ kind }) => kind),
        ["webhook.delivered"]
      )
      const other = yield* WebhookOverview.timeline({ ...request, subject: { kind: "seller", id: "o-1" } })
      assert.deepStrictEqual(other, [])
    }).pipe(Fixture.as("timeline"))
  )

  it.effect("of a retained event goes to an endpoint that is made weeks later, in order, once", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      const sender = yield* WebhookSender
      const events = yield* Events
      const start = yield* Now.now
      const since = DateTime.fromDateUnsafe(start)
      const send = (id: string, type: string) => events.publish([{ id, type, data: 1 }])
      assert.deepInclude(yield* webhooks.retention, { types: [], version: 0 })
      yield* send("before", "com.example.order.placed")
      yield* webhooks.retain(0, { types: ["com.example.order.", "com.example.paid"] })
      yield* make("/early-bird")
      yield* send("1", "com.example.order.placed")
      yield* send("2", "com.example.product.changed")
      yield* send("3", "com.example.paid")
      yield* send("4", "com.example.order.shipped")
      yield* send("5", "com.example.paid.twice")
      yield* Fixture.drain
      yield* time.adjust("40 days")
      // The message of the first endpoint is gone by now.
      yield* asAll(sender.prune)
      const filters = [{ prefix: { type: "com.example.order." } }]
      const { endpointId } = yield* make("/late-comer", { filters })
      const { endpointId: all } = yield* make("/late-too")
      assert.strictEqual(yield* webhooks.backfill({ endpointId, since }), 2)
      assert.strictEqual(yield* webhooks.backfill({ endpointId: all, since, until: since }), 0)
      assert.strictEqual(yield* webhooks.backfill({ endpointId: all, since }), 3)
      yield* Fixture.drain
      assert.strictEqual(yield* webhooks.backfill({ endpointId, since }), 0)
      const idsOf = (path: string) => receiver.received(path).map(({ headers }) => headers["webhook-id"])
      assert.deepStrictEqual(receiver.received("/late-comer").map(idOf), ["1", "4"])
      assert.deepStrictEqual(receiver.received("/late-too").map(idOf), ["1", "3", "4"])
      const ids = new Set(idsOf("/early-bird"))
      assert.isTrue(idsOf("/late-comer").every((id) => ids.has(id)))
      const stale = yield* Effect.flip(webhooks.retain(0, { types: [] }))
      assert.deepInclude(stale, { _tag: "VersionStale", currentVersion: 1 })
      yield* webhooks.retain(1, { types: [] })
      yield* webhooks.pause(endpointId)
      yield* send("6", "com.example.order.placed")
      const { endpointId: last } = yield* make("/last")
      assert.strictEqual(yield* webhooks.backfill({ endpointId: last, since }), 3)
      yield* time.set(start)
    }).pipe(Fixture.as("retained"))
  )

  it.effect("is deleted 30 days after its end, with its message; one that waits is kept", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const sender = yield* WebhookSender
      const sql = yield* SqlClient.SqlClient
      const start = yield* Now.now
      const { endpointId } = yield* make("/pruned")
      yield* publish("1")
      yield* Fixture.drain
      yield* publish("2")
      yield* time.adjust("31 days")
      yield* asAll(sender.prune)
      assert.deepInclude(yield* only(endpointId), { eventId: "2", state: "waiting" })
      const messages = yield* sql`
        SELECT 1
          FROM hm_webhook_message
         WHERE tenant_id = 'pruned'
      `
      assert.lengthOf(messages, 1)
      yield* time.set(start)
    }).pipe(Fixture.as("pruned"))
  )
})
