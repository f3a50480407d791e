/**
 * The answer to a publisher, per event. Without the publishing itself, so that a browser can import it.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * Another event was published under this source and id. Nothing of the batch was published.
 *
 * @category errors
 * @since 0.1.0
 */
export class EventConflict extends HttpApiError.Problem<EventConflict>()(
  "EventConflict",
  {
    type: "urn:hypermarket:problem:events:event-conflict",
    status: 409,
    title: "Another event has this source and id"
  },
  { source: Schema.String, id: Schema.String }
) {}

/**
 * The outcome of a published event.
 *
 * @category models
 * @since 0.1.0
 */
export const Receipt = Schema.Struct({
  id: Schema.String,
  state: Schema.Literals(["accepted", "duplicate"])
})

/**
 * @category models
 * @since 0.1.0
 */
export type Receipt = typeof Receipt.Type
