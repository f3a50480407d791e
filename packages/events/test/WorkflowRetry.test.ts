import { assert, layer } from "@effect/vitest"
import { provide } from "@hypermarket/core/Tenant"
import { transaction } from "@hypermarket/core/Transaction"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { executionId, WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import * as TestApi from "@hypermarket/testing/TestApi"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { Activity, DurableClock, DurableDeferred, Workflow } from "effect/workflow"
import {
  acme,
  Base,
  globex,
  note,
  notesOf,
  order,
  orderLayer,
  paid,
  until,
  untilNote,
  untilState
} from "./executionWorker.ts"

const payload = { key: Schema.String }
const idempotencyKey = (input: { readonly key: string }) => input.key

const step = (key: string, name: string) => Activity.make({ name, execute: note(`${key}:${name}`) })

/** Keys whose carrier is there. */
const repaired = new Set<string>()
class NoCarrier extends Schema.TaggedError<NoCarrier>()("NoCarrier", {}) {}

const Child = Workflow.make("retried child", { payload, idempotencyKey, success: Schema.String })
const ChildLive = Child.toLayer(({ key }) => Effect.as(step(key, "pack"), `packed ${key}`))

/** Has no compensation. Races a payment with a clock, and ships when the carrier is there. */
const Ships = Workflow.make("ships", { payload, idempotencyKey, success: Schema.String, error: NoCarrier })
const ShipsLive = Ships.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "reserve")
    const winner = yield* DurableDeferred.raceAll({
      name: "paid or late",
      success: Schema.String,
      error: Schema.Never,
      effects: [
        Effect.as(DurableDeferred.await(paid), "paid"),
        Effect.as(DurableClock.sleep({ name: "late", duration: "1 hour", inMemoryThreshold: 0 }), "late")
      ]
    })
    yield* step(key, "weigh")
    yield* Activity.make({
      name: "carrier",
      error: NoCarrier,
      execute: Effect.gen(function* () {
        yield* note(`${key}:carrier`)
        if (!repaired.has(key)) return yield* new NoCarrier()
      })
    })
    return `${winner} ${yield* Child.execute({ key: `${key}/box` })}`
  })
)

/** Fails, and is then compensated by an undo that lasts until a note. */
const Undoes = Workflow.make("undoes", { payload, idempotencyKey, error: NoCarrier })
const UndoesLive = Undoes.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "reserve").pipe(
      Workflow.withCompensation(() => Effect.andThen(note(`${key}:undo`), untilNote(`${key}:go`)))
    )
    return yield* new NoCarrier()
  })
)

/** Runs of the activity of {@link Measures}. */
const measured = new Map<string, number>()
const Measures = Workflow.make("measures", { payload, idempotencyKey, success: Schema.Number })
const MeasuresLive = Measures.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "begin")
    return yield* Activity.make({
      name: "measure",
      success: Schema.Number,
      execute: Effect.gen(function* () {
        const n = (measured.get(key) ?? 0) + 1
        measured.set(key, n)
        yield* note(`${key}:measure ${n}`)
        // It does not learn that it has lost the execution.
        yield* Effect.uninterruptible(untilNote(`${key}:go ${n}`))
        return n
      })
    })
  })
)

const Live = Layer.mergeAll(ChildLive, ShipsLive, UndoesLive, MeasuresLive, orderLayer(1)).pipe(
  Layer.provideMerge(EventWorkflow.layerWorker({ poll: "20 millis" })),
  Layer.provideMerge(Base)
)

const retry = (id: string, activity: string) =>
  Effect.flatMap(WorkflowExecutions, (executions) => executions.retry(id, { activity }))

const signal = (id: string) =>
  Effect.flatMap(WorkflowExecutions, (executions) => executions.signal(id, { name: "paid", value: 3 }))

const repeat = (key: string, ...names: ReadonlyArray<string>) => names.map((name) => `${key}:${name}`)

layer(Live, { excludeTestServices: true })("A retry", (it) => {
  it.effect("runs a failed execution again from the activity, and nothing that was recorded before it", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const id = yield* Ships.execute({ key: "failed" }, { discard: true })
      yield* signal(id)
      yield* untilState(id, "failed")
      repaired.add("failed")
      yield* retry(id, "weigh")
      yield* untilState(id, "succeeded")
      assert.deepStrictEqual(
        notesOf("failed"),
        repeat("failed", "reserve", "weigh", "carrier", "weigh", "carrier")
      )
      const { execution, result } = yield* executions.get(id)
      assert.strictEqual(result, "paid packed failed/box")
      assert.deepInclude(execution, { error: null, compensated: false, unasked: [] })
    }).pipe(provide(acme))
  )

  it.effect("keeps a signal that came later, and races it again; its children keep their results", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      repaired.add("kept")
      const id = yield* Ships.execute({ key: "kept" }, { discard: true })
      yield* untilState(id, "suspended")
      yield* signal(id)
      yield* untilState(id, "succeeded")
      yield* retry(id, "reserve")
      yield* untilState(id, "succeeded")
      const once = ["reserve", "weigh", "carrier"]
      assert.deepStrictEqual(notesOf("kept"), repeat("kept", ...once, ...once))
      assert.deepStrictEqual(notesOf("kept/box"), ["kept/box:pack"])
      const { items } = yield* executions.tasks(id, {})
      assert.sameMembers(
        items.map(({ kind, name }) => `${kind} ${name}`),
        [
          "activity reserve",
          "signal paid",
          "signal raceAll/paid or late",
          "activity weigh",
          "activity carrier",
          // The signal is there: the new race does not start its clock.
          `child ${executionId("retried child", "kept/box")}`
        ]
      )
    }).pipe(provide(acme))
  )

  it.effect(
    "works while the execution waits, and after it was killed or its cancellation was requested",
    () =>
      Effect.gen(function* () {
        const executions = yield* WorkflowExecutions
        const waits = yield* order.execute({ key: "waits" }, { discard: true })
        yield* untilState(waits, "suspended")
        yield* retry(waits, "reserve")
        yield* until(
          Effect.sync(() => notesOf("waits")),
          (notes) => notes.length === 2
        )
        yield* untilState(waits, "suspended")
        yield* executions.kill(waits)
        yield* retry(waits, "reserve")
        yield* signal(waits)
        yield* untilState(waits, "succeeded")
        assert.deepStrictEqual(
          notesOf("waits"),
          repeat("waits", "reserve 1", "reserve 1", "reserve 1", "ship 1")
        )

        const id = yield* Measures.execute({ key: "withdrawn" }, { discard: true })
        yield* untilNote("withdrawn:measure 1")
        yield* executions.cancel(id)
        yield* retry(id, "begin")
        yield* note("withdrawn:go 1")
        yield* untilNote("withdrawn:measure 2")
        yield* note("withdrawn:go 2")
        yield* untilState(id, "succeeded")
      }).pipe(provide(acme))
  )

  it.effect("takes an execution from its run, whose results are then not recorded", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const sql = yield* SqlClient.SqlClient
      const id = yield* Measures.execute({ key: "taken" }, { discard: true })
      yield* untilNote("taken:measure 1")
      yield* transaction(
        Effect.gen(function* () {
          yield* retry(id, "begin")
          yield* note("taken:go 1")
          // The result of the first run is on its way: it waits for this transaction.
          yield* until(
            sql`
              SELECT 1
                FROM pg_stat_activity
               WHERE datname = current_database()
                 AND wait_event_type = 'Lock'
              UNION ALL
              SELECT 1
                FROM hm_workflow_task
               WHERE execution_id = ${id}
                 AND name = 'measure'
            `,
            (rows) => rows.length > 0
          )
        })
      )
      yield* note("taken:go 2")
      yield* untilState(id, "succeeded")
      assert.strictEqual((yield* executions.get(id)).result, 2)
    }).pipe(provide(acme))
  )

  it.effect("is refused once compensations began, and after they ran", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const id = yield* Undoes.execute({ key: "undone" }, { discard: true })
      yield* untilNote("undone:undo")
      const during = yield* Effect.flip(retry(id, "reserve"))
      assert.deepInclude(during, { _tag: "WorkflowCompensated", executionId: id })
      yield* note("undone:go")
      yield* untilState(id, "failed")
      assert.strictEqual((yield* Effect.flip(retry(id, "reserve")))._tag, "WorkflowCompensated")
      const cancelled = yield* order.execute({ key: "cancelled" }, { discard: true })
      yield* untilState(cancelled, "suspended")
      yield* executions.cancel(cancelled)
      yield* untilState(cancelled, "cancelled")
      assert.strictEqual((yield* Effect.flip(retry(cancelled, "reserve")))._tag, "WorkflowCompensated")
      assert.deepStrictEqual(notesOf("cancelled"), repeat("cancelled", "reserve 1", "release"))
    }).pipe(provide(acme))
  )

  it.effect("changes nothing for an activity that is not recorded, or an execution of another tenant", () =>
    Effect.gen(function* () {
      const id = yield* order.execute({ key: "alien" }, { discard: true }).pipe(provide(acme))
      yield* untilState(id, "suspended").pipe(provide(acme))
      const unrecorded = yield* Effect.flip(retry(id, "ship").pipe(provide(acme)))
      assert.deepInclude(unrecorded, { _tag: "WorkflowActivityNotFound", activity: "ship" })
      const alien = yield* Effect.flip(retry(id, "reserve").pipe(provide(globex)))
      assert.strictEqual(alien._tag, "WorkflowNotFound")
      const expected = executionId("order", "not started")
      yield* DurableDeferred.succeed(paid, {
        token: DurableDeferred.tokenFromExecutionId(paid, { workflow: order, executionId: expected }),
        value: 1
      }).pipe(provide(acme))
      assert.strictEqual(
        (yield* Effect.flip(retry(expected, "reserve").pipe(provide(acme))))._tag,
        "WorkflowNotFound"
      )
      assert.deepStrictEqual(notesOf("alien"), ["alien:reserve 1"])
    })
  )

  it.effect("is sent over HTTP with the activity's name", () =>
    Effect.gen(function* () {
      const id = yield* order.execute({ key: "over http" }, { discard: true }).pipe(provide(acme))
      yield* untilState(id, "suspended").pipe(provide(acme))
      const path = `/v1/events/workflows/${id}/retry`
      const send = (body: Schema.Json) => TestApi.send("POST", path, { body })
      assert.strictEqual((yield* send({ activity: "reserve" })).status, 204)
      yield* until(
        Effect.sync(() => notesOf("over http")),
        (notes) => notes.length === 2
      )
      assert.strictEqual((yield* send({ activity: "no such step" })).status, 404)
      const invalid = yield* send({ activity: "" })
      assert.strictEqual(invalid.status, 400)
      assert.include(JSON.stringify(invalid.body), "activity")
    })
  )
})
