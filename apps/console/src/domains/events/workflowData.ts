/** Executions of workflows and their tasks. */
import type { Success } from "../../api/Endpoints.ts"
import type { Tone } from "../../ui/Badge.tsx"

export type Execution = Success<"GET /v1/events/workflows">["items"][number]
export type Task = Success<"GET /v1/events/workflows/:executionId/tasks">["items"][number]

export const workflowPlace = (executionId: string) => ({
  to: `/workflows/${encodeURIComponent(executionId)}`
})

const tones: Readonly<Record<Execution["state"], Tone>> = {
  expected: "plain",
  ready: "plain",
  running: "accent",
  suspended: "plain",
  succeeded: "good",
  failed: "bad",
  cancelled: "warn",
  killed: "warn"
}

/** The state of an execution in a word. One that a failure has suspended waits for a person. */
export const stateOfExecution = ({
  cancelRequested,
  needsResume,
  state
}: Execution): { readonly tone: Tone; readonly label: string } => {
  if (needsResume) return { tone: "bad", label: "needs a resume" }
  return cancelRequested && !isFinished(state)
    ? { tone: "warn", label: "is being cancelled" }
    : { tone: tones[state], label: state }
}

const finished = ["succeeded", "failed", "cancelled", "killed"]

export const isFinished = (state: Execution["state"]): boolean => finished.includes(state)
