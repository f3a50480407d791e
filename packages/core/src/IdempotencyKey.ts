/**
 * `Idempotency-Key` on POST endpoints that create: the same key with the same body gets the first answer again, for 24
 * hours (after draft-ietf-httpapi-idempotency-key-header).
 *
 * Header and errors only; `IdempotentRequests` keeps the answers.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import * as Text from "./Text.ts"

/**
 * @category limits
 * @since 0.1.0
 */
export const keyLengthMax = 255

/**
 * The header an endpoint declares.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Headers = {
  "idempotency-key": Schema.optionalKey(Text.make({ max: keyLengthMax }))
}

/**
 * @category errors
 * @since 0.1.0
 */
export class IdempotencyKeyReused extends HttpApiError.Problem<IdempotencyKeyReused>()(
  "IdempotencyKeyReused",
  {
    type: "urn:hypermarket:problem:core:idempotency-key-reused",
    status: 422,
    title: "This Idempotency-Key was used with another request"
  }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class RequestInProgress extends HttpApiError.Problem<RequestInProgress>()("RequestInProgress", {
  type: "urn:hypermarket:problem:core:request-in-progress",
  status: 409,
  title: "A request with this Idempotency-Key is still running; try again"
}) {}

/**
 * The errors an endpoint declares.
 *
 * @category errors
 * @since 0.1.0
 */
export const errors = [IdempotencyKeyReused, RequestInProgress] as const
