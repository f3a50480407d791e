/**
 * The data of persons in jobs, dead letters, webhooks and workflows.
 *
 * @since 0.1.0
 */
import * as SubjectTables from "@hypermarket/core/SubjectTables"

const { columns, nothing, passing, rows } = SubjectTables

const job = { set: { payload: "marker", headers: "null", errors: "null" } } as const
const inJob = { texts: ["payload", "headers", "errors"] }

/** A job that has not run yet is rejected by its handler, and is then a dead letter. */
const waitingJob = {
  ...job,
  reason: "the job stays with an empty payload, and its handler rejects it"
}

const isFinished = "finished_at IS NOT NULL"
const isUnfinished = "finished_at IS NULL"

const ofFinishedExecution = `
  EXISTS (SELECT 1
            FROM hm_workflow_execution AS execution
           WHERE execution.tenant_id = hm_workflow_task.tenant_id
             AND execution.execution_id = hm_workflow_task.execution_id
             AND execution.finished_at IS NOT NULL)
`

/**
 * Finds, exports and erases a person in the tables of events.
 *
 * @category domains
 * @since 0.1.0
 */
export const subjectData = SubjectTables.make({
  tables: [
    columns("hm_event_queue", inJob, waitingJob),
    columns("hm_event_delayed", inJob, waitingJob),
    columns("hm_event_keyed", inJob, waitingJob),
    columns(
      "hm_event_dead",
      { texts: [...inJob.texts, "ordering_key"] },
      { set: { ...job.set, ordering_key: "null" }, reason: "the dead letter stays without its payload" }
    ),
    columns(
      "hm_event_body",
      { texts: ["payload"] },
      { set: { payload: "marker" }, reason: "the job of the payload stays" }
    ),
    passing("hm_event_lease", { texts: ["jobs", "payloads"] }, "a worker runs these jobs"),
    // The key orders jobs that wait: without it they would never run.
    passing(
      "hm_event_key",
      { texts: ["ordering_key"] },
      "waiting jobs keep the key that orders them until they have run"
    ),
    // The jobs of an event name its subject where they are ordered by it.
    rows("hm_event_dedupe", { texts: ["event_id", "source", "jobs"] }),
    rows("hm_event_job_dedupe", { texts: ["dedupe_key"] }),
    columns(
      "hm_job_scheduler",
      { texts: ["payload", "last_error"] },
      {
        set: { payload: "marker", last_error: "null" },
        reason: "the schedule stays, and its jobs have an empty payload"
      }
    ),
    columns(
      "hm_webhook_attempt",
      { texts: ["answer", "error"] },
      { set: { answer: "empty", error: "null" }, reason: "the attempt stays without what was answered" }
    ),
    columns(
      "hm_webhook_delivery",
      { texts: ["subject", "last_error"] },
      { set: { subject: "null", last_error: "null" }, reason: "the delivery stays without its subject" }
    ),
    columns(
      "hm_webhook_message",
      { texts: ["body", "subject", "event_id"] },
      {
        set: { body: "marker", subject: "null", event_id: "pseudonym" },
        reason: "the message stays without its body: a delivery that waits sends the marker"
      }
    ),
    columns(
      "hm_webhook_endpoint",
      { texts: ["last_error"] },
      { set: { last_error: "null" }, reason: "the endpoint stays without its last error" }
    ),
    nothing("hm_webhook_secret", "sealed secrets of endpoints"),
    rows("hm_workflow_task", { texts: ["execution_id", "child_id", "name"], where: ofFinishedExecution }),
    rows("hm_workflow_execution", { texts: ["execution_id", "parent_id"], where: isFinished }),
    // Its tasks are under the same name, and go with it.
    passing(
      "hm_workflow_execution",
      { texts: ["execution_id", "parent_id"], where: isUnfinished },
      "an execution keeps its name until it has ended"
    ),
    columns(
      "hm_workflow_task",
      { texts: ["result"] },
      { set: { result: "marker" }, reason: "the step stays without its result" }
    ),
    columns(
      "hm_workflow_execution",
      { texts: ["payload", "result", "error"] },
      {
        set: {
          payload: "marker",
          result: {
            expression: `CASE WHEN target.result IS NULL THEN NULL ELSE '{"erased": true}'::json END`
          },
          error: "null"
        },
        reason: "the execution stays without payload and result"
      }
    ),
    columns(
      "hm_event_log",
      { texts: ["body", "subject", "event_id", "attributes"] },
      {
        set: {
          body: "marker",
          subject: "null",
          event_id: "pseudonym",
          attributes: { expression: "'{}'" }
        },
        reason: "the retained event stays without its body, and no filter matches it"
      }
    ),
    columns(
      "hm_event_element",
      { texts: ["element", "last_error"] },
      {
        set: { element: "marker", last_error: "null" },
        reason: "the element of a persisted queue stays without its value"
      }
    ),
    columns(
      "hm_event_element",
      { texts: ["element_id"], where: "lease_id IS NULL" },
      {
        set: { element_id: "pseudonym" },
        reason: "the element of a persisted queue stays under another id"
      }
    ),
    passing(
      "hm_event_element",
      { texts: ["element_id"], where: "lease_id IS NOT NULL" },
      "a worker takes this element"
    ),
    nothing("hm_event_retention", "configuration of the tenant"),
    nothing("hm_event_definition", "queues"),
    nothing("hm_event_handler", "handlers of the installation"),
    nothing("hm_event_worker_queue", "queues of the installation"),
    nothing("hm_event_history", "counts of batches"),
    nothing("hm_event_subscription", "configuration of the tenant")
  ]
})
