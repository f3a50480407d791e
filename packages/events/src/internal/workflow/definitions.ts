/** Runs async functions as workflows of Effect's engine. */
import type { Workflow as AnyWorkflow } from "@hypermarket/core/Work"
import * as FailureText from "@hypermarket/core/FailureText"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Activity from "effect/workflow/Activity"
import * as DurableClock from "effect/workflow/DurableClock"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import * as Workflow from "effect/workflow/Workflow"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import {
  StepFailed,
  type Step,
  type StepContext,
  type StepOptions,
  type Time,
  type WorkflowDefinition
} from "../../WorkflowDefinition.ts"
import { CurrentRun } from "./activeRun.ts"
import { Version } from "./annotations.ts"

type Definition = WorkflowDefinition<object, unknown>

/** The services of a run. */
type Run = WorkflowEngine.WorkflowEngine | WorkflowEngine.WorkflowInstance | Scope.Scope

/** Attempts of an undo that throws. */
const undoAttempts = 10
const undoBackoffMillis = 100
const backoffMillisDefault = 1_000
/** The longest wait between two attempts: they wait in memory. */
const backoffMillisMax = 60_000

/** Interval at which a wait looks for a cancellation. */
const cancelInterval = "100 millis"

/** An error as it is recorded. */
const Failure = Schema.Struct({ reason: Schema.String, message: Schema.String })
type Failure = typeof Failure.Type

const failureOf = (error: unknown): Failure => {
  const cause = Cause.fail(error)
  return { reason: FailureText.reasonOf(cause), message: FailureText.describe(cause) }
}

const decodeJson = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))

/** Returns the value as it is after a run that reads it from its record. Throws for one that is not JSON. */
const toJson = (value: unknown): Schema.Json => decodeJson(JSON.stringify(value) ?? "null")

const millisOf = (time: Time): number => Duration.toMillis(Duration.fromInputUnsafe(time))

/** Any JSON object: Effect's workflows ask for a schema with fields. */
const Payload = Object.assign(Schema.Record(Schema.String, Schema.Json), { fields: {} })

const workflowOf = (definition: Definition) =>
  Workflow.make(definition.name, {
    payload: Payload,
    idempotencyKey: (input) => definition.execution(input).key,
    success: Schema.Json,
    error: Failure
  }).annotate(Version, definition.version)

/** Calls a function of the program with its context. */
const call = (
  name: string,
  run: (context: StepContext) => unknown
): Effect.Effect<Schema.Json, Failure, Run> =>
  Effect.flatMap(Activity.idempotencyKey(name), (idempotencyKey) =>
    Effect.tryPromise({
      try: async (signal) => toJson(await run({ idempotencyKey, signal })),
      catch: failureOf
    })
  )

/**
 * Waits before another attempt. A cancellation ends the wait: nothing is recorded, and the run suspends, where the
 * cancellation takes effect.
 */
const backOff = (millis: number): Effect.Effect<void, never, Run> =>
  Effect.gen(function* () {
    const instance = yield* WorkflowEngine.WorkflowInstance
    const run = yield* Effect.serviceOption(CurrentRun)
    const cancelled = Effect.sync(() => Option.isSome(run) && run.value.isCancelRequested).pipe(
      Effect.repeat({ until: (isCancelled) => isCancelled, schedule: Schedule.spaced(cancelInterval) })
    )
    const isCancelled = yield* Effect.raceFirst(Effect.as(Effect.sleep(millis), false), cancelled)
    if (isCancelled) return yield* Workflow.suspend(instance)
  })

/** Runs a function as an activity with attempts, and waits before each but the first. */
const activityOf = (
  name: string,
  attempts: number,
  backoffMillis: number,
  run: (context: StepContext) => unknown
): Effect.Effect<Schema.Json, Failure, Run> =>
  Activity.make({
    name,
    success: Schema.Json,
    error: Failure,
    execute: Effect.gen(function* () {
      const attempt = yield* Activity.CurrentAttempt
      if (attempt > 1) yield* backOff(Math.min(backoffMillisMax, backoffMillis * 2 ** (attempt - 2)))
      return yield* call(name, run)
    })
  }).pipe(Activity.retry({ times: attempts - 1 }))

/** Undoes a step when the execution fails. An undo that fails in every attempt is in the list of tasks. */
const undo = (name: string, run: (context: StepContext) => unknown) =>
  Workflow.addFinalizer((exit) =>
    Exit.isSuccess(exit)
      ? Effect.void
      : activityOf(`undo ${name}`, undoAttempts, undoBackoffMillis, run).pipe(
          Effect.catch((failure) =>
            Effect.logError(`The undo of the step ${name} of a workflow failed: ${failure.message}`)
          ),
          Effect.asVoid
        )
  )

const runStep = (
  name: string,
  run: (context: StepContext) => unknown,
  options: StepOptions<never>
): Effect.Effect<Schema.Json, StepFailed, Run> =>
  activityOf(
    name,
    options.attempts ?? 1,
    options.backoff === undefined ? backoffMillisDefault : millisOf(options.backoff),
    run
  ).pipe(
    Effect.tap((value) => {
      const undoOf: ((value: never, context: StepContext) => unknown) | undefined = options.undo
      // The value is what the step returned, as JSON.
      return undoOf === undefined ? Effect.void : undo(name, (context) => undoOf(value as never, context))
    }),
    Effect.mapError((failure) => new StepFailed({ step: name, ...failure }))
  )

const sleep = (name: string, time: Time) =>
  DurableClock.sleep({ name, duration: millisOf(time), inMemoryThreshold: 0 })

/** Returns the value of a signal in a list, and an empty list when the timeout ends first. */
const waitForSignal = (
  name: string,
  timeout: Time | undefined
): Effect.Effect<ReadonlyArray<Schema.Json>, never, Run> => {
  const arrived = Effect.map(
    DurableDeferred.await(DurableDeferred.make(name, { success: Schema.Json })),
    (value): ReadonlyArray<Schema.Json> => [value]
  )
  const late: ReadonlyArray<Schema.Json> = []
  return timeout === undefined
    ? arrived
    : DurableDeferred.raceAll({
        name: `signal ${name}`,
        success: Schema.Array(Schema.Json),
        error: Schema.Never,
        effects: [arrived, Effect.as(sleep(`timeout of ${name}`, timeout), late)]
      })
}

const runChild = (child: Definition, input: object): Effect.Effect<Schema.Json, StepFailed, Run> => {
  const { payload } = child.execution(input)
  return workflowOf(child)
    .execute(typeof payload === "object" && payload !== null && !Array.isArray(payload) ? { ...payload } : {})
    .pipe(Effect.mapError((failure) => new StepFailed({ step: child.name, ...failure })))
}

/** Runs the function until it ends or waits. When it waits, its promise never settles. */
const execute = (definition: Definition) =>
  Effect.fnUntraced(function* (
    input: object,
    executionId: string
  ): Effect.fn.Return<Schema.Json, Failure, Run> {
    const context = yield* Effect.context<Run>()
    const instance = yield* WorkflowEngine.WorkflowInstance
    const waits = yield* Deferred.make<void>()
    const fibers = new Set<Fiber.Fiber<unknown, unknown>>()
    let isEnded = false

    const promiseOf = <A>(effect: Effect.Effect<A, StepFailed, Run>): Promise<A> =>
      new Promise((resolve, reject) => {
        // The code of a run that has ended goes nowhere.
        if (isEnded) return
        const fiber = Effect.runForkWith(context)(effect)
        fibers.add(fiber)
        fiber.addObserver((exit) => {
          fibers.delete(fiber)
          if (isEnded) return
          if (Exit.isSuccess(exit)) resolve(exit.value)
          else if (Cause.hasInterruptsOnly(exit.cause)) Deferred.doneUnsafe(waits, Exit.void)
          else reject(Cause.squash(exit.cause))
        })
      })

    const step: Step = {
      executionId,
      // A step's result is typed by its function: what is recorded is its JSON.
      run: ((name: string, run: (context: StepContext) => unknown, options: StepOptions<never> = {}) =>
        promiseOf(runStep(name, run, options))) as Step["run"],
      sleep: (name, time) => promiseOf(sleep(name, time)),
      signal: (name, { timeout } = {}) =>
        promiseOf(Effect.map(waitForSignal(name, timeout), (values) => values[0])),
      child: ((child: Definition, childInput: object) =>
        promiseOf(runChild(child, childInput))) as Step["child"]
    }

    const ended = Effect.tryPromise({
      try: async () => toJson(await definition.run(step, input)),
      catch: failureOf
    })
    const suspended = Effect.andThen(Deferred.await(waits), Workflow.suspend(instance))
    return yield* Effect.raceFirst(ended, suspended).pipe(
      Effect.ensuring(
        Effect.suspend(() => {
          isEnded = true
          return Fiber.interruptAll(fibers)
        })
      )
    )
  })

const isDefinition = (workflow: AnyWorkflow): workflow is Definition =>
  hasProperty(workflow, "run") && hasProperty(workflow, "execution")

/** Registers a definition with the engine. */
export const layerOf = (workflow: AnyWorkflow): Layer.Layer<never, never, WorkflowEngine.WorkflowEngine> =>
  isDefinition(workflow)
    ? workflowOf(workflow).toLayer(execute(workflow))
    : Layer.effectDiscard(Effect.die(new TypeError(`${workflow.name} is no workflow of defineWorkflow`)))
