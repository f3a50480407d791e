import { assert, layer } from "@effect/vitest"
import * as Api from "@hypermarket/core/Api"
import { provide } from "@hypermarket/core/Tenant"
import { EventGroup, QueueGroup, ScheduleGroup, SubscriptionGroup } from "@hypermarket/events/EventsApi"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as DoorIsolation from "@hypermarket/testing/DoorIsolation"
import * as TenantIsolation from "@hypermarket/testing/TenantIsolation"
import { Effect, Schema } from "effect"
import { HttpApi } from "effect/http-api"
import { acme, TestServer, send, event, fill } from "./eventsHttpFixture.ts"

const publish = (
  tenant: string,
  contentType: string,
  body: Schema.Json,
  headers: Record<string, string> = {}
) => send("POST", "/v1/events", tenant, { body, headers: { "content-type": contentType, ...headers } })

const batchType = "application/cloudevents-batch+json"

let schedules = 0

let followed = 0

layer(TestServer, { excludeTestServices: true })("EventsHttp", (it) => {
  const seed = Effect.gen(function* () {
    const queue = "isolated"
    const jobId = yield* fill(queue).pipe(provide(acme))
    const made = yield* send("POST", "/v1/events/subscriptions", "acme", {
      body: { name: "isolated", queue, filters: [] }
    })
    const eventId = `isolated-${followed++}`
    yield* publish("acme", "application/cloudevents+json", event(eventId))
    const schedule = yield* send("POST", "/v1/events/schedules", "acme", {
      body: { name: `isolated ${jobId}`, queue, type: "t", everySeconds: 60 }
    })
    return {
      ownerKey: "acme",
      strangerKey: "globex",
      params: {
        queue,
        jobId,
        eventId,
        subscriptionId: String(made.body.subscriptionId),
        scheduleId: String(schedule.body.scheduleId)
      },
      payloads: {
        changeQueue: { weight: 2 },
        redrive: {},
        discard: {},
        createSubscription: { name: "x", queue: "strangers", filters: [] },
        changeSubscription: { status: "paused" },
        createSchedule: { name: `x ${schedules++}`, queue: "strangers", type: "t", everySeconds: 60 },
        changeSchedule: { paused: true }
      },
      watched: [
        `/v1/events/queues/${queue}/dead`,
        `/v1/events/queues/${queue}/jobs/${jobId}`,
        `/v1/events/subscriptions/${String(made.body.subscriptionId)}`,
        `/v1/events/schedules/${String(schedule.body.scheduleId)}`
      ]
    }
  })

  TenantIsolation.suite(
    it, // Without the facts' schemas, which are the same for everybody.
    HttpApi.make(Api.id).add(EventGroup).add(QueueGroup).add(SubscriptionGroup).add(ScheduleGroup),
    seed
  )

  DoorIsolation.suite(it, {
    domain: EventsDomain,
    services: ["events", "queues", "subscriptions", "schedules"],
    calls: {
      "subscriptions.ensure": ({ params }) => ["isolated", { queue: params["queue"] }],
      "events.state": ({ params }) => [{ source: "/shop", id: params["eventId"] }]
    },
    seed
  })

  it.effect("tells the state of an event by its source and id, and asks for the id", () =>
    Effect.gen(function* () {
      const source = "https://shop.example/orders?a=b&c=ü"
      yield* send("POST", "/v1/events/subscriptions", "state", {
        body: { name: "state", queue: "state", filters: [] }
      })
      yield* publish("state", "application/cloudevents+json", { ...event("s 1/ä"), source })
      const query = new URLSearchParams({ source, id: "s 1/ä" }).toString()
      const found = yield* send("GET", `/v1/events/state?${query}`, "state")
      assert.strictEqual(found.status, 200)
      assert.deepInclude(found.body, { source, id: "s 1/ä" })
      const [handling] = yield* Schema.decodeUnknownEffect(
        Schema.Array(Schema.Record(Schema.String, Schema.Json))
      )(found.body.handlers)
      assert.deepInclude(handling, {
        queue: "state",
        state: "waiting",
        attempt: 0,
        error: null,
        unsearched: 0
      })
      const stranger = yield* send("GET", `/v1/events/state?${query}`, "globex")
      assert.deepInclude(stranger.body, {
        status: 404,
        type: "urn:hypermarket:problem:events:event-not-found"
      })
      const nameless = yield* send("GET", "/v1/events/state?source=/shop", "state")
      assert.deepInclude(nameless.body, { status: 400 })
    })
  )

  it.effect("publishes in each of CloudEvents' content modes, and calls the same event a duplicate", () =>
    Effect.gen(function* () {
      // A client that is traced sends another traceparent each time: it is the same event.
      const structured = yield* publish(
        "modes",
        "application/cloudevents+json; charset=utf-8",
        event("1", { data: { a: "ä" } })
      )
      assert.deepStrictEqual(
        [structured.status, structured.body],
        [202, { items: [{ id: "1", state: "accepted" }] }]
      )
      const binary = yield* publish(
        "modes",
        "application/json",
        { a: "ä" },
        {
          "ce-specversion": "1.0",
          "ce-id": "1",
          "ce-source": "/shop",
          "ce-type": "com.example.thing.happened"
        }
      )
      assert.deepStrictEqual(binary.body, { items: [{ id: "1", state: "duplicate" }] })
      const batch = yield* publish("modes", batchType, [event("1", { data: { a: "ä" } }), event("2")])
      assert.deepStrictEqual(batch.body, {
        items: [
          { id: "1", state: "duplicate" },
          { id: "2", state: "accepted" }
        ]
      })
      const conflict = yield* publish("modes", batchType, [event("3"), event("2", { data: "other" })])
      assert.strictEqual(conflict.status, 409)
      assert.deepInclude(conflict.body, { source: "/shop", id: "2" })
      assert.deepStrictEqual((yield* publish("modes", batchType, [event("3")])).body, {
        items: [{ id: "3", state: "accepted" }]
      })
    })
  )

  it.effect("refuses what is malformed, naming index and path, and stores nothing of the batch", () =>
    Effect.gen(function* () {
      const pathOf = (answer: { readonly body: Record<string, Schema.Json> }) => {
        const errors = Schema.decodeUnknownSync(
          Schema.Array(Schema.Struct({ path: Schema.Array(Schema.Json) }))
        )(answer.body.errors)
        return errors[0]?.path
      }
      const cases: ReadonlyArray<
        readonly [path: ReadonlyArray<string | number>, bad: Record<string, Schema.Json>]
      > = [
        [[1, "id"], event("")],
        [[1, "specversion"], event("x", { specversion: "0.3" })],
        [[1, "time"], event("x", { time: "yesterday" })],
        [[1, "surprise"], event("x", { surprise: {} })],
        [[1, "Surprise"], event("x", { Surprise: 1 })],
        [[1, "type"], event("x", { type: "com.hypermarket.shop.order.eaten.v1" })],
        [[1, "data", "orderId"], event("x", { type: "com.hypermarket.shop.order.placed.v1", data: {} })],
        [[1, "data"], event("x", { data: "x".repeat(256 * 1024) })]
      ]
      for (const [path, bad] of cases) {
        const answer = yield* publish("malformed", batchType, [event("good"), bad])
        assert.strictEqual(answer.status, 400, JSON.stringify(path))
        assert.deepStrictEqual(pathOf(answer), path, JSON.stringify(answer.body))
      }
      const many = yield* publish(
        "malformed",
        batchType,
        Array.from({ length: 1_001 }, (_, n) => event(String(n)))
      )
      assert.deepStrictEqual([many.status, pathOf(many)], [400, [1_000]])
      const wrong = yield* publish("malformed", "text/plain", event("good"))
      assert.strictEqual(wrong.status, 415)
      assert.deepStrictEqual((yield* publish("malformed", batchType, [event("good")])).body, {
        items: [{ id: "good", state: "accepted" }]
      })
    })
  )

  it.effect("gives the schema of each fact, which refuses what publishing refuses", () =>
    Effect.gen(function* () {
      const answer = yield* send("GET", "/v1/events/schemas/com.hypermarket.shop.order.placed.v1", "acme")
      assert.strictEqual(answer.status, 200)
      assert.include(String(answer.body.$schema), "2020-12")
      assert.strictEqual(
        (yield* send("GET", "/v1/events/schemas/com.hypermarket.shop.order.eaten.v1", "acme")).status,
        404
      )
    })
  )
})
