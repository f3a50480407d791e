/** Workers of two versions of a workflow that come and go, and what cancel and kill do in each state. */
import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide } from "@hypermarket/core/Tenant"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import { Effect, Exit, Layer, Scope } from "effect"
import {
  acme,
  Base,
  Live,
  Naps,
  notesOf,
  order,
  orderLayer,
  orderOf,
  Retries,
  stateOf,
  untilNote,
  untilState,
  Works
} from "./executionWorker.ts"

/** A worker of one version. Returns the effect that ends it. */
const startWorker = Effect.fnUntraced(function* (version: number) {
  const scope = yield* Scope.make()
  const worker = orderLayer(version).pipe(Layer.provide(EventWorkflow.layerWorker({ poll: "20 millis" })))
  yield* Layer.build(Layer.fresh(worker)).pipe(Scope.provide(scope))
  return Scope.close(scope, Exit.void)
})

const pay = (id: string) =>
  Effect.flatMap(WorkflowExecutions, (executions) => executions.signal(id, { name: "paid", value: 5 }))

const doctor = Effect.gen(function* () {
  const checks = EventsDomain.domain.checks.filter((check) => check.name === "workflows")
  const findings = yield* Effect.forEach(checks, (check) => check.run)
  return findings.flat().flatMap(({ message, status }) => (status === "fail" ? [message] : []))
})

const Versions = EventWorkflow.layer.pipe(Layer.provideMerge(Base))

layer(Versions, { excludeTestServices: true })(
  "Workers of versions 1 and 2, then 2 alone, then both",
  (it) => {
    it.effect(
      "run each execution on its own version; doctor names those that wait, which go on by themselves",
      () =>
        Effect.gen(function* () {
          const time = yield* Now.TestNow
          const keys = (version: number) => Array.from({ length: 4 }, (_, n) => `version ${version} of ${n}`)
          const startAll = (version: number) =>
            Effect.forEach(keys(version), (key) => orderOf(version).execute({ key }, { discard: true }))
          const endFirst = yield* startWorker(1)
          const endSecond = yield* startWorker(2)
          const [first, second] = yield* Effect.all([startAll(1), startAll(2)])
          yield* Effect.forEach([...first, ...second], (id) => untilState(id, "suspended"))

          yield* endFirst
          const [late] = yield* Effect.forEach(["late"], (key) => order.execute({ key }, { discard: true }))
          yield* Effect.forEach([...first, ...second], pay)
          yield* Effect.forEach(second, (id) => untilState(id, "succeeded"))
          const states = yield* Effect.forEach([...first, late ?? ""], stateOf)
          assert.deepStrictEqual(new Set(states), new Set(["ready"]))
          assert.deepStrictEqual(yield* doctor, [])
          yield* time.adjust("55 seconds")
          assert.deepStrictEqual(yield* doctor, [
            "5 executions of order, version 1, have waited for a worker for more than 30 s"
          ])

          const endAgain = yield* startWorker(1)
          yield* Effect.forEach(first, (id) => untilState(id, "succeeded"))
          yield* untilState(late ?? "", "suspended")
          assert.deepStrictEqual(yield* doctor, [])
          for (const version of [1, 2]) {
            for (const key of keys(version)) {
              assert.deepStrictEqual(notesOf(key), [`${key}:reserve ${version}`, `${key}:ship ${version}`])
            }
          }
          yield* Effect.all([endAgain, endSecond])
        }).pipe(Effect.provideService(AllTenants, { actor: "test" }), provide(acme))
    )
  }
)

layer(Live, { excludeTestServices: true })("An execution that is killed", (it) => {
  it.effect("while it sleeps, backs off or is finished, ends without compensations, or stays as it is", () =>
    Effect.gen(function* () {
      const executions = yield* WorkflowExecutions
      const naps = yield* Naps.execute({ key: "kill naps" }, { discard: true })
      yield* untilState(naps, "suspended")
      const retries = yield* Retries.execute({ key: "kill retries" }, { discard: true })
      yield* untilNote("kill retries:fails")
      const works = yield* Works.execute({ key: "kill this" }, { discard: true })
      yield* untilNote("kill this:works")
      yield* executions.cancel(works)
      for (const id of [naps, retries, works]) {
        yield* executions.kill(id)
        assert.strictEqual(yield* stateOf(id), "killed")
      }
      const paid = yield* order.execute({ key: "kill paid" }, { discard: true })
      yield* pay(paid)
      yield* untilState(paid, "succeeded")
      assert.strictEqual((yield* Effect.flip(executions.kill(paid)))._tag, "WorkflowFinished")
      assert.strictEqual((yield* Effect.flip(executions.cancel(paid)))._tag, "WorkflowFinished")
      assert.strictEqual(yield* stateOf(paid), "succeeded")
      // Its worker takes other work, and the killed ones note nothing more.
      const other = yield* order.execute({ key: "kill other" }, { discard: true })
      yield* pay(other)
      yield* untilState(other, "succeeded")
      for (const key of ["kill naps", "kill retries", "kill this"]) {
        assert.notInclude(notesOf(key), `${key}:undo`)
      }
      assert.deepStrictEqual(notesOf("kill naps"), ["kill naps:before"])
    }).pipe(provide(acme))
  )
})
