/**
 * The outcome of a fact and the refusals of a batch. Without the facts' own schemas, so that a browser can import it.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

/**
 * The outcome of a fact. `applied` is counted. `waiting` is a refund or shipment of an unknown order: it is counted when the order
 * arrives. `late` is a fact of an order whose facts retention has removed: it is listed and in no figure. `duplicate` is the
 * version that is stored, and `superseded` a lower one.
 *
 * @category models
 * @since 0.1.0
 */
export const Outcome = Schema.Literals(["applied", "waiting", "late", "duplicate", "superseded"])

/**
 * @category models
 * @since 0.1.0
 */
export type Outcome = typeof Outcome.Type

/**
 * A thing with a version. A credit is a refund without an order.
 *
 * @category models
 * @since 0.1.0
 */
export const Kind = Schema.Literals(["order", "refund", "shipment", "credit"])

/**
 * @category models
 * @since 0.1.0
 */
export type Kind = typeof Kind.Type

/**
 * A fact that the figures cannot take; nothing of its batch was written. A path begins with the fact's index.
 *
 * @category errors
 * @since 0.1.0
 */
export class OrderFactInvalid extends HttpApiError.Problem<OrderFactInvalid>()(
  "OrderFactInvalid",
  {
    type: "urn:hypermarket:problem:analytics:order-fact-invalid",
    status: 400,
    title: "A fact is not valid; nothing was written"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

/**
 * Two different documents under one version; nothing of the batch was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class OrderFactConflict extends HttpApiError.Problem<OrderFactConflict>()(
  "OrderFactConflict",
  {
    type: "urn:hypermarket:problem:analytics:order-fact-conflict",
    status: 409,
    title: "This version is known with another content; nothing was written"
  },
  { index: Schema.Int, kind: Kind, id: Schema.String, version: Schema.Int }
) {}

/**
 * The caller's transaction is not READ COMMITTED: it would read old state through a snapshot that is older than the lock.
 *
 * @category errors
 * @since 0.1.0
 */
export class IsolationRefused extends Schema.TaggedError<IsolationRefused>()("IsolationRefused", {
  isolation: Schema.String
}) {}
