/** Runs executions for their jobs, and watches the runs in progress. */
import * as FailureText from "@hypermarket/core/FailureText"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import * as Workflow from "effect/workflow/Workflow"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import { ActiveRun, CurrentRun, RunLost, RunSession } from "./activeRun.ts"
import { ResultTooLarge, resultBytesMax } from "./annotations.ts"
import { retryOutage } from "./checkpoints.ts"
import type { Completions } from "./completions.ts"
import type { Registered } from "./engine.ts"
import * as Metrics from "./metrics.ts"
import * as Exits from "./exits.ts"
import { queueOf } from "./names.ts"
import type { Operations } from "./operations.ts"
import { keyOf } from "./rows.ts"
import type { Statements } from "./statements.ts"

/** Concurrent runs of a version per process: most of them wait for something outside. */
const concurrencyDefault = 64
/** Attempts of a run that an outage ends, at most ten seconds apart: about three hours. */
const retry = { attempts: 1_000, base: "1 second", max: "10 seconds" } as const
/** An activity may take long; a run that takes longer continues in another attempt. */
const deadline = "1 day"
/** Interval at which runs in progress learn of signals, cancellations and lost executions. */
const watchInterval = "250 millis"
/** Shorter runs are not watched: they are done before. */
const watchedAfterMillis = 200
const unaskedMax = 20

const JobPayload = Schema.Struct({ executionId: Schema.String, wake: Schema.Int })
const decodePayload = Schema.decodeUnknownEffect(JobPayload)

export interface Options {
  readonly statements: Statements
  readonly operations: Operations
  readonly completions: Completions
  readonly engine: WorkflowEngine.WorkflowEngine["Service"]
}

/** The outcome of a run: null when it ended without one. */
type Outcome = Workflow.Result<unknown, unknown> | null

const stateOf = (run: ActiveRun, exit: Exit.Exit<unknown, unknown>) =>
  Exit.isSuccess(exit) ? "succeeded" : run.instance.interrupted ? "cancelled" : "failed"

/** Makes the runner of a process. */
export const make = (options: Options) => {
  const { engine, operations, statements } = options
  const active = new Set<ActiveRun>()

  /** Notes that the finalizers of the workflow run, before the first of them does. */
  const compensate = (run: ActiveRun): Effect.Effect<void> =>
    run.instance.scope.state._tag === "Empty"
      ? Effect.void
      : retryOutage(Effect.flatMap(Now.now, (now) => statements.compensate(run, now))).pipe(
          Effect.matchCause({
            onFailure: (cause) => run.lose(cause),
            onSuccess: ([row]) => (row === undefined ? run.lose(Cause.fail(new RunLost())) : undefined)
          })
        )

  /** Runs the code once, from the recorded results to its end or to what it waits for. */
  const runCode = (registered: Registered, run: ActiveRun, payload: object): Effect.Effect<Outcome> => {
    const { instance } = run
    const suspendsOnFailure = Context.get(instance.workflow.annotations, Workflow.SuspendOnFailure)
    const code = registered.execute(payload, run.executionId).pipe(
      Effect.onExit((exit) => {
        if (run.isAbandoned) return Effect.void
        const suspends = instance.suspended || (suspendsOnFailure && Exit.isFailure(exit))
        if (!suspends) return Exit.isFailure(exit) ? compensate(run) : Effect.void
        if (!run.isCancelled) return Effect.void
        // A cancellation takes effect where the run would suspend, as in Effect's engines.
        const interrupt = Effect.suspend(() => {
          if (run.isAbandoned) return Effect.void
          instance.interrupted = true
          instance.suspended = false
          return Effect.withFiber<void>((fiber) => Effect.interruptible(Fiber.interrupt(fiber)))
        })
        return Effect.andThen(compensate(run), interrupt)
      }),
      Workflow.intoResult,
      Effect.provideService(WorkflowEngine.WorkflowEngine, engine),
      Effect.provideService(WorkflowEngine.WorkflowInstance, instance),
      Effect.provideService(CurrentRun, run)
    )
    return Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const fiber = yield* Effect.forkDetach(Effect.interruptible(code))
        run.fiber = fiber
        active.add(run)
        const exit = yield* restore(Fiber.await(fiber)).pipe(
          Effect.onInterrupt(() => {
            run.abandon()
            return Fiber.interrupt(fiber)
          }),
          Effect.ensuring(Effect.sync(() => active.delete(run)))
        )
        if (run.isAbandoned) return null
        if (Exit.isSuccess(exit)) return exit.value
        // Something that the run waits for arrived.
        if (instance.suspended && Cause.hasInterruptsOnly(exit.cause)) return new Workflow.Suspended({})
        // The code interrupted itself, or has a defect that is not captured.
        return new Workflow.Complete({ exit })
      })
    )
  }

  /** Releases what the run holds in this process, without the finalizers of the workflow. */
  const close = (run: ActiveRun) => {
    run.instance.abandoned = true
    return Scope.close(run.instance.scope, Exit.void)
  }

  const encodeResult = Effect.fnUntraced(function* (
    registered: Registered,
    exit: Exit.Exit<unknown, unknown>
  ): Effect.fn.Return<{ readonly exit: Exit.Exit<unknown, unknown>; readonly text: string }> {
    const { encodeResult: encode } = Exits.codecOf(registered.workflow)
    const encoded = yield* Effect.exit(encode(exit))
    const defect = Exit.isFailure(encoded)
      ? Exit.failCause(encoded.cause)
      : Buffer.byteLength(encoded.value) > resultBytesMax
        ? Exit.die(new ResultTooLarge({ name: registered.name, bytes: Buffer.byteLength(encoded.value) }))
        : undefined
    if (defect === undefined) return { exit, text: Exit.isSuccess(encoded) ? encoded.value : "" }
    return { exit: defect, text: yield* encode(defect) }
  })

  const finish = Effect.fnUntraced(function* (
    registered: Registered,
    run: ActiveRun,
    result: Exit.Exit<unknown, unknown>
  ) {
    const { exit, text } = yield* encodeResult(registered, result)
    const state = stateOf(run, exit)
    const isFinished = yield* retryOutage(
      operations.finish(run, {
        state,
        result: text,
        error: Exit.isFailure(exit) ? FailureText.describe(exit.cause) : null,
        unasked: run.unasked(unaskedMax)
      })
    )
    if (isFinished) options.completions.finished(run.tenantId, run.executionId)
    yield* Metrics.runEnded(registered.name, isFinished ? state : "lost")
  })

  /** Begins a run. Returns undefined when another job may run the execution, or none. */
  const begin = Effect.fnUntraced(function* (
    registered: Registered,
    session: RunSession,
    wake: number,
    isFirst: boolean
  ) {
    const { executionId, runId, tenantId } = session
    const previousRunId = isFirst ? null : runId
    const [row] = yield* retryOutage(
      Effect.flatMap(Now.now, (now) =>
        statements.begin({ tenantId, executionId, wake, runId, previousRunId }, now)
      )
    )
    if (row === undefined) return undefined
    // Read after the row is marked: what is stored from now on marks it as woken.
    const tasks = yield* retryOutage(statements.tasks(tenantId, executionId))
    const run = new ActiveRun({
      session,
      startedAtMillis: yield* Clock.currentTimeMillis,
      instance: WorkflowEngine.WorkflowInstance.initial(registered.workflow, executionId),
      isCancelled: row.cancelRequested,
      tasks
    })
    return { run, payload: row.payload }
  })

  /** Runs until the execution is finished or waits. Fails when an outage or a lost lease ends the run. */
  const runSession = Effect.fnUntraced(function* (
    registered: Registered,
    session: RunSession,
    wake: number
  ): Effect.fn.Return<void, SqlError> {
    let isFirst = true
    while (true) {
      const begun = yield* begin(registered, session, wake, isFirst)
      if (begun === undefined) return
      isFirst = false
      const { run } = begun
      const payload = yield* Effect.exit(Exits.codecOf(registered.workflow).decodePayload(begun.payload))
      if (Exit.isFailure(payload)) return yield* finish(registered, run, payload)
      const outcome = yield* Effect.onExit(runCode(registered, run, payload.value), () => close(run))
      if (outcome === null) {
        yield* Metrics.runEnded(registered.name, "lost")
        if (run.lost === undefined) return yield* Effect.interrupt
        const failure = Cause.squash(run.lost)
        // The job is done: the execution is killed, or another job runs it.
        return failure instanceof RunLost ? undefined : yield* Effect.die(failure)
      }
      if (outcome._tag === "Complete") return yield* finish(registered, run, outcome.exit)
      if (run.isRepeated) continue
      const [suspended] = yield* retryOutage(
        Effect.flatMap(Now.now, (now) =>
          statements.suspend(
            run,
            {
              needsResume: outcome.failed === true,
              error: outcome.cause === undefined ? null : FailureText.describe(outcome.cause),
              unasked: run.unasked(unaskedMax)
            },
            now
          )
        )
      )
      if (suspended !== undefined) return yield* Metrics.runEnded(registered.name, "suspended")
    }
  })

  const runExecution = Effect.fnUntraced(function* (
    registered: Registered,
    job: { readonly tenantId: string; readonly executionId: string; readonly wake: number }
  ) {
    const { executionId, tenantId, wake } = job
    const session = new RunSession({ tenantId, executionId, runId: yield* Identifier.next })
    yield* Effect.ensuring(
      runSession(registered, session, wake),
      // Losers of races that no later run has asked for.
      Effect.suspend(() => Fiber.interruptAll(session.inFlight.values()))
    )
  })

  const handler = (
    registered: Registered,
    concurrency: number = concurrencyDefault
  ): QueueJob.Handler<Tenant> => ({
    queue: queueOf(registered.name, registered.version),
    batchMax: 1,
    concurrency,
    transactional: false,
    retry,
    deadline,
    run: ([job]) =>
      Effect.gen(function* () {
        if (job === undefined) return
        const { id } = yield* Tenant
        const { executionId, wake } = yield* decodePayload(job.payload)
        yield* runExecution(registered, { tenantId: id, executionId, wake })
      })
  })

  const watchOnce = Effect.gen(function* () {
    const now = yield* Clock.currentTimeMillis
    const runs = Array.from(active).filter((run) => run.startedAtMillis + watchedAfterMillis <= now)
    if (runs.length === 0) return
    const rows = new Map((yield* statements.watch(runs)).map((row) => [row.runId, row]))
    for (const run of runs) {
      const row = rows.get(run.runId)
      if (!active.has(run)) continue
      if (row === undefined) {
        run.lose(Cause.fail(new RunLost()))
        continue
      }
      run.isCancelled ||= row.cancelRequested
      if (row.woken === 0) continue
      if (run.instance.awaitedDeferreds.size === 0) continue
      for (const task of yield* statements.tasks(run.tenantId, run.executionId)) {
        if (task.result !== null && !run.results.has(keyOf(task))) run.preempt(task.name)
      }
    }
  })

  /** Watches until the scope closes. */
  const watch = watchOnce.pipe(
    Effect.catchCause((cause) =>
      Effect.logWarning("Watching runs of workflows failed; it is tried again", cause)
    ),
    Effect.repeat(Schedule.spaced(watchInterval))
  )

  return { handler, watch }
}
