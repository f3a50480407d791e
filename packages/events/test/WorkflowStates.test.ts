/** Cancels and kills executions in each of their states. */
import { assert, layer } from "@effect/vitest"
import { provide } from "@hypermarket/core/Tenant"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import { Effect, Layer, Schema } from "effect"
import { Activity, DurableClock, DurableDeferred, Workflow, type WorkflowEngine } from "effect/workflow"
import { layerOf } from "@hypermarket/events/internal/workflow/definitions"
import { defineWorkflow } from "@hypermarket/events/WorkflowDefinition"
import { acme, Base, note, notesOf, stateOf, until, untilNote, untilState } from "./executionWorker.ts"

const payload = { key: Schema.String }
const idempotencyKey = (input: { readonly key: string }) => input.key
const picked = DurableDeferred.make("picked", { success: Schema.String })

/** Reserves, then gets into the state that its name says. */
const reserving = (
  name: string,
  rest: (
    key: string
  ) => Effect.Effect<void, never, WorkflowEngine.WorkflowEngine | WorkflowEngine.WorkflowInstance>
) => {
  const workflow = Workflow.make(name, { payload, idempotencyKey })
  const live = workflow.toLayer(
    Effect.fnUntraced(function* ({ key }) {
      yield* Activity.make({ name: "reserve", execute: note(`${key}:reserve`) }).pipe(
        Workflow.withCompensation(() => Activity.make({ name: "release", execute: note(`${key}:release`) }))
      )
      yield* rest(key)
      yield* Activity.make({ name: "ship", execute: note(`${key}:ship`) })
      yield* Activity.make({ name: "mail", execute: note(`${key}:mail`) })
    })
  )
  return { workflow, live }
}

/** Goes on when it is told to, or when the process ends. */
const opened = new Set<string>()
const untilOpened = (key: string) =>
  until(
    Effect.sync(() => opened.has(key)),
    (isOpen) => isOpen
  )

const runs = reserving("runs", (key) =>
  // Code between two activities.
  Effect.asVoid(Effect.andThen(note(`${key}:there`), untilOpened(key)))
)
const works = reserving("works on", (key) =>
  Activity.make({
    name: "work",
    execute: Effect.andThen(note(`${key}:there`), untilOpened(key)).pipe(Effect.asVoid)
  })
)
const sleeps = reserving("sleeps", (key) =>
  Effect.andThen(
    note(`${key}:there`),
    DurableClock.sleep({ name: "night", duration: "9 hours", inMemoryThreshold: 0 })
  )
)
const waits = reserving("waits", (key) =>
  Effect.andThen(note(`${key}:there`), Effect.asVoid(DurableDeferred.await(picked)))
)
const ends = reserving("ends", () => Effect.void)

/** Its second attempt is a minute away. */
const backsOff = defineWorkflow(
  "backs off",
  { key: (input: { readonly key: string }) => input.key },
  async (step, { key }) => {
    const tell = (entry: string) => Effect.runSync(note(`${key}:${entry}`))
    await step.run("reserve", () => tell("reserve"), { undo: () => tell("release") })
    await step.run(
      "call",
      () => {
        tell("there")
        throw new Error("busy")
      },
      { attempts: 3, backoff: "1 minute" }
    )
    await step.run("ship", () => tell("ship"))
    await step.run("mail", () => tell("mail"))
  }
)

const Live = Layer.mergeAll(
  runs.live,
  works.live,
  sleeps.live,
  waits.live,
  ends.live,
  layerOf(backsOff)
).pipe(Layer.provideMerge(EventWorkflow.layerWorker({ poll: "20 millis" })), Layer.provideMerge(Base))

const execute = (name: string, version: number) => (key: string) =>
  Effect.flatMap(WorkflowExecutions, (executions) =>
    Effect.map(executions.start({ name, version, key, payload: { key } }), ({ executionId }) => executionId)
  )

const started = (name: string, stored: "running" | "suspended") =>
  Effect.fnUntraced(function* (key: string) {
    const id = yield* execute(name, 1)(key)
    yield* untilNote(`${key}:there`)
    yield* untilState(id, stored)
    return id
  })

/** Returns what was done, without the notes of later runs about code between activities. */
const doneOf = (key: string) => Array.from(new Set(notesOf(key)), (entry) => entry.slice(key.length + 1))

layer(Live, { excludeTestServices: true })("An execution", (it) => {
  const states = {
    "that runs between two activities": started("runs", "running"),
    "that is in an activity": started("works on", "running"),
    "that sleeps": started("sleeps", "suspended"),
    "that waits for a signal": started("waits", "suspended"),
    "that backs off": started("backs off", "running")
  } as const

  for (const [state, start] of Object.entries(states)) {
    it.effect(`${state} is killed at once, without its compensation, and cannot be cancelled`, () =>
      Effect.gen(function* () {
        const executions = yield* WorkflowExecutions
        const key = `kill ${state}`
        const id = yield* start(key)
        yield* executions.kill(id)
        assert.strictEqual(yield* stateOf(id), "killed")
        opened.add(key)
        assert.strictEqual((yield* Effect.flip(executions.kill(id)))._tag, "WorkflowFinished")
        assert.strictEqual((yield* Effect.flip(executions.cancel(id)))._tag, "WorkflowFinished")
        // The worker has noticed, and goes on with other work.
        yield* untilState(yield* execute("ends", 1)(`after ${key}`), "succeeded")
        // Code that runs may begin one activity before its worker learns of the kill. Its result is refused.
        const done = doneOf(key)
        assert.deepStrictEqual(done.slice(0, 2), ["reserve", "there"])
        assert.notInclude(done, "mail")
        assert.notInclude(done, "release")
        const { items } = yield* executions.tasks(id, { limit: 20 })
        assert.deepStrictEqual(
          items.flatMap(({ kind, name, outcome }) =>
            kind === "activity" && outcome === "succeeded" ? [name] : []
          ),
          ["reserve"]
        )
        assert.strictEqual(yield* stateOf(id), "killed")
      }).pipe(provide(acme))
    )

    it.effect(`${state} is cancelled with its compensation, at its next activity but one at the latest`, () =>
      Effect.gen(function* () {
        const executions = yield* WorkflowExecutions
        const key = `cancel ${state}`
        const id = yield* start(key)
        yield* executions.cancel(id)
        // Idempotent.
        yield* Effect.ignore(executions.cancel(id))
        // Code and activities that are under way end first.
        opened.add(key)
        yield* untilState(id, "cancelled")
        assert.deepStrictEqual(
          doneOf(key).filter((entry) => entry !== "ship"),
          ["reserve", "there", "release"]
        )
        const countOf = (entry: string) => notesOf(key).filter((noted) => noted === `${key}:${entry}`).length
        assert.strictEqual(countOf("release"), 1)
        // No other attempt was made.
        if (state === "that backs off") assert.strictEqual(countOf("there"), 1)
        assert.strictEqual((yield* Effect.flip(executions.cancel(id)))._tag, "WorkflowFinished")
        assert.strictEqual((yield* Effect.flip(executions.kill(id)))._tag, "WorkflowFinished")
        assert.strictEqual(yield* stateOf(id), "cancelled")
      }).pipe(provide(acme))
    )
  }

  it.effect("without a worker is killed at once, and is cancelled by the worker that comes", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const killed = yield* execute("waits", 3)("kill without a worker")
      const cancelled = yield* execute("waits", 3)("cancel without a worker")
      yield* executions.kill(killed)
      assert.strictEqual(yield* stateOf(killed), "killed")
      yield* executions.cancel(cancelled)
      assert.strictEqual(yield* stateOf(cancelled), "ready")
      const third = Workflow.make("waits", { payload, idempotencyKey }).annotate(EventWorkflow.Version, 3)
      const worker = third
        .toLayer(({ key }) => Activity.make({ name: "reserve", execute: note(`${key}:reserve`) }))
        .pipe(Layer.provide(EventWorkflow.layerWorker({ poll: "20 millis" })))
      yield* untilState(cancelled, "cancelled").pipe(Effect.provide(Layer.fresh(worker)))
      assert.strictEqual(yield* stateOf(killed), "killed")
      for (const key of ["kill without a worker", "cancel without a worker"]) {
        assert.deepStrictEqual(notesOf(key), [])
      }
    }).pipe(provide(acme))
  )

  it.effect("that is finished is neither cancelled nor killed", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const id = yield* execute("ends", 1)("finished")
      yield* untilState(id, "succeeded")
      assert.strictEqual((yield* Effect.flip(executions.cancel(id)))._tag, "WorkflowFinished")
      assert.strictEqual((yield* Effect.flip(executions.kill(id)))._tag, "WorkflowFinished")
      assert.strictEqual(yield* stateOf(id), "succeeded")
      assert.deepStrictEqual(notesOf("finished"), ["finished:reserve", "finished:ship", "finished:mail"])
    }).pipe(provide(acme))
  )
})
