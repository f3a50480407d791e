/**
 * Executions of workflows: started, inspected, signalled, cancelled and killed from outside of their code.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as FailureText from "@hypermarket/core/FailureText"
import * as Page from "@hypermarket/core/Page"
import { Tenant } from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Core from "./internal/workflow/core.ts"
import * as Exits from "./internal/workflow/exits.ts"
import { executionIdOf } from "./internal/workflow/names.ts"
import {
  type ListRequest,
  listedResultBytesMax,
  type NewExecution,
  type NewSignal,
  WorkflowActivityNotFound,
  WorkflowCompensated,
  WorkflowExecution,
  WorkflowFinished,
  WorkflowInspection,
  WorkflowNotFound,
  type WorkflowRetry,
  WorkflowTask
} from "./WorkflowExecution.ts"

const Time = Column.Timestamp
const OptionalTime = Schema.NullOr(Time)

const ExecutionRow = Schema.Struct({
  ...WorkflowExecution.fields,
  recordedAt: Time,
  startedAt: OptionalTime,
  updatedAt: Time,
  finishedAt: OptionalTime
})
const decodeExecution = Schema.decodeUnknownEffect(ExecutionRow)

const columns = `execution_id AS "executionId", name, version, state, cancel_requested AS "cancelRequested",
                 needs_resume AS "needsResume", compensated, runs, error, parent_id AS "parentId", unasked, recorded_at AS "recordedAt",
                 started_at AS "startedAt", updated_at AS "updatedAt", finished_at AS "finishedAt"`

const toExecution = (row: unknown) =>
  Effect.orDie(Effect.map(decodeExecution(row), (decoded) => new WorkflowExecution(decoded)))

const decodeJson = Schema.decodeEffect(Schema.fromJsonString(Schema.Json))

const toJson = (text: string | null): Effect.Effect<Schema.Json> =>
  text === null ? Effect.succeed(null) : Effect.orDie(decodeJson(text))

const TaskRow = Schema.Struct({
  kind: Schema.Literals(["activity", "deferred", "child"]),
  name: Schema.String,
  attempt: Schema.Int,
  position: Schema.String,
  outcome: WorkflowTask.fields.outcome,
  value: Schema.NullOr(Schema.String),
  failure: Schema.NullOr(Schema.String),
  resultBytes: Schema.Int,
  dueAt: OptionalTime,
  childId: Schema.NullOr(Schema.String),
  recordedAt: Time,
  finishedAt: OptionalTime
})
type TaskRow = typeof TaskRow.Type
const decodeTasks = Schema.decodeUnknownEffect(Schema.Array(TaskRow))

const kindOf = (row: TaskRow): WorkflowTask["kind"] => {
  if (row.kind !== "deferred") return row.kind
  return row.dueAt === null ? "signal" : "clock"
}

const errorOf = Effect.fnUntraced(function* (failure: string | null) {
  if (failure === null) return null
  const exit = yield* Exits.decodeActivity(failure)
  return Exit.isFailure(exit) ? FailureText.describe(exit.cause) : null
})

const toTask = Effect.fnUntraced(function* (row: TaskRow) {
  return new WorkflowTask({
    kind: kindOf(row),
    name: row.name,
    attempt: row.attempt,
    outcome: row.outcome,
    result: yield* toJson(row.value),
    resultBytes: row.resultBytes,
    error: yield* errorOf(row.failure),
    dueAt: row.dueAt,
    childId: row.childId,
    recordedAt: row.recordedAt,
    finishedAt: row.finishedAt
  })
})

const pages = Page.make<WorkflowExecution, readonly [string, string], readonly [string, string]>({
  list: "events.workflows",
  key: Schema.Tuple([Schema.String, Schema.String]),
  keyOf: (execution) => [DateTime.formatIso(execution.recordedAt), execution.executionId]
})

const taskPages = Page.make<TaskRow, readonly [string], readonly [string]>({
  list: "events.workflowTasks",
  key: Schema.Tuple([Schema.String]),
  keyOf: (task) => [task.position]
})

type Missing = WorkflowNotFound | WorkflowFinished

/**
 * @category services
 * @since 0.1.0
 */
export class WorkflowExecutions extends Context.Service<
  WorkflowExecutions,
  {
    /**
     * Starts an execution in the caller's transaction: it exists if and only if the transaction commits. The same name and
     * key again changes nothing and returns the execution.
     */
    readonly start: (execution: NewExecution) => Effect.Effect<WorkflowExecution, SqlError, Tenant>
    /** Returns an execution with its payload and its result. */
    readonly get: (
      executionId: string
    ) => Effect.Effect<WorkflowInspection, WorkflowNotFound | SqlError, Tenant>
    /** Lists executions by name, version, state and time of their start, newest first. */
    readonly list: (
      request: ListRequest
    ) => Effect.Effect<Page.Page<WorkflowExecution>, Page.CursorInvalid | SqlError, Tenant>
    /** Lists the tasks of an execution in the order in which they were recorded. */
    readonly tasks: (
      executionId: string,
      request: Page.Request
    ) => Effect.Effect<Page.Page<WorkflowTask>, WorkflowNotFound | Page.CursorInvalid | SqlError, Tenant>
    /**
     * Stores a value that the execution waits for and wakes it, in the caller's transaction. The first value of a name
     * counts: a second one changes nothing.
     */
    readonly signal: (
      executionId: string,
      signal: NewSignal
    ) => Effect.Effect<void, Missing | SqlError, Tenant>
    /**
     * Requests a cancellation, which runs the compensations. It takes effect where the run would wait, and needs a worker
     * with the version. Idempotent.
     */
    readonly cancel: (executionId: string) => Effect.Effect<void, Missing | SqlError, Tenant>
    /** Ends an execution at once, without compensations. Its children go on. Needs no worker. */
    readonly kill: (executionId: string) => Effect.Effect<void, Missing | SqlError, Tenant>
    /** Runs an execution that a failure has suspended. Changes nothing for one that runs. */
    readonly resume: (executionId: string) => Effect.Effect<void, Missing | SqlError, Tenant>
    /**
     * Runs an execution again from a recorded activity, also one that is finished. This activity and everything that was
     * recorded after it runs again, except signals, which stay. Withdraws a cancellation that has not begun. Refused once
     * compensations began.
     */
    readonly retry: (
      executionId: string,
      from: WorkflowRetry
    ) => Effect.Effect<
      void,
      WorkflowNotFound | WorkflowActivityNotFound | WorkflowCompensated | SqlError,
      Tenant
    >
  }
>()("@hypermarket/events/WorkflowExecutions") {
  static readonly layer: Layer.Layer<WorkflowExecutions, never, SqlClient.SqlClient | Wakeup> = Layer.effect(
    WorkflowExecutions,
    Effect.gen(function* () {
      const { operations, sql } = yield* Core.make
      const returned = sql.literal(columns)

      const find = Effect.fnUntraced(function* (executionId: string) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${returned}
            FROM hm_workflow_execution
           WHERE tenant_id = ${tenant.id}
             AND execution_id = ${executionId}
        `
        return row === undefined ? yield* new WorkflowNotFound({ executionId }) : yield* toExecution(row)
      })

      /** Fails with the reason why a change matched no row. */
      const whyMissed = Effect.fnUntraced(function* (executionId: string) {
        const { state } = yield* find(executionId)
        if (state === "expected") return yield* new WorkflowNotFound({ executionId })
        return yield* new WorkflowFinished({ executionId, state })
      })

      const start = Effect.fn("WorkflowExecutions.start")(function* (execution: NewExecution) {
        const tenant = yield* Tenant
        const executionId = executionIdOf(execution.name, execution.key)
        yield* operations.start(
          tenant.id,
          {
            executionId,
            name: execution.name,
            version: execution.version ?? 1,
            payload: JSON.stringify(execution.payload),
            parentId: null
          },
          undefined
        )
        // A row that was written here is there: retention deletes finished executions alone, after 30 days.
        return yield* find(executionId).pipe(Effect.catchTag("WorkflowNotFound", Effect.die))
      })

      const get = Effect.fn("WorkflowExecutions.get")(function* (executionId: string) {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly payload: string; readonly value: string | null }>`
          SELECT ${returned}, payload::text AS payload,
                 CASE state WHEN 'succeeded' THEN (result -> 'value')::text END AS value
            FROM hm_workflow_execution
           WHERE tenant_id = ${tenant.id}
             AND execution_id = ${executionId}
        `
        if (row === undefined) return yield* new WorkflowNotFound({ executionId })
        return new WorkflowInspection({
          execution: yield* toExecution(row),
          payload: yield* toJson(row.payload),
          result: yield* toJson(row.value)
        })
      })

      const list = Effect.fn("WorkflowExecutions.list")(function* (request: ListRequest) {
        const tenant = yield* Tenant
        const [before, beforeId] = Option.getOrElse(
          yield* pages.after(request),
          () => ["9999-12-31T00:00:00.000Z", ""] as const
        )
        const since = request.since === undefined ? null : DateTime.toDateUtc(request.since)
        const until = request.until === undefined ? null : DateTime.toDateUtc(request.until)
        const rows = yield* sql`
          SELECT ${returned}
            FROM hm_workflow_execution
           WHERE tenant_id = ${tenant.id}
             AND (recorded_at, execution_id) < (${before}::timestamptz, ${beforeId})
             AND (${since}::timestamptz IS NULL OR recorded_at >= ${since})
             AND (${until}::timestamptz IS NULL OR recorded_at < ${until})
             AND (${request.name ?? null}::text IS NULL OR name = ${request.name ?? null})
             AND (${request.version ?? null}::integer IS NULL OR version = ${request.version ?? null})
             AND (${request.state ?? null}::text IS NULL OR state = ${request.state ?? null})
           ORDER BY recorded_at DESC, execution_id DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* Effect.forEach(rows, toExecution), request)
      })

      const tasks = Effect.fn("WorkflowExecutions.tasks")(function* (
        executionId: string,
        request: Page.Request
      ) {
        const tenant = yield* Tenant
        yield* find(executionId)
        const [after] = Option.getOrElse(yield* taskPages.after(request), () => ["0"] as const)
        const rows = yield* sql`
          SELECT kind, name, attempt, position::text AS position, outcome,
                 CASE WHEN outcome = 'succeeded' AND octet_length(result::text) <= ${listedResultBytesMax}
                      THEN (result -> 'value')::text END AS value,
                 CASE WHEN outcome = 'failed' THEN result::text END AS failure,
                 coalesce(octet_length(result::text), 0) AS "resultBytes", due_at AS "dueAt", child_id AS "childId",
                 recorded_at AS "recordedAt", finished_at AS "finishedAt"
            FROM hm_workflow_task t
           WHERE tenant_id = ${tenant.id}
             AND execution_id = ${executionId}
             AND t.position > ${after}::bigint
           ORDER BY t.position
           LIMIT ${Page.limitOf(request) + 1}
        `
        const page = yield* taskPages.page(yield* Effect.orDie(decodeTasks(rows)), request)
        return { items: yield* Effect.forEach(page.items, toTask), nextCursor: page.nextCursor }
      })

      const signal = Effect.fn("WorkflowExecutions.signal")(function* (executionId: string, sent: NewSignal) {
        const tenant = yield* Tenant
        const { finishedAt, name, state } = yield* find(executionId)
        if (finishedAt !== null) return yield* new WorkflowFinished({ executionId, state })
        yield* operations.signal(
          tenant.id,
          { executionId, workflowName: name },
          sent.name,
          Exit.succeed(sent.value ?? null)
        )
      })

      const cancel = Effect.fn("WorkflowExecutions.cancel")(function* (executionId: string) {
        const tenant = yield* Tenant
        if (!(yield* operations.cancel(tenant.id, executionId))) return yield* whyMissed(executionId)
      })

      const kill = Effect.fn("WorkflowExecutions.kill")(function* (executionId: string) {
        const tenant = yield* Tenant
        if (!(yield* operations.kill(tenant.id, executionId))) return yield* whyMissed(executionId)
      })

      const resume = Effect.fn("WorkflowExecutions.resume")(function* (executionId: string) {
        const tenant = yield* Tenant
        const { finishedAt, state } = yield* find(executionId)
        if (finishedAt !== null) return yield* new WorkflowFinished({ executionId, state })
        yield* operations.resume(tenant.id, executionId)
      })

      const retry = Effect.fn("WorkflowExecutions.retry")(function* (
        executionId: string,
        { activity }: WorkflowRetry
      ) {
        const tenant = yield* Tenant
        switch (yield* operations.retry(tenant.id, executionId, activity)) {
          case "missing":
            return yield* new WorkflowNotFound({ executionId })
          case "compensated":
            return yield* new WorkflowCompensated({ executionId })
          case "unrecorded":
            return yield* new WorkflowActivityNotFound({ executionId, activity })
          case "retried":
            return
        }
      })

      const targetOf = (executionId: string) => ({ type: "workflow", id: executionId })

      const audited =
        (action: string, self: (executionId: string) => Effect.Effect<void, Missing | SqlError, Tenant>) =>
        (executionId: string) =>
          AuditedChange.change(sql, self(executionId), {
            action,
            target: targetOf(executionId)
          })

      return WorkflowExecutions.of({
        start,
        get,
        list,
        tasks,
        signal,
        cancel: audited("workflow.cancelled", cancel),
        kill: audited("workflow.killed", kill),
        resume: audited("workflow.resumed", resume),
        retry: (executionId, from) =>
          AuditedChange.change(sql, retry(executionId, from), {
            action: "workflow.retried",
            target: targetOf(executionId)
          })
      })
    })
  )
}

/**
 * The id of the execution of a workflow with a key.
 *
 * @category accessors
 * @since 0.1.0
 */
export const executionId = executionIdOf
