/**
 * The prose of workflows in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { WorkflowsApi } from "./WorkflowsApi.ts"
import examples from "./WorkflowsApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  WorkflowsApi,
  {
    workflows: {
      startWorkflow: {
        summary: "Start a workflow",
        description:
          "Starts an execution of the workflow `name`, which a worker with this `version` (1 by default) runs. `payload` is what its code gets, at most 256 KiB.\n\nName and `key` identify the execution. The same name and key again changes nothing and returns the execution as it is, so repeat a request that failed. The key is for example the id of an order.\n\nAn execution without a worker for its version stays `ready`. The worker checks the payload: one that its code does not accept fails the execution."
      },
      listWorkflows: {
        summary: "List executions",
        description:
          "Returns executions, newest first, 50 per page by default and at most 200. Filter them by `name`, `version`, `state`, and the time of their start: from `since` on, and before `until`. Send `nextCursor` as `cursor` for the next page. Finished executions are deleted after 30 days."
      },
      getWorkflow: {
        summary: "Get an execution",
        description:
          "Returns one execution with its payload. `result` is the value that it succeeded with, and null in every other state. `error` describes a failure. Without the scope `events:payload` `payload` and `result` are null, and `withheld` says so. A reading through the console is in the activity log, once per view.\n\n`unasked` names recorded activities that the last run did not ask for. Its code may have changed. Branches of a race are left out."
      },
      tasks: {
        summary: "List the tasks of an execution",
        description:
          "Returns activities, clocks, signals and children in the order in which they were recorded, at most 200 per page. `outcome` is null while a clock or a child is pending. A `result` of more than 16 KiB is null here; `resultBytes` is its size. Without the scope `events:payload` each `result` is null, and `withheld` says so."
      },
      signalWorkflow: {
        summary: "Send a signal",
        description:
          "Stores `value` under `name` and wakes the execution if it waits for it. The signal may come before the code waits. The first value of a name counts, and another one changes nothing.\n\nAn id without an execution is answered with 404: start the execution first. A finished execution is answered with 409."
      },
      resumeWorkflow: {
        summary: "Resume an execution",
        description:
          "Runs an execution again that a failure has suspended (`needsResume`). Fix the cause first. For an execution that waits for something else, its code runs to the same wait."
      },
      retryWorkflow: {
        summary: "Retry an execution from an activity",
        description:
          "Runs an execution again from a recorded activity, in any state and also when it is finished. This activity and everything that was recorded after it runs again. Signals stay, and so do the results before it. A cancellation that has not begun is withdrawn.\n\nA run in progress loses the execution within a quarter of a second; an activity that runs at this moment may overlap with the new run. A child that is finished keeps its result: retry it first. Its parent keeps the result that it has recorded.\n\nOnce compensations began, a retry is answered with 409: start another execution."
      },
      cancelWorkflow: {
        summary: "Cancel an execution",
        description:
          "Requests a cancellation. It takes effect where the run would wait: a running activity ends first, then the compensations run in reverse. A worker with the version must be there for it, so `state` may stay `ready`. To cancel again changes nothing."
      },
      killWorkflow: {
        summary: "Kill an execution",
        description:
          "Ends the execution at once, in any state and without a worker. Its compensations do not run, and its children go on. Prefer to cancel. An activity that runs at this moment ends by itself, and its result is not recorded."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:events:workflow-activity-not-found": {
        cause: "The execution has no recorded activity with this name.",
        remedy: "List the tasks of the execution to find its names."
      },
      "urn:hypermarket:problem:events:workflow-compensated": {
        cause: "The execution has failed or was cancelled, and its compensations have undone its steps.",
        remedy: "Start another execution with another `key`."
      },
      "urn:hypermarket:problem:events:workflow-finished": {
        cause: "The execution has ended. `state` tells how.",
        remedy: "Start another execution with another `key`."
      },
      "urn:hypermarket:problem:events:workflow-not-found": {
        cause: "The tenant has no execution with this id, or it was deleted 30 days after its end.",
        remedy: "List the executions to find the id. A start returns it."
      }
    }
  }
)
