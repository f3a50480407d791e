import { migration } from "@hypermarket/core/Migrations"

export default migration(
  [
    // Grows by one row per execution. A job deletes finished executions with their tasks after 30 days.
    `
  CREATE TABLE hm_workflow_execution (
    tenant_id        text        NOT NULL,
    -- A hash of name and key, as in Effect.
    execution_id     text        NOT NULL CONSTRAINT execution_id_in_range CHECK (length(execution_id) BETWEEN 1 AND 100),
    name             text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 200),
    -- 0 until it is started: a signal may come first.
    version          integer     NOT NULL CONSTRAINT version_in_range CHECK (version BETWEEN 0 AND 1000000),
    state            text        NOT NULL CONSTRAINT state_known CHECK (state IN
                                 ('expected', 'ready', 'running', 'suspended', 'succeeded', 'failed', 'cancelled', 'killed')),
    -- Number of the job that may run it: a job of an earlier wake-up that is delivered again does nothing.
    wake             integer     NOT NULL DEFAULT 0,
    -- What arrived while a run was in progress: 0 nothing, 1 a result, 2 a resume or a cancellation.
    woken            smallint    NOT NULL DEFAULT 0 CONSTRAINT woken_in_range CHECK (woken BETWEEN 0 AND 2),
    -- The run in progress. Only it may write: a worker that lost its lease has an older one.
    run_id           uuid,
    runs             integer     NOT NULL DEFAULT 0,
    -- Suspended by a failure: results do not wake it, a resume does.
    needs_resume     boolean     NOT NULL DEFAULT false,
    cancel_requested boolean     NOT NULL DEFAULT false,
    payload          json        NOT NULL,
    -- The orderId of the payload, for the timeline of the order.
    order_id         text        CONSTRAINT order_id_in_range CHECK (length(order_id) BETWEEN 1 AND 200),
    result           json,
    error            text        CONSTRAINT error_in_range CHECK (length(error) <= 500),
    -- Of the execution that started it.
    parent_id        text,
    -- Recorded activities that the last run did not ask for: the code may have diverged.
    unasked          text[]      NOT NULL DEFAULT '{}',
    recorded_at      timestamptz NOT NULL,
    -- When it last became ready.
    ready_at         timestamptz,
    started_at       timestamptz,
    updated_at       timestamptz NOT NULL,
    finished_at      timestamptz,
    PRIMARY KEY (tenant_id, execution_id),
    CONSTRAINT finished_has_time CHECK ((state IN ('succeeded', 'failed', 'cancelled', 'killed')) = (finished_at IS NOT NULL))
  ) WITH (fillfactor = 80)
  `,
    // For lists, newest first.
    `CREATE INDEX hm_workflow_execution_recorded ON hm_workflow_execution (tenant_id, recorded_at, execution_id)`,
    // For the timeline of an order.
    `CREATE INDEX hm_workflow_execution_order ON hm_workflow_execution (tenant_id, order_id) WHERE order_id IS NOT NULL`,
    // For alerts: executions that a failure has suspended.
    `CREATE INDEX hm_workflow_execution_resume ON hm_workflow_execution (tenant_id, updated_at) WHERE needs_resume`,
    // For doctor: executions that no worker runs.
    `CREATE INDEX hm_workflow_execution_ready ON hm_workflow_execution (ready_at) WHERE state = 'ready'`,
    // For the job that deletes.
    `CREATE INDEX hm_workflow_execution_finished ON hm_workflow_execution (finished_at) WHERE finished_at IS NOT NULL`,
    `CREATE INDEX hm_workflow_execution_expected ON hm_workflow_execution (recorded_at) WHERE state = 'expected'`,
    // Grows by one row per activity, clock, signal and child. Deleted with its execution.
    `
  CREATE TABLE hm_workflow_task (
    tenant_id     text        NOT NULL,
    execution_id  text        NOT NULL,
    kind          text        NOT NULL CONSTRAINT kind_known CHECK (kind IN ('activity', 'deferred', 'child')),
    name          text        NOT NULL CONSTRAINT name_in_range CHECK (length(name) BETWEEN 1 AND 500),
    attempt       integer     NOT NULL DEFAULT 1,
    -- The order in which an execution recorded its tasks.
    position      bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- Null while a clock or a child is pending.
    outcome       text        CONSTRAINT outcome_known CHECK (outcome IN ('succeeded', 'failed')),
    result        json,
    -- Of a clock.
    due_at        timestamptz,
    -- Of a child.
    child_id      text,
    -- The parent does not wait for it.
    detached      boolean     NOT NULL DEFAULT false,
    recorded_at   timestamptz NOT NULL,
    finished_at   timestamptz,
    PRIMARY KEY (tenant_id, execution_id, kind, name, attempt),
    CONSTRAINT finished_has_result CHECK ((finished_at IS NULL) = (outcome IS NULL) AND (outcome IS NULL) = (result IS NULL))
  )
  `,
    // The executions that wait for a child.
    `CREATE INDEX hm_workflow_task_child ON hm_workflow_task (tenant_id, child_id) WHERE child_id IS NOT NULL`,
    // For doctor: clocks that are late.
    `CREATE INDEX hm_workflow_task_due ON hm_workflow_task (due_at) WHERE due_at IS NOT NULL AND outcome IS NULL`
  ],
  { since: "0.1.0", oldestRelease: "0.1.0", locks: "none" }
)
