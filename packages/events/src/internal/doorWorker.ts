/** The worker of the Promise door. */
import type * as Work from "@hypermarket/core/Work"
import type { Tenant } from "@hypermarket/core/Tenant"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as QueueJob from "@hypermarket/queue/QueueJob"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EventWorker from "../EventWorker.ts"
import * as EventWorkflow from "../EventWorkflow.ts"
import * as Definitions from "./workflow/definitions.ts"

const toHandler = (runnable: Work.Runnable): QueueJob.Handler<Tenant> => ({
  queue: runnable.queue,
  batchMax: runnable.batchMax,
  concurrency: runnable.concurrency,
  transactional: runnable.transactional,
  retry: runnable.retry,
  deadline: runnable.deadlineMillis,
  run: (jobs) =>
    Effect.map(
      runnable.run(jobs),
      (failed) => new QueueJob.JobRejections(failed.map(({ error, job }) => ({ job, rejected: error })))
    )
})

/** Runs handlers, workflows and the domains' work until the scope closes. */
export const run: Work.Run = Effect.fnUntraced(function* ({ database, domains, handlers, workflows }) {
  const claims = yield* Layer.build(ClaimClient.layer(database))
  const registered = yield* Layer.build(
    Layer.mergeAll(Layer.empty, ...workflows.map(Definitions.layerOf)).pipe(
      Layer.provideMerge(EventWorkflow.layer)
    )
  )
  const workflowHandlers = yield* Effect.provideContext(EventWorkflow.handlers, registered)
  yield* EventWorker.run({ domains, handlers: [...workflowHandlers, ...handlers.map(toHandler)] }).pipe(
    Effect.provideService(ClaimClient, Context.get(claims, ClaimClient)),
    // The tables are those of a release that works with this one: the connection has examined them.
    Effect.catchTag("QueueTablesOutdated", Effect.die)
  )
})
