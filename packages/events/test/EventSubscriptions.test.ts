import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { EventQueues } from "@hypermarket/events/EventQueues"
import { Events } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"

const TestLayer = EventsDomain.layer.pipe(
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const as = (id: string) => provide(TenantId.make(id))

layer(TestLayer, { excludeTestServices: true })("A program that starts again", (it) => {
  it.effect("has one subscription of a name, from however many processes at once", () =>
    Effect.gen(function* () {
      const subscriptions = yield* EventSubscriptions
      const ensured = yield* Effect.forEach(
        Array.from({ length: 8 }),
        () => subscriptions.ensure("mails", { queue: "mails" }),
        { concurrency: 8 }
      )
      assert.lengthOf(new Set(ensured.map(({ subscriptionId }) => subscriptionId)), 1)
      assert.deepStrictEqual(
        ensured.map(({ version }) => version),
        ensured.map(() => 1)
      )
      assert.lengthOf((yield* subscriptions.list({})).items, 1)
    }).pipe(as("starts"))
  )

  it.effect("changes queue, filters and order of its subscription, and leaves a pause alone", () =>
    Effect.gen(function* () {
      const subscriptions = yield* EventSubscriptions
      const first = yield* subscriptions.ensure("mails", { queue: "mails" })
      yield* subscriptions.change(first.subscriptionId, first.version, { status: "paused" })
      const filters = [{ exact: { type: "com.example.placed" } }]
      const changed = yield* subscriptions.ensure("mails", { queue: "letters", filters, ordered: true })
      assert.strictEqual(changed.subscriptionId, first.subscriptionId)
      assert.deepInclude(changed, { queue: "letters", filters, ordered: true, status: "paused", version: 3 })
    }).pipe(as("changes"))
  )

  it.effect("shares no name with another tenant", () =>
    Effect.gen(function* () {
      const subscriptions = yield* EventSubscriptions
      const ours = yield* subscriptions.ensure("mails", { queue: "mails" })
      const theirs = yield* as("other")(subscriptions.ensure("mails", { queue: "letters" }))
      assert.notStrictEqual(ours.subscriptionId, theirs.subscriptionId)
    }).pipe(as("shares"))
  )
})

layer(TestLayer, { excludeTestServices: true })("A job without an event", (it) => {
  it.effect("is enqueued by its queue's name, once within the window of its key", () =>
    Effect.gen(function* () {
      const queues = yield* EventQueues
      const job = { type: "mail", payload: { to: "a" }, dedupe: { key: "order-1", windowSeconds: 60 } }
      const [first] = yield* queues.enqueue("mails", [job])
      const [again] = yield* queues.enqueue("mails", [job])
      assert.strictEqual(again, first)
      assert.strictEqual((yield* queues.get("mails")).ready, 1)
    }).pipe(as("jobs"))
  )
})

layer(TestLayer, { excludeTestServices: true })("An event", (it) => {
  it.effect("needs neither specversion nor source, and is a duplicate of the same with both", () =>
    Effect.gen(function* () {
      const events = yield* Events
      const [brief] = yield* events.publish([{ id: "o-1:placed", type: "com.example.placed" }])
      const [whole] = yield* events.publish([
        { specversion: "1.0", source: "/", id: "o-1:placed", type: "com.example.placed" }
      ])
      assert.deepStrictEqual([brief?.state, whole?.state], ["accepted", "duplicate"])
    }).pipe(as("brief"))
  )
})
