/**
 * Durable workflows as async functions, for programs without Effect.
 *
 * ```ts
 * const order = defineWorkflow("order", { version: 2, key: (input) => input.orderId }, async (step, input) => {
 *   const held = await step.run("reserve", () => warehouse.reserve(input), { undo: (stock) => warehouse.release(stock) })
 *   if ((await step.signal("paid", { timeout: "3 days" })) === undefined) throw new WorkflowFailed("not paid")
 *   for (const line of input.lines) await step.run(`ship ${line.lineId}`, () => carrier.ship(line))
 *   return held.count
 * })
 * ```
 *
 * The function runs again from its start after each wait and after the end of its process. A step that is recorded returns
 * its result without running. Between its steps, the function must do the same with the same results: it reads the time,
 * chance and other systems inside of steps alone. A step in a loop has the index in its name.
 *
 * @since 0.1.0
 */
import type { Workflow as AnyWorkflow } from "@hypermarket/core/Work"
import * as Schema from "effect/Schema"
import { executionIdOf } from "./internal/workflow/names.ts"
import { type NewExecution, WorkflowName, WorkflowVersion } from "./WorkflowExecution.ts"

/**
 * A duration: milliseconds, or text such as "3 days".
 *
 * @category models
 * @since 0.1.0
 */
export type Time =
  | number
  | `${number} ${"second" | "minute" | "hour" | "day"}${"" | "s"}`
  | `${number} millis`

/**
 * Ends a workflow as failed, after the undo of its steps. A step that throws another error does the same.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkflowFailed extends Error {
  readonly _tag = "WorkflowFailed"
  override readonly name = "WorkflowFailed"
}

/**
 * A step threw an error, in this run or in an earlier one. `message` describes it.
 *
 * @category errors
 * @since 0.1.0
 */
export class StepFailed extends Schema.TaggedError<StepFailed>()("StepFailed", {
  step: Schema.String,
  /** The tag or the class of the error. */
  reason: Schema.String,
  message: Schema.String
}) {}

/**
 * Passed to the function of a step.
 *
 * @category models
 * @since 0.1.0
 */
export interface StepContext {
  /** The same on every attempt of this step of this execution, for systems outside. */
  readonly idempotencyKey: string
  /** Aborts when the worker stops or loses the execution. */
  readonly signal: AbortSignal
}

/**
 * Options of a step.
 *
 * @category options
 * @since 0.1.0
 */
export interface StepOptions<in A> {
  /**
   * Undoes the step after a failure or a cancellation of the workflow; the last step is undone first. It is a step itself:
   * recorded once, and tried up to 10 times when it throws.
   */
  readonly undo?: (value: A, context: StepContext) => unknown
  /**
   * Attempts in all when the function throws.
   *
   * @default 1
   */
  readonly attempts?: number
  /**
   * Wait before the second attempt, doubled before each other one.
   *
   * @default "1 second"
   */
  readonly backoff?: Time
}

/**
 * The steps of a workflow.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step {
  /** The id of the execution. */
  readonly executionId: string
  /**
   * Runs a function and records its result as JSON of at most 1 MiB. It runs again when its process ends before that.
   * Returns what `JSON.parse(JSON.stringify(result))` gives back, and null for undefined. Throws `StepFailed` when the
   * function throws in its last attempt.
   */
  readonly run: <A>(
    name: string,
    run: (context: StepContext) => A | PromiseLike<A>,
    options?: StepOptions<A>
  ) => Promise<A>
  /** Waits for a time. The wait survives the end of the process, and costs no worker. */
  readonly sleep: (name: string, time: Time) => Promise<void>
  /** Waits for the first value that is sent under a name. Undefined when the timeout ends first. */
  readonly signal: (name: string, options?: { readonly timeout?: Time }) => Promise<Schema.Json | undefined>
  /** Starts an execution of another workflow unless it exists, and waits for its result. Throws when it fails. */
  readonly child: <I extends object, A>(workflow: WorkflowDefinition<I, A>, input: I) => Promise<A>
}

/**
 * A workflow of {@link defineWorkflow}.
 *
 * @category models
 * @since 0.1.0
 */
export interface WorkflowDefinition<in I extends object, out A> extends AnyWorkflow {
  /** Returns the fields of a start, for `workflows.start`. */
  readonly execution: (input: I) => NewExecution
  /** Returns the id of the execution with a key, for `workflows.signal` and the other methods. */
  readonly executionId: (key: string) => string
  readonly run: (step: Step, input: I) => PromiseLike<A>
}

/**
 * Options of a workflow.
 *
 * @category options
 * @since 0.1.0
 */
export interface WorkflowOptions<in I extends object> {
  /**
   * The version of the code. Change it when the steps change, and pass both versions to `work` until the executions of
   * the old one are finished.
   *
   * @default 1
   */
  readonly version?: number
  /** Returns the idempotency key of an input: the same key is the same execution. */
  readonly key: (input: I) => string
}

const decodeName = Schema.decodeSync(WorkflowName)
const decodeVersion = Schema.decodeSync(WorkflowVersion)
const decodeInput = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json)))

/**
 * Defines a workflow. The input is an object that serialises to JSON. Throws when the name or the version is not valid.
 *
 * @category constructors
 * @since 0.1.0
 */
export const defineWorkflow = <I extends object, A>(
  name: string,
  options: WorkflowOptions<I>,
  run: (step: Step, input: I) => PromiseLike<A>
): WorkflowDefinition<I, A> => {
  const version = decodeVersion(options.version ?? 1)
  decodeName(name)
  return {
    name,
    version,
    run,
    execution: (input) => ({
      name,
      version,
      key: options.key(input),
      payload: decodeInput(JSON.stringify(input))
    }),
    executionId: (key) => executionIdOf(name, key)
  }
}
