/**
 * Durable workflows: Effect's `Workflow`, `Activity`, `DurableClock` and `DurableDeferred` on Postgres.
 *
 * An execution survives the end of its process: it continues in any worker from the last recorded activity. A run is a job
 * of the queue `workflow.<name>.<version>`. What wakes an execution is stored in the transaction that enqueues its job.
 *
 * An activity runs at least once, and its result is recorded once, by name and attempt. A name that is used twice in one
 * execution returns the first result, so an activity in a loop has the index in its name.
 *
 * @since 0.1.0
 */
import type { Handler } from "@hypermarket/core/Handler"
import type { Tenant } from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import type { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import type { QueueTablesOutdated } from "@hypermarket/queue/QueueMigrations"
import * as WorkQueueWorker from "@hypermarket/queue/WorkQueueWorker"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import type * as SqlClient from "effect/sql/SqlClient"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import * as Annotations from "./internal/workflow/annotations.ts"
import * as Completions from "./internal/workflow/completions.ts"
import * as Core from "./internal/workflow/core.ts"
import * as Engine from "./internal/workflow/engine.ts"
import { prefix } from "./internal/prefix.ts"
import { Registry } from "./internal/workflow/registry.ts"
import * as Runner from "./internal/workflow/runner.ts"
import { clocks, events, WorkflowMaintenance } from "./WorkflowMaintenance.ts"

/**
 * The version of a workflow's code, an annotation of the workflow.
 *
 * An execution stays on the version that it was started with. It waits while no worker has registered this version.
 *
 * @default 1
 *
 * @category annotations
 * @since 0.1.0
 */
export const Version: Context.Reference<number> = Annotations.Version

/**
 * Commits the writes of an activity to this database together with its result, an annotation of the activity.
 *
 * The writes then happen exactly once. The activity must be short: it holds a transaction.
 *
 * @default false
 *
 * @category annotations
 * @since 0.1.0
 */
export const Transactional: Context.Reference<boolean> = Annotations.Transactional

/**
 * Maximum payload of an execution, in bytes of JSON.
 *
 * @category limits
 * @since 0.1.0
 */
export const payloadBytesMax = Annotations.payloadBytesMax

/**
 * Maximum result of an activity or an execution, in bytes of JSON. A larger one fails the activity with its name.
 *
 * @category limits
 * @since 0.1.0
 */
export const resultBytesMax = Annotations.resultBytesMax

/**
 * The workflows that are registered in this process.
 *
 * @category services
 * @since 0.1.0
 */
export { Registry }

/** Makes engine and registry, and watches the runs until the scope closes. */
const make = Effect.fnUntraced(function* (onRegister: (handler: QueueJob.Handler<Tenant>) => void) {
  const { operations, sql, statements } = yield* Core.make
  const completions = Completions.make()
  const handlers = new Map<string, QueueJob.Handler<Tenant>>()
  // Not in the fiber of a run: the loop would end with it.
  const detached = yield* Effect.context()
  const engine = Engine.make({
    sql,
    statements,
    operations,
    completions,
    register: (entry) =>
      Effect.sync(() => {
        const handler = runner.handler(entry)
        handlers.set(handler.queue, handler)
        onRegister(handler)
      }),
    fork: (loop) => void Effect.runForkWith(detached)(loop)
  })
  const runner = Runner.make({ statements, operations, completions, engine })
  yield* Effect.forkScoped(runner.watch)
  return Context.make(WorkflowEngine.WorkflowEngine, engine).pipe(
    Context.add(Registry, { handlers: Effect.sync(() => Array.from(handlers.values())) })
  )
})

/**
 * Effect's `WorkflowEngine` on the database. It starts no worker: pass {@link handlers} to one.
 *
 * Its methods read the tenant from the fiber. A call without `Tenant` is a defect.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  Registry | WorkflowEngine.WorkflowEngine,
  never,
  SqlClient.SqlClient | Wakeup
> = Layer.effectContext(make(() => undefined))

/** Registrations that follow one another within this time share a worker. */
const registrationGap = "20 millis"

/**
 * {@link layer} with a separate worker for what is registered, before and after it starts, for clocks, and for events of
 * subscriptions.
 *
 * For a process that does not run `EventWorker`. In one that does, use {@link layer} and {@link handlers}: one worker
 * claims for all of them.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWorker = (
  options: Pick<
    WorkQueueWorker.Options<never>,
    "batchMax" | "claimConcurrency" | "lease" | "poll" | "stopTimeout"
  > = {}
): Layer.Layer<Registry | WorkflowEngine.WorkflowEngine, never, SqlClient.SqlClient | Wakeup | ClaimClient> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const registered = yield* Queue.unbounded<QueueJob.Handler<Tenant>>()
      const context = yield* make((handler) => Queue.offerUnsafe(registered, handler))
      const maintenance = yield* Layer.build(WorkflowMaintenance.layer)
      const handlerOf = (handler: Handler<WorkflowMaintenance | Tenant>): QueueJob.Handler<Tenant> => ({
        ...handler,
        transactional: false,
        run: (jobs) => Effect.provideContext(handler.run(jobs), maintenance)
      })
      const run = (handlers: ReadonlyArray<QueueJob.Handler<Tenant>>) =>
        // The queue's worker provides the tenant of each job.
        WorkQueueWorker.run({ ...options, prefix, handlers }) as Effect.Effect<
          void,
          QueueTablesOutdated,
          Scope.Scope | SqlClient.SqlClient | ClaimClient | Wakeup
        >
      yield* Effect.orDie(run([clocks, events].map(handlerOf)))
      yield* Queue.take(registered).pipe(
        Effect.tap(Effect.sleep(registrationGap)),
        Effect.flatMap((first) =>
          Effect.flatMap(Queue.clear(registered), (rest) => Effect.orDie(run([first, ...rest])))
        ),
        Effect.forever,
        Effect.forkScoped
      )
      return context
    })
  )

/**
 * Handlers of the workflows that are registered by now.
 *
 * Pass them to `EventWorker.run`, after the layers of the workflows are built.
 *
 * @category running
 * @since 0.1.0
 */
export const handlers: Effect.Effect<
  ReadonlyArray<QueueJob.Handler<Tenant>>,
  never,
  Registry
> = Effect.flatMap(Registry, (registry) => registry.handlers)
