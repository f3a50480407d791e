import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { transaction } from "@hypermarket/core/Transaction"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { executionId, WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import * as WorkflowToken from "@hypermarket/events/WorkflowToken"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { DurableDeferred } from "effect/workflow"
import {
  Approval,
  Both,
  Large,
  Live,
  Many,
  Naps,
  Retries,
  Works,
  Writes,
  acme,
  approved,
  globex,
  notesOf,
  order,
  orderLayer,
  orderOf,
  paid,
  stateOf,
  untilNote,
  untilState,
  waitsForMany
} from "./executionWorker.ts"

layer(Live, { excludeTestServices: true })("An execution", (it) => {
  it.effect("gets a signal that arrives before its start", () =>
    Effect.gen(function* () {
      const id = executionId("order", "early")
      yield* DurableDeferred.succeed(paid, {
        token: DurableDeferred.tokenFromExecutionId(paid, { workflow: order, executionId: id }),
        value: 5
      })
      assert.strictEqual(yield* stateOf(id), "expected")
      assert.strictEqual(yield* order.execute({ key: "early" }), 5)
    }).pipe(provide(acme))
  )

  it.effect("goes on after a signal at once, and does not run again the activity that works meanwhile", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const id = yield* Both.execute({ key: "both" }, { discard: true })
      yield* untilNote("both:works")
      yield* executions.signal(id, { name: "paid", value: 4 })
      assert.strictEqual(yield* Both.execute({ key: "both" }), 4)
      assert.deepStrictEqual(
        notesOf("both").filter((entry) => entry === "both:works"),
        ["both:works"]
      )
    }).pipe(provide(acme))
  )

  it.effect("gets large signals at once, of many executions, in any order with its waits", () =>
    Effect.gen(function* () {
      const value = "y".repeat(2 ** 16)
      const keys = Array.from({ length: 40 }, (_, index) => `many ${index}`)
      const executions = yield* WorkflowExecutions
      const run = (key: string) =>
        Effect.gen(function* () {
          yield* executions.start({ name: "many", key, payload: { key } })
          yield* Effect.forEach(
            waitsForMany,
            ({ name }) => executions.signal(executionId("many", key), { name, value }),
            { concurrency: 3 }
          )
          return yield* Many.execute({ key })
        })
      const lengths = yield* Effect.forEach(keys, run, { concurrency: 10 })
      assert.deepStrictEqual(new Set(lengths), new Set([3 * value.length]))
    }).pipe(provide(acme))
  )

  it.effect("of two tenants with the same key is two executions", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const id = executionId("order", "shared")
      yield* order.execute({ key: "shared" }, { discard: true }).pipe(provide(acme))
      yield* order.execute({ key: "shared" }, { discard: true }).pipe(provide(globex))
      yield* untilState(id, "suspended").pipe(provide(acme))
      yield* untilState(id, "suspended").pipe(provide(globex))
      yield* executions.signal(id, { name: "paid", value: 1 }).pipe(provide(globex))
      yield* untilState(id, "succeeded").pipe(provide(globex))
      assert.strictEqual(yield* stateOf(id).pipe(provide(acme)), "suspended")
      assert.lengthOf(
        notesOf("shared").filter((entry) => entry.startsWith("shared:reserve")),
        2
      )
    })
  )

  it.effect(
    "is cancelled with its compensations while it waits, sleeps, works and retries",
    () =>
      Effect.gen(function* () {
        const executions = yield* WorkflowExecutions
        const cancelled = (id: string) => Effect.andThen(executions.cancel(id), untilState(id, "cancelled"))

        const waits = yield* order.execute({ key: "cancel waits" }, { discard: true })
        yield* untilState(waits, "suspended")
        yield* cancelled(waits)
        assert.deepStrictEqual(notesOf("cancel waits"), ["cancel waits:reserve 1", "cancel waits:release"])

        const naps = yield* Naps.execute({ key: "cancel naps" }, { discard: true })
        yield* untilState(naps, "suspended")
        yield* cancelled(naps)
        assert.deepStrictEqual(notesOf("cancel naps"), ["cancel naps:before", "cancel naps:undo"])

        const works = yield* Works.execute({ key: "cancel works" }, { discard: true })
        yield* untilNote("cancel works:works")
        yield* cancelled(works)
        assert.deepStrictEqual(notesOf("cancel works"), [
          "cancel works:before",
          "cancel works:works",
          "cancel works:undo"
        ])

        const retries = yield* Retries.execute({ key: "cancel retries" }, { discard: true })
        yield* untilNote("cancel retries:fails")
        yield* cancelled(retries)
        assert.strictEqual(notesOf("cancel retries").at(-1), "cancel retries:undo")
      }).pipe(provide(acme)),
    30_000
  )

  it.effect("is killed in each state, without compensations, and only once", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const waits = yield* order.execute({ key: "kill waits" }, { discard: true })
      yield* untilState(waits, "suspended")
      const works = yield* Works.execute({ key: "kill works" }, { discard: true })
      yield* untilNote("kill works:works")
      const { executionId: unknown } = yield* executions.start({
        name: "no such workflow",
        key: "k",
        payload: null
      })
      for (const id of [waits, works, unknown]) {
        yield* executions.kill(id)
        assert.strictEqual(yield* stateOf(id), "killed")
        const again = yield* Effect.flip(executions.kill(id))
        assert.strictEqual(again._tag, "WorkflowFinished")
        const cancel = yield* Effect.flip(executions.cancel(id))
        assert.strictEqual(cancel._tag, "WorkflowFinished")
      }
      assert.deepStrictEqual(notesOf("kill waits"), ["kill waits:reserve 1"])
      assert.deepStrictEqual(notesOf("kill works"), ["kill works:before", "kill works:works"])
    }).pipe(provide(acme))
  )

  it.effect(
    "without a worker for its version waits, is cancelled, and goes on when one is there",
    () =>
      Effect.gen(function* () {
        const executions = yield* WorkflowExecutions
        const second = yield* orderOf(2).execute({ key: "second" }, { discard: true })
        const dropped = yield* orderOf(2).execute({ key: "dropped" }, { discard: true })
        const first = yield* order.execute({ key: "first" }, { discard: true })
        yield* untilState(first, "suspended")
        yield* executions.cancel(dropped)
        assert.strictEqual(yield* stateOf(second), "ready")
        assert.strictEqual(yield* stateOf(dropped), "ready")
        yield* Effect.gen(function* () {
          yield* untilState(second, "suspended")
          yield* untilState(dropped, "cancelled")
          yield* executions.signal(second, { name: "paid", value: 2 })
          yield* executions.signal(first, { name: "paid", value: 1 })
          yield* untilState(second, "succeeded")
          yield* untilState(first, "succeeded")
        }).pipe(
          Effect.provide(
            Layer.fresh(orderLayer(2).pipe(Layer.provide(EventWorkflow.layerWorker({ poll: "20 millis" }))))
          )
        )
        assert.deepStrictEqual(notesOf("first"), ["first:reserve 1", "first:ship 1"])
        assert.deepStrictEqual(notesOf("second"), ["second:reserve 2", "second:ship 2"])
        assert.deepStrictEqual(notesOf("dropped"), [])
      }).pipe(provide(acme)),
    30_000
  )

  it.effect("that waits for a day is woken on the day", () =>
    Effect.gen(function* () {
      const time = yield* Now.TestNow
      const naps = yield* Naps.execute({ key: "day" }, { discard: true })
      yield* untilState(naps, "suspended")
      yield* time.adjust("25 hours")
      yield* untilState(naps, "succeeded")
      assert.deepStrictEqual(notesOf("day"), ["day:before", "day:woken"])
      yield* time.adjust("-25 hours")
    }).pipe(provide(acme))
  )

  it.effect("that waits does not block a queue of concurrency one", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_event_definition (tenant_id, queue, concurrency_max, updated_at)
        VALUES ('narrow', 'workflow.order.1', 1, now())
      `
      const ids = yield* Effect.forEach(["narrow 1", "narrow 2", "narrow 3"], (key) =>
        order.execute({ key }, { discard: true })
      )
      yield* Effect.forEach(ids, (id) => untilState(id, "suspended"))
    }).pipe(provide(TenantId.make("narrow")))
  )

  it.effect("exists if and only if the transaction that starts it commits", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const start = (key: string) => executions.start({ name: "naps", key, payload: { key } })
      yield* Effect.exit(transaction(Effect.andThen(start("rolled back"), Effect.fail("no"))))
      const missing = yield* Effect.flip(executions.get(executionId("naps", "rolled back")))
      assert.strictEqual(missing._tag, "WorkflowNotFound")
      const { executionId: id } = yield* transaction(start("committed"))
      yield* untilState(id, "suspended")
    }).pipe(provide(acme))
  )

  it.effect("commits the writes of a transactional activity with its result, or neither", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE written (entry text)`
      assert.strictEqual(yield* Effect.flip(Writes.execute({ key: "k" })), "no")
      assert.deepStrictEqual(yield* sql`SELECT entry FROM written`, [{ entry: "k good" }])
    }).pipe(provide(acme))
  )

  it.effect("keeps a result of 1 MiB, and fails by its name an activity with a larger one", () =>
    Effect.gen(function* () {
      assert.isAbove(yield* Large.execute({ key: "large" }), 1_000_000)
      const executions = yield* WorkflowExecutions
      yield* Effect.exit(Large.execute({ key: "too large" }))
      const { execution } = yield* executions.get(executionId("large", "too large"))
      assert.strictEqual(execution.state, "failed")
      assert.include(execution.error ?? "", "The result of download has")
    }).pipe(provide(acme))
  )

  it.effect("whose payload its code does not accept fails with the reason", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const { executionId: id } = yield* executions.start({ name: "naps", key: "odd", payload: { kee: 1 } })
      yield* untilState(id, "failed")
      const { execution } = yield* executions.get(id)
      assert.include(execution.error ?? "", "key")
    }).pipe(provide(acme))
  )

  it.effect(
    "is completed by a signed token, and by none that was altered, is of another signal, or has expired",
    () =>
      Effect.gen(function* () {
        const time = yield* Now.TestNow
        const id = yield* Approval.execute({ key: "approval" }, { discard: true }).pipe(provide(acme))
        yield* untilState(id, "suspended").pipe(provide(acme))
        const token = notesOf("approval")[0]?.slice("approval:".length) ?? ""
        const complete = (text: string) => WorkflowToken.succeed(approved, { token: text, value: "yes" })
        const altered = yield* Effect.flip(
          complete(`${token.slice(0, -1)}${token.endsWith("A") ? "B" : "A"}`)
        )
        assert.deepInclude(altered, { _tag: "TokenInvalid", reason: "invalid" })
        const other = yield* Effect.flip(WorkflowToken.succeed(paid, { token, value: 1 }))
        assert.deepInclude(other, { _tag: "TokenInvalid", reason: "invalid" })
        yield* time.adjust("2 hours")
        const expired = yield* Effect.flip(complete(token))
        assert.deepInclude(expired, { _tag: "TokenInvalid", reason: "expired" })
        yield* time.adjust("-2 hours")
        yield* complete(token)
        assert.strictEqual(yield* Approval.execute({ key: "approval" }).pipe(provide(acme)), "yes")
      })
  )
})
