/** Annotations of workflows and activities, and the limits of what they store. */
import * as Context from "effect/Context"
import * as Schema from "effect/Schema"

export const Version = Context.Reference<number>("@hypermarket/events/EventWorkflow/Version", {
  defaultValue: () => 1
})

export const Transactional = Context.Reference<boolean>("@hypermarket/events/EventWorkflow/Transactional", {
  defaultValue: () => false
})

/** Maximum payload, in bytes of JSON, as of a job. */
export const payloadBytesMax = 256 * 1024

/** Maximum result of an activity, a signal and an execution, in bytes of JSON. Larger data belongs in a table or a bucket. */
export const resultBytesMax = 1024 * 1024

/** The payload of an execution is larger than {@link payloadBytesMax}. */
export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", {
  name: Schema.String,
  bytes: Schema.Int
}) {
  override get message(): string {
    return `The payload of ${this.name} has ${this.bytes} bytes of JSON, at most ${payloadBytesMax}`
  }
}

/** The result of an activity, a signal or a workflow is larger than {@link resultBytesMax}. */
export class ResultTooLarge extends Schema.TaggedError<ResultTooLarge>()("ResultTooLarge", {
  name: Schema.String,
  bytes: Schema.Int
}) {
  override get message(): string {
    return `The result of ${this.name} has ${this.bytes} bytes of JSON, at most ${resultBytesMax}`
  }
}
