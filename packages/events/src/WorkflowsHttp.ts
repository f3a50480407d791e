/**
 * Handlers of the workflows' HTTP group.
 *
 * @since 0.1.0
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as Storage from "@hypermarket/core/Storage"
import * as Withheld from "@hypermarket/core/Withheld"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
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
    return handlers.handleAll({
      startWorkflow: ({ payload }) => all.start(payload).pipe(Storage.orUnavailable),
      listWorkflows: ({ query }) => all.list(query).pipe(Storage.orUnavailable),
      getWorkflow: ({ params }) =>
        Effect.map(Effect.all([all.get(params.executionId), inspection]), ([found, shown]) =>
          shown(found)
        ).pipe(Storage.orUnavailable),
      listTasks: ({ params, query }) =>
        Effect.map(Effect.all([all.tasks(params.executionId, query), task]), ([page, shown]) => ({
          ...page,
          items: page.items.map(shown)
        })).pipe(Storage.orUnavailable),
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
