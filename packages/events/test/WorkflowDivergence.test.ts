/** Executions whose code changes under one version, and those that only seem to. */
import { assert, layer } from "@effect/vitest"
import { AllTenants, provide } from "@hypermarket/core/Tenant"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import { Effect, Exit, Layer, Schema, Scope } from "effect"
import { Activity, DurableClock, DurableDeferred, Workflow } from "effect/workflow"
import { acme, Base, globex, note, notesOf, stateOf, untilNote, untilState } from "./executionWorker.ts"

const payload = { key: Schema.String }
const idempotencyKey = (input: { readonly key: string }) => input.key
const picked = DurableDeferred.make("picked", { success: Schema.String })
const packed = DurableDeferred.make("packed", { success: Schema.String })

const step = (key: string, name: string) =>
  Activity.make({ name, success: Schema.String, execute: Effect.as(note(`${key}:${name}`), name) })

const nap = (name: string) => DurableClock.sleep({ name, duration: "20 millis", inMemoryThreshold: 0 })

const Parcel = Workflow.make("parcel", { payload, idempotencyKey })

/** The code of a version, whose second activity has another name in some release. */
const parcelLayer = (weighing: string) =>
  Parcel.toLayer(
    Effect.fnUntraced(function* ({ key }) {
      yield* step(key, "measure")
      yield* step(key, weighing)
      yield* DurableDeferred.await(picked)
      yield* step(key, "label")
      yield* DurableDeferred.await(packed)
    })
  )

const Raced = Workflow.make("raced", { payload, idempotencyKey, success: Schema.String })

/** Both branches of a race do something before they wait. */
const RacedLive = Raced.toLayer(
  Effect.fnUntraced(function* ({ key }) {
    yield* step(key, "before")
    const winner = yield* DurableDeferred.raceAll({
      name: "picked or late",
      success: Schema.String,
      error: Schema.Never,
      effects: [
        Effect.andThen(step(key, "ask"), DurableDeferred.await(picked)),
        Effect.andThen(step(key, "remind"), Effect.as(nap("late"), "late"))
      ]
    })
    yield* step(key, "after")
    yield* nap("rest")
    yield* step(key, "last")
    yield* DurableDeferred.await(packed)
    return winner
  })
)

const startWorker = Effect.fnUntraced(function* (weighing: string) {
  const scope = yield* Scope.make()
  const worker = Layer.merge(parcelLayer(weighing), RacedLive).pipe(
    Layer.provide(EventWorkflow.layerWorker({ poll: "20 millis" }))
  )
  yield* Layer.build(Layer.fresh(worker)).pipe(Scope.provide(scope))
  return Scope.close(scope, Exit.void)
})

const warnings = Effect.gen(function* () {
  const checks = EventsDomain.domain.checks.filter((check) => check.name === "workflows")
  const findings = yield* Effect.forEach(checks, (check) => check.run)
  return findings.flat().flatMap(({ message, status }) => (status === "warn" ? [message] : []))
})

const alerts = Effect.gen(function* () {
  const started = yield* EventsDomain.domain.start
  const list = yield* started.alerts ?? Effect.succeed([])
  return list.flatMap(({ data, kind }) => (kind === "workflow.diverging" ? [data] : []))
}).pipe(Effect.scoped)

const unaskedOf = (id: string) =>
  Effect.flatMap(WorkflowExecutions, (executions) =>
    Effect.map(executions.get(id), ({ execution }) => execution.unasked)
  )

const send = (id: string, name: string) =>
  Effect.flatMap(WorkflowExecutions, (executions) => executions.signal(id, { name, value: "yes" }))

layer(EventWorkflow.layer.pipe(Layer.provideMerge(Base)), { excludeTestServices: true })(
  "An execution",
  (it) => {
    it.effect(
      "whose code has changed under its version is named by doctor and in alerts until it is finished",
      () =>
        Effect.gen(function* () {
          const endOld = yield* startWorker("weigh")
          const id = yield* Parcel.execute({ key: "p-9" }, { discard: true })
          yield* untilState(id, "suspended")
          yield* endOld
          assert.deepStrictEqual(yield* warnings, [])

          const endNew = yield* startWorker("weigh again")
          yield* send(id, "picked")
          yield* untilNote("p-9:label")
          yield* untilState(id, "suspended")
          assert.deepStrictEqual(yield* unaskedOf(id), ["weigh"])
          assert.deepStrictEqual(yield* warnings, [
            "1 executions of parcel, version 1, no longer ask for activities that they recorded"
          ])
          assert.deepStrictEqual(yield* alerts, [{ name: "parcel", version: 1, activity: "weigh" }])
          assert.deepStrictEqual(yield* alerts.pipe(provide(globex)), [])
          yield* send(id, "packed")
          yield* untilState(id, "succeeded")
          assert.deepStrictEqual(yield* unaskedOf(id), ["weigh"])
          assert.deepStrictEqual(yield* warnings, [])
          yield* endNew
        }).pipe(Effect.provideService(AllTenants, { actor: "test" }), provide(acme))
    )

    it.effect("whose race is decided is not named for what its branches did", () =>
      Effect.gen(function* () {
        const end = yield* startWorker("weigh")
        const id = yield* Raced.execute({ key: "r-4" }, { discard: true })
        yield* untilNote("r-4:last")
        yield* untilState(id, "suspended")
        assert.includeMembers(notesOf("r-4"), ["r-4:ask", "r-4:remind"])
        assert.deepStrictEqual(yield* unaskedOf(id), [])
        assert.deepStrictEqual(yield* warnings, [])
        yield* send(id, "packed")
        yield* untilState(id, "succeeded")
        assert.deepStrictEqual(yield* unaskedOf(id), [])
        assert.strictEqual(yield* stateOf(id), "succeeded")
        yield* end
      }).pipe(Effect.provideService(AllTenants, { actor: "test" }), provide(acme))
    )
  }
)
