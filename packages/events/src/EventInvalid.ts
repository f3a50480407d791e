/**
 * The refusal of a batch of events. Without the decoding, so that a browser can import it.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * Nothing of the batch was published. Each entry's path begins with the index of the event in the batch.
 *
 * @category errors
 * @since 0.1.0
 */
export class EventInvalid extends HttpApiError.Problem<EventInvalid>()(
  "EventInvalid",
  { type: "urn:hypermarket:problem:events:event-invalid", status: 400, title: "An event is not valid" },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}
