/**
 * The HTTP group of workflows: start, inspect, signal, cancel. Schemas and endpoints only.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { RequestDeadline, RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as Page from "@hypermarket/core/Page"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import {
  ExecutionId,
  NewExecution,
  NewSignal,
  Query,
  WorkflowActivityNotFound,
  WorkflowCompensated,
  WorkflowExecution,
  WorkflowFinished,
  WorkflowInspection,
  WorkflowNotFound,
  WorkflowRetry,
  WorkflowTask
} from "./WorkflowExecution.ts"

const created = HttpApiSchema.status(201)
const ofExecution = {
  params: { executionId: ExecutionId },
  success: HttpApiSchema.NoContent,
  error: [WorkflowNotFound, WorkflowFinished]
} as const

/**
 * @category api
 * @since 0.1.0
 */
export class WorkflowGroup extends Endpoint.group(
  "workflows",
  {
    title: "Workflows",
    description:
      "A workflow is code of the tenant's worker that survives the end of its process: an execution continues after its last recorded activity. Each task of an execution is an activity, a clock, a signal or a child, with its result."
  },
  /** No Idempotency-Key: name and key are the key. */
  HttpApiEndpoint.post("startWorkflow", "/v1/events/workflows", {
    payload: NewExecution,
    success: WorkflowExecution.pipe(created)
  })
    .annotate(RequiredScope, "events:write")
    .annotate(NotAudited, "executions are their own record"),
  HttpApiEndpoint.get("listWorkflows", "/v1/events/workflows", {
    query: Query,
    success: Page.schema(WorkflowExecution),
    error: Page.CursorInvalid
  })
    .annotate(RequiredScope, "events:read")
    .annotate(RequestDeadline, "10 seconds"),
  HttpApiEndpoint.get("getWorkflow", "/v1/events/workflows/:executionId", {
    params: { executionId: ExecutionId },
    success: WorkflowInspection,
    error: WorkflowNotFound
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.get("tasks", "/v1/events/workflows/:executionId/tasks", {
    params: { executionId: ExecutionId },
    query: Page.Query,
    success: Page.schema(WorkflowTask),
    error: [WorkflowNotFound, Page.CursorInvalid]
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.post("signalWorkflow", "/v1/events/workflows/:executionId/signals", {
    ...ofExecution,
    payload: NewSignal
  })
    .annotate(RequiredScope, "events:write")
    .annotate(NotAudited, "signals are their own record"),
  HttpApiEndpoint.post("resumeWorkflow", "/v1/events/workflows/:executionId/resume", ofExecution)
    .annotate(RequiredScope, "events:admin")
    .annotate(Audited, "workflow.resumed"),
  HttpApiEndpoint.post("retryWorkflow", "/v1/events/workflows/:executionId/retry", {
    params: { executionId: ExecutionId },
    payload: WorkflowRetry,
    success: HttpApiSchema.NoContent,
    error: [WorkflowNotFound, WorkflowActivityNotFound, WorkflowCompensated]
  })
    .annotate(RequiredScope, "events:admin")
    .annotate(Audited, "workflow.retried"),
  HttpApiEndpoint.post("cancelWorkflow", "/v1/events/workflows/:executionId/cancel", ofExecution)
    .annotate(RequiredScope, "events:admin")
    .annotate(Audited, "workflow.cancelled"),
  HttpApiEndpoint.post("killWorkflow", "/v1/events/workflows/:executionId/kill", ofExecution)
    .annotate(RequiredScope, "events:admin")
    .annotate(Audited, "workflow.killed")
) {}

/**
 * The group alone, for this package's handlers and tests; apps add it to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class WorkflowsApi extends HttpApi.make(Api.id).add(WorkflowGroup) {}
