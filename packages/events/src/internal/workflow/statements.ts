/** The statements of the engine. Each finds its rows by primary key. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { SqlClient } from "effect/sql/SqlClient"
import type { BegunRow, State, StatusRow, TaskKey, TaskRow, WokenRow } from "./rows.ts"

export interface NewExecution {
  readonly executionId: string
  readonly name: string
  readonly version: number
  readonly payload: string
  readonly parentId: string | null
}

export interface Checkpoint extends TaskKey {
  readonly tenantId: string
  readonly executionId: string
  readonly runId: string
  readonly result: string
  readonly outcome: "succeeded" | "failed"
}

/** A checkpoint of a run that still has its execution. */
export interface Checkpointed {
  /** Its place in the call, from 1. */
  readonly n: number
  readonly cancelRequested: boolean
  /** False when another result is recorded already. */
  readonly isStored: boolean
}

const HasOrderId = Schema.fromJsonString(
  Schema.Struct({ orderId: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200)) })
)
const decodeOrderId = Schema.decodeOption(HasOrderId)

/** Returns the \`orderId\` of a payload; null when it has none that could be the id of an order. */
const orderIdOf = (payload: string): string | null => {
  const orderId = Option.getOrUndefined(decodeOrderId(payload))?.orderId
  return orderId === undefined || orderId.includes("\u0000") ? null : orderId
}

/** Makes the statements of a client. */
export const make = (sql: SqlClient) => ({
  /** Inserts an execution, or starts one that a signal has announced. Returns no row when it exists. */
  insert: (tenantId: string, execution: NewExecution, now: Date) => sql`
    INSERT INTO hm_workflow_execution AS e (tenant_id, execution_id, name, version, state, wake, payload, order_id,
                                            parent_id, recorded_at, ready_at, updated_at)
    VALUES (${tenantId}, ${execution.executionId}, ${execution.name}, ${execution.version}, 'ready', 1,
            ${execution.payload}::text::json, ${orderIdOf(execution.payload)}, ${execution.parentId}, ${now}, ${now}, ${now})
        ON CONFLICT (tenant_id, execution_id)
           DO UPDATE SET name = excluded.name, version = excluded.version, state = 'ready', wake = 1, payload = excluded.payload,
               order_id = excluded.order_id, parent_id = excluded.parent_id, recorded_at = excluded.recorded_at, ready_at = excluded.ready_at,
               updated_at = excluded.updated_at
         WHERE e.state = 'expected'
    RETURNING 1
  `,

  /** Announces an execution that a signal is for, so that start and signal take turns on one row. */
  expect: (tenantId: string, executionId: string, name: string, now: Date) => sql`
    INSERT INTO hm_workflow_execution (tenant_id, execution_id, name, version, state, payload, recorded_at, updated_at)
    VALUES (${tenantId}, ${executionId}, ${name}, 0, 'expected', 'null', ${now}, ${now})
        ON CONFLICT (tenant_id, execution_id) DO NOTHING
    RETURNING 1
  `,

  /** Locks an execution against other changes, but not against checkpoints of its run, and returns its status. */
  lock: (tenantId: string, executionId: string) => sql<StatusRow>`
    SELECT state, result::text AS result, needs_resume AS "needsResume", error
      FROM hm_workflow_execution
     WHERE tenant_id = ${tenantId}
       AND execution_id = ${executionId}
       FOR NO KEY UPDATE
  `,

  /** Locks an execution against checkpoints too: those of the run that loses it are refused. */
  lockForRetry: (tenantId: string, executionId: string) => sql<{
    readonly state: State
    readonly compensated: boolean
  }>`
    SELECT state, compensated
      FROM hm_workflow_execution
     WHERE tenant_id = ${tenantId}
       AND execution_id = ${executionId}
       FOR UPDATE
  `,

  /** Deletes an activity and all that was recorded after it, but signals from outside. Returns no row without the activity. */
  forget: (tenantId: string, executionId: string, activity: string) => sql`
      WITH first AS (
    SELECT min(position) AS position
      FROM hm_workflow_task
     WHERE tenant_id = ${tenantId}
       AND execution_id = ${executionId}
       AND kind = 'activity'
       AND name = ${activity})
    DELETE FROM hm_workflow_task t
     USING first
     WHERE t.tenant_id = ${tenantId}
       AND t.execution_id = ${executionId}
       AND t.position >= first.position
       AND NOT t.is_sent
    RETURNING 1
  `,

  /** Makes an execution ready in any state. The run in progress loses it, and so does the job of an earlier wake-up. */
  retry: (tenantId: string, executionId: string, now: Date) => sql<WokenRow>`
    UPDATE hm_workflow_execution
       SET state = 'ready', wake = wake + 1, woken = 0, run_id = NULL, needs_resume = false, cancel_requested = false,
           result = NULL, error = NULL, unasked = '{}', ready_at = ${now}, updated_at = ${now}, finished_at = NULL
     WHERE tenant_id = ${tenantId}
       AND execution_id = ${executionId}
    RETURNING execution_id AS "executionId", name, version, wake
  `,

  /** Notes that compensations begin. Returns no row when the run has lost its execution. */
  compensate: (
    run: { readonly tenantId: string; readonly executionId: string; readonly runId: string },
    now: Date
  ) => sql`
    UPDATE hm_workflow_execution
       SET compensated = true, updated_at = ${now}
     WHERE tenant_id = ${run.tenantId}
       AND execution_id = ${run.executionId}
       AND run_id = ${run.runId}::uuid
    RETURNING 1
  `,

  status: (tenantId: string, executionId: string) => sql<StatusRow>`
    SELECT state, result::text AS result, needs_resume AS "needsResume", error
      FROM hm_workflow_execution
     WHERE tenant_id = ${tenantId}
       AND execution_id = ${executionId}
  `,

  /**
   * Makes suspended executions ready, and marks those whose run is in progress. Returns the ones that became ready: their
   * jobs are enqueued in the same transaction.
   */
  wake: (tenantId: string, executionIds: ReadonlyArray<string>, mode: number, now: Date) => sql<WokenRow>`
      WITH woken AS (
    UPDATE hm_workflow_execution AS e
       SET state = CASE e.state WHEN 'suspended' THEN 'ready' ELSE e.state END,
           wake = e.wake + CASE e.state WHEN 'suspended' THEN 1 ELSE 0 END,
           woken = CASE e.state WHEN 'running' THEN greatest(e.woken, ${mode}::smallint) ELSE 0 END,
           needs_resume = e.needs_resume AND e.state = 'running',
           ready_at = CASE e.state WHEN 'suspended' THEN ${now}::timestamptz ELSE e.ready_at END,
           updated_at = ${now}
     WHERE e.tenant_id = ${tenantId}
       AND e.execution_id = ANY (${executionIds}::text[])
       AND (e.state = 'running' OR (e.state = 'suspended' AND (NOT e.needs_resume OR ${mode}::smallint = 2)))
    RETURNING execution_id, name, version, wake, state)
    SELECT execution_id AS "executionId", name, version, wake
      FROM woken
     WHERE state = 'ready'
  `,

  /** Begins a run for the job of a wake-up, or the next run of the same job. Returns no row when another job may run it. */
  begin: (
    options: {
      readonly tenantId: string
      readonly executionId: string
      readonly wake: number
      readonly runId: string
      readonly previousRunId: string | null
    },
    now: Date
  ) => sql<BegunRow>`
    UPDATE hm_workflow_execution
       SET state = 'running', run_id = ${options.runId}::uuid, runs = runs + 1, woken = 0, needs_resume = false,
           started_at = coalesce(started_at, ${now}), updated_at = ${now}
     WHERE tenant_id = ${options.tenantId}
       AND execution_id = ${options.executionId}
       AND wake = ${options.wake}
       AND state IN ('ready', 'running')
       AND (${options.previousRunId}::uuid IS NULL OR run_id = ${options.previousRunId}::uuid)
    RETURNING payload::text AS payload, runs, cancel_requested AS "cancelRequested"
  `,

  /** Returns the tasks of an execution in the order in which they were recorded. */
  tasks: (tenantId: string, executionId: string) => sql<TaskRow>`
    SELECT kind, name, attempt, result::text AS result, due_at IS NOT NULL AS "isClock",
           kind = 'deferred' AND outcome IS NOT NULL AND due_at IS NULL AND NOT is_sent AS "isRace"
      FROM hm_workflow_task
     WHERE tenant_id = ${tenantId}
       AND execution_id = ${executionId}
     ORDER BY position
  `,

  /** Suspends a run unless something has arrived since it began. */
  suspend: (
    run: { readonly tenantId: string; readonly executionId: string; readonly runId: string },
    options: {
      readonly needsResume: boolean
      readonly error: string | null
      readonly unasked: ReadonlyArray<string>
    },
    now: Date
  ) => sql`
    UPDATE hm_workflow_execution
       SET state = 'suspended', run_id = NULL, needs_resume = ${options.needsResume}, error = ${options.error},
           unasked = ${options.unasked}::text[], updated_at = ${now}
     WHERE tenant_id = ${run.tenantId}
       AND execution_id = ${run.executionId}
       AND run_id = ${run.runId}::uuid
       AND woken <= ${options.needsResume ? 1 : 0}
    RETURNING 1
  `,

  /** Finishes an execution. Returns no row when the run has lost it. */
  finish: (
    run: { readonly tenantId: string; readonly executionId: string; readonly runId: string },
    options: {
      readonly state: State
      readonly result: string
      readonly error: string | null
      readonly unasked: ReadonlyArray<string>
    },
    now: Date
  ) => sql`
    UPDATE hm_workflow_execution
       SET state = ${options.state}, result = ${options.result}::text::json, error = ${options.error},
           unasked = ${options.unasked}::text[], run_id = NULL, woken = 0, finished_at = ${now}, updated_at = ${now}
     WHERE tenant_id = ${run.tenantId}
       AND execution_id = ${run.executionId}
       AND run_id = ${run.runId}::uuid
    RETURNING 1
  `,

  /** Ends an execution in any state but a final one. Its run in progress loses it. */
  kill: (tenantId: string, executionId: string, result: string, now: Date) => sql`
    UPDATE hm_workflow_execution
       SET state = 'killed', result = ${result}::text::json, run_id = NULL, woken = 0, finished_at = ${now}, updated_at = ${now}
     WHERE tenant_id = ${tenantId}
       AND execution_id = ${executionId}
       AND finished_at IS NULL
    RETURNING 1
  `,

  requestCancel: (tenantId: string, executionId: string, now: Date) => sql`
    UPDATE hm_workflow_execution
       SET cancel_requested = true, updated_at = ${now}
     WHERE tenant_id = ${tenantId}
       AND execution_id = ${executionId}
       AND finished_at IS NULL
       AND state <> 'expected'
    RETURNING 1
  `,

  /** Stores the result of a finished child with each execution that started it. Returns those that wait. */
  completeChild: (
    tenantId: string,
    childId: string,
    result: string,
    outcome: "succeeded" | "failed",
    now: Date
  ) => sql<{ readonly executionId: string; readonly detached: boolean }>`
    UPDATE hm_workflow_task
       SET result = ${result}::text::json, outcome = ${outcome}, finished_at = ${now}
     WHERE tenant_id = ${tenantId}
       AND child_id = ${childId}
       AND outcome IS NULL
    RETURNING execution_id AS "executionId", detached
  `,

  insertChild: (
    tenantId: string,
    executionId: string,
    child: { readonly childId: string; readonly detached: boolean; readonly finished: StatusRow | undefined },
    now: Date
  ) => sql`
    INSERT INTO hm_workflow_task (tenant_id, execution_id, kind, name, child_id, detached, result, outcome, recorded_at,
                                  finished_at)
    VALUES (${tenantId}, ${executionId}, 'child', ${child.childId}, ${child.childId}, ${child.detached},
            ${child.finished?.result ?? null}::text::json,
            ${child.finished === undefined ? null : child.finished.state === "succeeded" ? "succeeded" : "failed"},
            ${now}, ${child.finished === undefined ? null : now})
        ON CONFLICT DO NOTHING
  `,

  insertClock: (tenantId: string, executionId: string, name: string, dueAt: Date, now: Date) => sql`
    INSERT INTO hm_workflow_task (tenant_id, execution_id, kind, name, due_at, recorded_at)
    VALUES (${tenantId}, ${executionId}, 'deferred', ${name}, ${dueAt}, ${now})
        ON CONFLICT DO NOTHING
    RETURNING 1
  `,

  /** Stores the result of a signal, or ends a clock early. The first result stays. */
  completeDeferred: (
    tenantId: string,
    executionId: string,
    name: string,
    result: string,
    outcome: "succeeded" | "failed",
    now: Date
  ) => sql`
    INSERT INTO hm_workflow_task AS t (tenant_id, execution_id, kind, name, result, outcome, is_sent, recorded_at, finished_at)
    VALUES (${tenantId}, ${executionId}, 'deferred', ${name}, ${result}::text::json, ${outcome}, true, ${now}, ${now})
        ON CONFLICT (tenant_id, execution_id, kind, name, attempt)
           DO UPDATE SET result = excluded.result, outcome = excluded.outcome, finished_at = excluded.finished_at
         WHERE t.outcome IS NULL
    RETURNING 1
  `,

  /** Ends the clocks that are due. Returns their executions, and the clocks that are due later. */
  completeClocks: (
    tenantId: string,
    clocks: ReadonlyArray<{ readonly executionId: string; readonly name: string }>,
    result: string,
    now: Date
  ) => sql<{
    readonly executionId: string
    readonly name: string
    readonly dueAt: Date
    readonly isDone: boolean
  }>`
      WITH clocks AS (
    SELECT t.execution_id, t.name, t.due_at
      FROM unnest(${clocks.map((clock) => clock.executionId)}::text[], ${clocks.map((clock) => clock.name)}::text[])
           AS c (execution_id, name)
      JOIN hm_workflow_task t
        ON t.tenant_id = ${tenantId} AND t.execution_id = c.execution_id AND t.kind = 'deferred' AND t.name = c.name
           AND t.attempt = 1
     WHERE t.outcome IS NULL
     ORDER BY t.execution_id, t.name
       FOR UPDATE OF t),
           done AS (
    UPDATE hm_workflow_task t
       SET result = ${result}::text::json, outcome = 'succeeded', finished_at = ${now}
      FROM clocks c
     WHERE t.tenant_id = ${tenantId} AND t.execution_id = c.execution_id AND t.kind = 'deferred' AND t.name = c.name
       AND t.attempt = 1 AND c.due_at <= ${now}
    RETURNING t.execution_id)
    SELECT execution_id AS "executionId", name, due_at AS "dueAt", due_at <= ${now} AS "isDone"
      FROM clocks
  `,

  /**
   * Records results of runs that still have their execution. Returns a row for each of these, so that a run learns of a
   * cancellation with every result that it records.
   */
  checkpoint: (checkpoints: ReadonlyArray<Checkpoint>, now: Date) => sql<Checkpointed>`
      WITH results AS (
    SELECT e.tenant_id, e.execution_id, e.cancel_requested, c.kind, c.name, c.attempt, c.result, c.outcome, c.n
      FROM unnest(${checkpoints.map((c) => c.tenantId)}::text[], ${checkpoints.map((c) => c.executionId)}::text[],
                  ${checkpoints.map((c) => c.runId)}::uuid[], ${checkpoints.map((c) => c.kind)}::text[],
                  ${checkpoints.map((c) => c.name)}::text[], ${checkpoints.map((c) => c.attempt)}::integer[],
                  ${checkpoints.map((c) => c.result)}::text[], ${checkpoints.map((c) => c.outcome)}::text[])
           WITH ORDINALITY AS c (tenant_id, execution_id, run_id, kind, name, attempt, result, outcome, n)
      JOIN hm_workflow_execution e
        ON e.tenant_id = c.tenant_id AND e.execution_id = c.execution_id AND e.run_id = c.run_id
       -- Waits for a retry that deletes tasks, and then finds that the run has lost its execution.
       FOR KEY SHARE OF e),
           stored AS (
    INSERT INTO hm_workflow_task AS t (tenant_id, execution_id, kind, name, attempt, result, outcome, recorded_at, finished_at)
    SELECT tenant_id, execution_id, kind, name, attempt, result::json, outcome, ${now}, ${now}
      FROM results
     ORDER BY n
        ON CONFLICT (tenant_id, execution_id, kind, name, attempt)
           DO UPDATE SET result = excluded.result, outcome = excluded.outcome, finished_at = excluded.finished_at
         WHERE t.outcome IS NULL
    RETURNING tenant_id, execution_id, kind, name, attempt)
    SELECT r.n::integer AS n, r.cancel_requested AS "cancelRequested", s.tenant_id IS NOT NULL AS "isStored"
      FROM results r
      LEFT JOIN stored s
        ON s.tenant_id = r.tenant_id AND s.execution_id = r.execution_id AND s.kind = r.kind AND s.name = r.name
           AND s.attempt = r.attempt
  `,

  /** Returns a recorded result when the run still has its execution. */
  recorded: (
    run: { readonly tenantId: string; readonly executionId: string; readonly runId: string },
    task: TaskKey
  ) => sql<{ readonly result: string | null }>`
    SELECT t.result::text AS result
      FROM hm_workflow_execution e
      JOIN hm_workflow_task t
        ON t.tenant_id = e.tenant_id AND t.execution_id = e.execution_id
     WHERE e.tenant_id = ${run.tenantId}
       AND e.execution_id = ${run.executionId}
       AND e.run_id = ${run.runId}::uuid
       AND t.kind = ${task.kind}
       AND t.name = ${task.name}
       AND t.attempt = ${task.attempt}
  `,

  /** Returns what has changed for runs in progress; no row for a run that has lost its execution. */
  watch: (
    runs: ReadonlyArray<{ readonly tenantId: string; readonly executionId: string; readonly runId: string }>
  ) => sql<{ readonly runId: string; readonly woken: number; readonly cancelRequested: boolean }>`
    SELECT e.run_id::text AS "runId", e.woken::integer AS woken, e.cancel_requested AS "cancelRequested"
      FROM unnest(${runs.map((run) => run.tenantId)}::text[], ${runs.map((run) => run.executionId)}::text[],
                  ${runs.map((run) => run.runId)}::uuid[]) AS r (tenant_id, execution_id, run_id)
      JOIN hm_workflow_execution e
        ON e.tenant_id = r.tenant_id AND e.execution_id = r.execution_id AND e.run_id = r.run_id
  `
})

export type Statements = ReturnType<typeof make>
