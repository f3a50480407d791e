/**
 * The refusal of a stream of events. Apart from `Sse`, which a browser does not load.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The tenant or the credential has as many open streams in this process as it may.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooManyStreams extends HttpApiError.Problem<TooManyStreams>()(
  "TooManyStreams",
  {
    type: "urn:hypermarket:problem:core:too-many-streams",
    status: 429,
    title: "Too many streams are open; close one"
  },
  { cap: Schema.Literals(["tenant", "credential"]), streamsMax: Schema.Int }
) {}
