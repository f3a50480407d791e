/** Effect's `WorkflowEngine` on the tables of executions and tasks. */
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type * as Activity from "effect/workflow/Activity"
import * as Workflow from "effect/workflow/Workflow"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import { type ActiveRun, CurrentRun, RunLost } from "./activeRun.ts"
import * as Checkpoints from "./checkpoints.ts"
import type { Completions } from "./completions.ts"
import * as Exits from "./exits.ts"
import type { Operations } from "./operations.ts"
import { keyOf } from "./rows.ts"
import type { Statements } from "./statements.ts"
import {
  PayloadTooLarge,
  payloadBytesMax,
  ResultTooLarge,
  resultBytesMax,
  Transactional,
  Version
} from "./annotations.ts"

/** The code of a version of a workflow. */
export interface Registered {
  readonly workflow: Workflow.Any
  readonly name: string
  readonly version: number
  readonly execute: (
    payload: object,
    executionId: string
  ) => Effect.Effect<unknown, unknown, WorkflowEngine.WorkflowInstance | WorkflowEngine.WorkflowEngine>
}

export interface Options {
  readonly sql: SqlClient
  readonly statements: Statements
  readonly operations: Operations
  readonly completions: Completions
  readonly register: (registered: Registered) => Effect.Effect<void>
  readonly fork: (loop: Effect.Effect<void>) => void
}

/** How often a caller looks whether an execution has finished in another process. */
const finishedPoll = Schedule.min([Schedule.exponential("50 millis", 1.5), Schedule.spaced("1 second")])

/** The engine's methods have no error and no tenant in their types: the first is a defect, and the other one's absence. */
const tenantId: Effect.Effect<string> = Effect.flatMap(Effect.serviceOption(Tenant), (tenant) =>
  Option.isSome(tenant)
    ? Effect.succeed(tenant.value.id)
    : Effect.die(new Error("A workflow needs a tenant: provide Tenant around the call"))
)

const currentRun: Effect.Effect<ActiveRun> = Effect.flatMap(Effect.serviceOption(CurrentRun), (run) =>
  Option.isSome(run) ? Effect.succeed(run.value) : Effect.die(new Error("Not inside a run of a workflow"))
)

const encoder = new TextEncoder()

/** Returns the bytes of a text that has more than a number of them; undefined otherwise. */
const bytesOver = (text: string, bytesMax: number): number | undefined => {
  // A UTF-16 code unit is at most three bytes of UTF-8.
  if (text.length * 3 <= bytesMax) return undefined
  const bytes = encoder.encode(text).length
  return bytes > bytesMax ? bytes : undefined
}

/** Encodes a result, or the failure that replaces one that is too large. */
const encodeBounded = Effect.fnUntraced(function* (
  name: string,
  exit: Exit.Exit<unknown, unknown>,
  encode: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<string> = Exits.encodeActivity
) {
  const text = yield* encode(exit)
  const bytes = bytesOver(text, resultBytesMax)
  if (bytes === undefined) return { exit, text }
  const tooLarge = Exit.die(new ResultTooLarge({ name, bytes }))
  return { exit: tooLarge, text: yield* encode(tooLarge) }
})

/** Marks a failure, so that the writes of an activity roll back while its result is recorded. */
class RolledBack {
  readonly result: Workflow.Result<unknown, unknown>
  constructor(result: Workflow.Result<unknown, unknown>) {
    this.result = result
  }
}

/** Makes the engine of a process. */
export const make = (options: Options) => {
  const { operations, sql, statements } = options
  const checkpoints = Checkpoints.make(statements, options.fork)

  /** A result that cannot be recorded ends the run: another one continues from the last result that was. */
  const lose = (run: ActiveRun, cause: Cause.Cause<unknown>): Effect.Effect<never> =>
    Effect.andThen(
      // An activity may have begun in an earlier run of the session.
      Effect.sync(() => (run.session.current ?? run).lose(cause)),
      Effect.interrupt
    )

  /** An outage ends a run without a result: as a defect of its code it would fail the execution. */
  const durably = <A, R>(self: Effect.Effect<A, SqlError, R>): Effect.Effect<A, never, R> =>
    Effect.catch(Checkpoints.retryOutage(self), (error) =>
      Effect.flatMap(Effect.serviceOption(CurrentRun), (run) =>
        Option.isSome(run) ? lose(run.value, Cause.fail(error)) : Effect.die(error)
      )
    )

  /** Records a result of the run, and returns the one that counts: the first. */
  const record = Effect.fnUntraced(function* (
    run: ActiveRun,
    kind: "activity" | "deferred",
    name: string,
    attempt: number,
    encoded: { readonly text: string; readonly outcome: "succeeded" | "failed" }
  ) {
    const task = { kind, name, attempt } as const
    const stored = yield* Effect.exit(
      checkpoints.record({
        ...task,
        tenantId: run.tenantId,
        executionId: run.executionId,
        runId: run.runId,
        result: encoded.text,
        outcome: encoded.outcome
      })
    )
    if (Exit.isFailure(stored)) return yield* lose(run, stored.cause)
    if (stored.value === undefined) return yield* lose(run, Cause.fail(new RunLost()))
    if (stored.value.cancelRequested) (run.session.current ?? run).isCancelled = true
    let text = encoded.text
    if (!stored.value.isStored) {
      const existing = yield* Effect.exit(Checkpoints.retryOutage(statements.recorded(run, task)))
      if (Exit.isFailure(existing)) return yield* lose(run, existing.cause)
      const first = existing.value[0]?.result
      if (first === undefined || first === null) return yield* lose(run, Cause.fail(new RunLost()))
      text = first
    }
    run.results.set(keyOf(task), text)
    return text
  })

  const runActivity = (
    run: ActiveRun,
    activity: Activity.Any,
    instance: WorkflowEngine.WorkflowInstance["Service"]
  ) => {
    const inner = WorkflowEngine.WorkflowInstance.initial(instance.workflow, instance.executionId, {
      awaitedDeferreds: run.activityAwaits
    })
    inner.interrupted = instance.interrupted
    return activity.executeEncoded.pipe(
      Workflow.intoResult,
      Effect.provideService(WorkflowEngine.WorkflowInstance, inner)
    ) as Effect.Effect<Workflow.Result<unknown, unknown>>
  }

  /** Commits the writes of the activity together with its result. */
  const runTransactional = Effect.fnUntraced(function* (
    run: ActiveRun,
    activity: Activity.Any,
    attempt: number,
    instance: WorkflowEngine.WorkflowInstance["Service"]
  ) {
    const task = { kind: "activity", name: activity.name, attempt } as const
    const body = Effect.gen(function* () {
      const result = yield* runActivity(run, activity, instance)
      if (result._tag === "Suspended" || Exit.isFailure(result.exit))
        return yield* Effect.fail(new RolledBack(result))
      const { exit, text } = yield* encodeBounded(activity.name, result.exit)
      if (Exit.isFailure(exit)) return yield* Effect.fail(new RolledBack(new Workflow.Complete({ exit })))
      const [row] = yield* statements.checkpoint(
        [
          {
            ...task,
            tenantId: run.tenantId,
            executionId: run.executionId,
            runId: run.runId,
            result: text,
            outcome: "succeeded"
          }
        ],
        yield* Now.now
      )
      if (row?.isStored !== true) return yield* Effect.fail(new RunLost())
      if (row.cancelRequested) (run.session.current ?? run).isCancelled = true
      run.results.set(keyOf(task), text)
      return result
    })
    const exit = yield* Effect.exit(transactionOf(sql)(body))
    if (Exit.isSuccess(exit)) return { result: exit.value, isRecorded: true }
    const failure = Cause.findErrorOption(exit.cause)
    if (Option.isSome(failure) && failure.value instanceof RolledBack) {
      return { result: failure.value.result, isRecorded: false }
    }
    return yield* lose(run, exit.cause)
  })

  /** Runs an activity and records its result. */
  const perform = Effect.fnUntraced(function* (
    run: ActiveRun,
    activity: Activity.Any,
    attempt: number,
    instance: WorkflowEngine.WorkflowInstance["Service"]
  ): Effect.fn.Return<Workflow.Result<unknown, unknown>> {
    let result: Workflow.Result<unknown, unknown>
    if (Context.get(activity.annotations, Transactional)) {
      const done = yield* runTransactional(run, activity, attempt, instance)
      if (done.isRecorded) return done.result
      result = done.result
    } else result = yield* runActivity(run, activity, instance)
    if (result._tag === "Suspended") return result
    const { exit, text } = yield* encodeBounded(activity.name, result.exit)
    const first = yield* Effect.uninterruptible(
      record(run, "activity", activity.name, attempt, { text, outcome: Exits.outcomeOf(exit) })
    )
    return new Workflow.Complete({ exit: first === text ? exit : yield* Exits.decodeActivity(first) })
  })

  const engine: WorkflowEngine.WorkflowEngine["Service"] = WorkflowEngine.makeUnsafe({
    register: (workflow, execute) =>
      options.register({
        workflow,
        name: workflow._tag,
        version: Context.get(workflow.annotations, Version),
        execute
      }),

    execute: Effect.fnUntraced(function* (workflow, { detached, executionId, parent, payload }) {
      const tenant = yield* tenantId
      const run = parent === undefined ? undefined : yield* currentRun
      const recorded = run?.ask({ kind: "child", name: executionId, attempt: 1 })
      const { decodeResult, encodePayload } = Exits.codecOf(workflow)
      if (recorded !== undefined) return new Workflow.Complete({ exit: yield* decodeResult(recorded) })
      const encoded = yield* encodePayload(payload)
      const bytes = bytesOver(encoded, payloadBytesMax)
      if (bytes !== undefined) return yield* Effect.die(new PayloadTooLarge({ name: workflow._tag, bytes }))
      const status = yield* durably(
        operations.start(
          tenant,
          {
            executionId,
            name: workflow._tag,
            version: Context.get(workflow.annotations, Version),
            payload: encoded,
            parentId: run?.executionId ?? null
          },
          run === undefined ? undefined : { executionId: run.executionId, isDetached: detached === true }
        )
      )
      return status === undefined || status.result === null
        ? new Workflow.Suspended({})
        : new Workflow.Complete({ exit: yield* decodeResult(status.result) })
    }) as WorkflowEngine.Encoded["execute"],

    poll: Effect.fnUntraced(function* (workflow, executionId) {
      const status = yield* durably(operations.status(yield* tenantId, executionId))
      if (status === undefined) return Option.none()
      if (status.result !== null) {
        return Option.some(
          new Workflow.Complete({ exit: yield* Exits.codecOf(workflow).decodeResult(status.result) })
        )
      }
      if (status.state !== "suspended") return Option.none()
      return Option.some(
        new Workflow.Suspended(
          status.needsResume ? { failed: true, cause: Cause.die(new Error(status.error ?? "")) } : {}
        )
      )
    }),

    awaitComplete: Effect.fnUntraced(function* (_workflow, executionId) {
      const tenant = yield* tenantId
      const polled = durably(operations.status(tenant, executionId)).pipe(
        Effect.repeat({ schedule: finishedPoll, until: (status) => status?.result != null })
      )
      yield* Effect.raceFirst(Effect.asVoid(polled), options.completions.wait(tenant, executionId))
    }),

    interrupt: (_workflow, executionId) =>
      Effect.flatMap(tenantId, (tenant) => durably(Effect.asVoid(operations.cancel(tenant, executionId)))),

    interruptUnsafe: (_workflow, executionId) =>
      Effect.flatMap(tenantId, (tenant) => durably(Effect.asVoid(operations.kill(tenant, executionId)))),

    resume: (_workflow, executionId) =>
      Effect.flatMap(tenantId, (tenant) => durably(operations.resume(tenant, executionId))),

    activityExecute: Effect.fnUntraced(function* (activity, attempt) {
      const run = yield* currentRun
      const instance = yield* WorkflowEngine.WorkflowInstance
      const recorded = run.ask({ kind: "activity", name: activity.name, attempt })
      if (recorded !== undefined)
        return new Workflow.Complete({ exit: yield* Exits.decodeActivity(recorded) })
      // A cancellation replays only to rebuild compensations. Finalizers run once `interrupted` is set.
      if (run.isCancelled && !instance.interrupted) return new Workflow.Suspended({})
      const key = keyOf({ kind: "activity", name: activity.name, attempt })
      const { inFlight } = run.session
      const fiber =
        inFlight.get(key) ??
        (yield* Effect.forkDetach(Effect.interruptible(perform(run, activity, attempt, instance))))
      inFlight.set(key, fiber)
      const exit = yield* Effect.onInterrupt(Fiber.await(fiber), () =>
        // An arrival suspends the run and not its activities: they would run twice.
        run.isPreempted ? Effect.void : Fiber.interrupt(fiber)
      )
      inFlight.delete(key)
      return yield* exit
    }),

    deferredResult: Effect.fnUntraced(function* (deferred) {
      const run = yield* currentRun
      const recorded = run.ask({ kind: "deferred", name: deferred.name, attempt: 1 })
      return recorded === undefined ? Option.none() : Option.some(yield* Exits.decodeSignal(recorded))
    }),

    deferredDone: Effect.fnUntraced(function* ({ deferredName, executionId, exit, workflowName }) {
      const tenant = yield* tenantId
      const run = Option.getOrUndefined(yield* Effect.serviceOption(CurrentRun))
      if (run === undefined || run.executionId !== executionId) {
        yield* durably(operations.signal(tenant, { executionId, workflowName }, deferredName, exit))
        return
      }
      if (run.results.has(keyOf({ kind: "deferred", name: deferredName, attempt: 1 }))) return
      const text = yield* Exits.encodeSignal(exit)
      yield* Effect.uninterruptible(
        record(run, "deferred", deferredName, 1, { text, outcome: Exits.outcomeOf(exit) })
      )
      if (run.instance.awaitedDeferreds.has(deferredName) || run.activityAwaits.has(deferredName)) {
        run.isRepeated = true
        run.preempt(deferredName)
      }
    }),

    scheduleClock: Effect.fnUntraced(function* (_workflow, { clock, executionId }) {
      const run = Option.getOrUndefined(yield* Effect.serviceOption(CurrentRun))
      if (run?.clocks.has(clock.deferred.name) === true) return
      const tenant = yield* tenantId
      const millis = Duration.toMillis(clock.duration)
      yield* durably(operations.scheduleClock(tenant, executionId, clock.deferred.name, millis))
      run?.clocks.add(clock.deferred.name)
    })
  })

  return engine
}
