/** Subscriptions whose events start and signal executions. */
import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { transaction } from "@hypermarket/core/Transaction"
import type { Publication } from "@hypermarket/events/CloudEvent"
import { EventQueues } from "@hypermarket/events/EventQueues"
import { Events } from "@hypermarket/events/Events"
import { NewSubscription } from "@hypermarket/events/EventSubscription"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import { executionId, WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Live, until, untilState } from "./executionWorker.ts"

const as = (id: string) => provide(TenantId.make(id))

const placed = { exact: { type: "com.example.placed" } }
const settled = { exact: { type: "com.example.settled" } }

/** An order's event starts its execution, and the event of its payment is what it waits for. */
const subscribe = Effect.gen(function* () {
  const subscriptions = yield* EventSubscriptions
  const start = yield* subscriptions.create({
    name: "starts",
    filters: [placed],
    workflow: { name: "order", key: "data.key" }
  })
  const signal = yield* subscriptions.ensure("pays", {
    filters: [settled],
    workflow: { name: "order", signal: "paid" }
  })
  return { start, signal }
})

const publish = (...events: ReadonlyArray<Publication>) =>
  Effect.flatMap(Events, (service) => service.publish(events))

const place = (key: string): Publication => ({
  id: `${key}:placed`,
  type: "com.example.placed",
  data: { key }
})
const settle = (key: string, amount: Schema.Json): Publication => ({
  id: `${key}:settled:${JSON.stringify(amount)}`,
  type: "com.example.settled",
  subject: key,
  data: amount
})

const resultOf = (key: string) =>
  Effect.gen(function* () {
    const executions = yield* WorkflowExecutions
    yield* until(Effect.option(executions.get(executionId("order", key))), (found) => found._tag === "Some")
    yield* untilState(executionId("order", key), "succeeded")
    return yield* executions.get(executionId("order", key))
  })

const deadOf = Effect.gen(function* () {
  const queues = yield* EventQueues
  const { items } = yield* queues.dead("events.workflow-event", {})
  return items
})

layer(Live, { excludeTestServices: true })("A subscription of a workflow", (it) => {
  it.effect("starts an execution with the data of the event, and sends it the next one as a signal", () =>
    Effect.gen(function* () {
      yield* subscribe
      yield* publish(place("a-1"))
      yield* publish(settle("a-1", 41))
      const { execution, payload, result } = yield* resultOf("a-1")
      assert.deepInclude(execution, { name: "order", version: 1, parentId: null })
      assert.deepStrictEqual(payload, { key: "a-1" })
      assert.strictEqual(result, 41)
    }).pipe(as("follows"))
  )

  it.effect("takes a signal before the start, and neither twice", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      yield* subscribe
      yield* publish(settle("b-1", 6), settle("b-1", 7))
      yield* until(
        Effect.option(executions.get(executionId("order", "b-1"))),
        (found) => found._tag === "Some"
      )
      yield* publish(place("b-1"))
      yield* publish({ ...place("b-1"), id: "b-1 again" })
      const { result } = yield* resultOf("b-1")
      assert.include([6, 7], result)
      const { items } = yield* executions.list({})
      assert.lengthOf(items, 1)
    }).pipe(as("early"))
  )

  it.effect("starts nothing for an event that was not committed, or of another tenant", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      yield* subscribe.pipe(as("mine"))
      yield* publish(place("c-1")).pipe(as("other"))
      yield* Effect.exit(transaction(Effect.andThen(publish(place("c-2")), Effect.fail("no")))).pipe(
        as("mine")
      )
      yield* publish(place("c-3"), settle("c-3", 1)).pipe(as("mine"))
      yield* resultOf("c-3").pipe(as("mine"))
      const mine = yield* executions.list({}).pipe(as("mine"))
      assert.deepStrictEqual(
        mine.items.map((execution) => execution.executionId),
        [executionId("order", "c-3")]
      )
      assert.lengthOf((yield* executions.list({}).pipe(as("other"))).items, 0)
    })
  )

  it.effect("puts an event without a key into the dead-letter queue, and delays no other", () =>
    Effect.gen(function* () {
      const events = yield* Events
      yield* subscribe
      const odd = { id: "odd", type: "com.example.placed", data: { key: { nested: true } } }
      yield* publish(place("d-1"), odd, place("d-2"), settle("d-1", 1), settle("d-2", 2))
      yield* resultOf("d-1")
      yield* resultOf("d-2")
      const dead = yield* until(deadOf, (items) => items.length > 0)
      assert.lengthOf(dead, 1)
      assert.include(JSON.stringify(dead), "no text or integer at data.key")
      const { handlers } = yield* events.state({ id: "odd" })
      assert.deepStrictEqual(
        handlers.map(({ queue, state }) => [queue, state]),
        [["events.workflow-event", "dead"]]
      )
    }).pipe(as("odd"))
  )

  it.effect("rejects an event whose header names no subscription, and delays no other", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* subscribe
      // As an earlier release has published: one without the header, one with something else in it.
      yield* transaction(
        Effect.gen(function* () {
          yield* publish(place("f-1"), place("f-2"), place("f-3"))
          const headers = { "f-1": {}, "f-2": { subscription: "starts" } }
          for (const [key, replacement] of Object.entries(headers)) {
            const changed = yield* sql`
              UPDATE hm_event_queue
                 SET headers = ${JSON.stringify(replacement)}::text::json
               WHERE tenant_id = 'headless'
                 AND payload->'data'->>'key' = ${key}
              RETURNING 1
            `
            assert.lengthOf(changed, 1)
          }
        })
      )
      yield* publish(settle("f-3", 5))
      assert.strictEqual((yield* resultOf("f-3")).result, 5)
      const dead = yield* until(deadOf, (items) => items.length === 2)
      for (const { attempt, errors } of dead) {
        assert.strictEqual(attempt, 1)
        assert.include(JSON.stringify(errors), "no subscription")
      }
    }).pipe(as("headless"))
  )

  it.effect("that is removed starts nothing more", () =>
    Effect.gen(function* () {
      const subscriptions = yield* EventSubscriptions
      const executions = yield* WorkflowExecutions
      const { start } = yield* subscribe
      yield* transaction(
        Effect.gen(function* () {
          yield* publish(place("e-1"))
          yield* subscriptions.remove(start.subscriptionId, start.version)
        })
      )
      yield* publish(settle("e-2", 1))
      yield* until(
        Effect.option(executions.get(executionId("order", "e-2"))),
        (found) => found._tag === "Some"
      )
      const { items } = yield* executions.list({})
      assert.deepStrictEqual(
        items.map((execution) => execution.executionId),
        [executionId("order", "e-2")]
      )
    }).pipe(as("removed"))
  )

  it.effect("is refused with the field that is wrong", () =>
    Effect.sync(() => {
      const decode = Schema.decodeUnknownExit(NewSubscription)
      const refused = (fields: object) => JSON.stringify(decode({ name: "n", filters: [], ...fields }))
      const workflow = { name: "order" }
      assert.include(refused({}), "either queue or workflow")
      assert.include(refused({ queue: "mails", workflow }), "either queue or workflow")
      assert.include(refused({ workflow, ordered: true }), "no order with workflow")
      assert.include(refused({ workflow: { ...workflow, key: "data..key" } }), "a field such as data.orderId")
      assert.include(
        refused({ workflow: { ...workflow, version: 2, signal: "paid" } }),
        "no version with a signal"
      )
    })
  )
})
