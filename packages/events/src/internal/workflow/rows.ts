/** Rows of executions and tasks as the engine reads them. */

/** A task of an execution by kind, name and attempt. */
export interface TaskKey {
  readonly kind: "activity" | "deferred" | "child"
  readonly name: string
  readonly attempt: number
}

export interface TaskRow extends TaskKey {
  /** Null while a clock or a child is pending. */
  readonly result: string | null
  readonly isClock: boolean
  /** Completed by the execution itself, as races are. */
  readonly isRace: boolean
}

/** An execution whose run begins. */
export interface BegunRow {
  readonly payload: string
  readonly runs: number
  readonly cancelRequested: boolean
}

/** An execution that a wake-up made ready. */
export interface WokenRow {
  readonly executionId: string
  readonly name: string
  readonly version: number
  readonly wake: number
}

export type State =
  | "expected"
  | "ready"
  | "running"
  | "suspended"
  | "succeeded"
  | "failed"
  | "cancelled"
  | "killed"

export interface StatusRow {
  readonly state: State
  readonly result: string | null
  readonly needsResume: boolean
  readonly error: string | null
}

/** Returns the key of a task in a map. */
export const keyOf = (task: TaskKey): string => `${task.kind}\u0000${task.attempt}\u0000${task.name}`

/** Results wake an execution, unless it failed; a resume or a cancellation wakes it in any case. */
export const wakeByResult = 1
export const wakeByRequest = 2
