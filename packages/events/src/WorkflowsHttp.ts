/**
 * Handlers of the workflows' HTTP group.
 *
 * @since 0.1.0
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as AuditedReading from "@hypermarket/core/AuditedReading"
import * as Storage from "@hypermarket/core/Storage"
import * as Withheld from "@hypermarket/core/Withheld"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as SqlClient from "effect/sql/SqlClient"
import { WorkflowInspection, WorkflowTask } from "./WorkflowExecution.ts"
import { WorkflowExecutions } from "./WorkflowExecutions.ts"
import { WorkflowsApi } from "./WorkflowsApi.ts"

const withheld = [AccessScope.payload] as const

/** Without the scope an execution has no payload and no result; an error says what failed, and stays. */
const inspection = Withheld.unless(
  AccessScope.payload,
  (inspected: WorkflowInspection) =>
    new WorkflowInspection({ ...inspected, payload: null, result: null, withheld })
)

const task = Withheld.unless(
  AccessScope.payload,
  (recorded: WorkflowTask) => new WorkflowTask({ ...recorded, result: null, withheld })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  WorkflowsApi,
  "workflows",
  Effect.fn(function* (handlers) {
    const all = yield* WorkflowExecutions
    const readings = AuditedReading.make(yield* SqlClient.SqlClient)
    // A page shows an execution together with its tasks: both are one view.
    const recordReading = (executionId: string) =>
      readings.record({ action: "workflow.payload-read", target: { type: "workflow", id: executionId } })
    return handlers.handleAll({
      startWorkflow: ({ payload }) => all.start(payload).pipe(Storage.orUnavailable),
      listWorkflows: ({ query }) => all.list(query).pipe(Storage.orUnavailable),
      getWorkflow: Effect.fnUntraced(function* ({ params }) {
        const shown = (yield* inspection)(yield* all.get(params.executionId))
        if (shown.payload !== null || shown.result !== null) yield* recordReading(params.executionId)
        return shown
      }, Storage.orUnavailable),
      tasks: Effect.fnUntraced(function* ({ params, query }) {
        const page = yield* all.tasks(params.executionId, query)
        const items = page.items.map(yield* task)
        if (items.some(({ result }) => result !== null)) yield* recordReading(params.executionId)
        return { ...page, items }
      }, Storage.orUnavailable),
      signalWorkflow: ({ params, payload }) =>
        all.signal(params.executionId, payload).pipe(Storage.orUnavailable),
      resumeWorkflow: ({ params }) => all.resume(params.executionId).pipe(Storage.orUnavailable),
      retryWorkflow: ({ params, payload }) =>
        all.retry(params.executionId, payload).pipe(Storage.orUnavailable),
      cancelWorkflow: ({ params }) => all.cancel(params.executionId).pipe(Storage.orUnavailable),
      killWorkflow: ({ params }) => all.kill(params.executionId).pipe(Storage.orUnavailable)
    })
  })
)
