/**
 * Handlers of the workflows' HTTP group.
 *
 * @since 0.1.0
 */
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { WorkflowExecutions } from "./WorkflowExecutions.ts"
import { WorkflowsApi } from "./WorkflowsApi.ts"

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
      getWorkflow: ({ params }) => all.get(params.executionId).pipe(Storage.orUnavailable),
      listTasks: ({ params, query }) => all.tasks(params.executionId, query).pipe(Storage.orUnavailable),
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
