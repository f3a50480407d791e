/**
 * The bound of an endpoint's body, and the answers to a body that is too large or too slow. Reading is in
 * `RequestBodies`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as HttpApiError from "effect/http-api/HttpApiError"

/**
 * The largest body, in bytes, of an endpoint. A larger `Content-Length` answers 413 before the body is read.
 *
 * @category annotations
 * @since 0.1.0
 */
export const BodyBytesMax = Context.Reference<number>("@hypermarket/core/BodyBytesMax", {
  defaultValue: () => 1024 * 1024
})

/**
 * @category errors
 * @since 0.1.0
 */
export class BodyTooLarge extends HttpApiError.Problem<BodyTooLarge>()("BodyTooLarge", {
  type: "urn:hypermarket:problem:core:payload-too-large",
  status: 413,
  title: "The body is larger than this endpoint accepts"
}) {}

/**
 * The body stalled, or was the slowest when there was no room for more. The request may be sent again.
 *
 * @category errors
 * @since 0.1.0
 */
export class BodyTooSlow extends HttpApiError.Problem<BodyTooSlow>()("BodyTooSlow", {
  type: "urn:hypermarket:problem:core:body-too-slow",
  status: 408,
  title: "The body arrived too slowly; try again"
}) {}
