/**
 * The answers of an HTTP edge while the database is unavailable or a request takes too long. Imports no SQL: `Storage`
 * makes them of the database's failures.
 *
 * @since 0.1.0
 */
import * as HttpApiError from "effect/http-api/HttpApiError"

/**
 * The database is away or overloaded; the request may be sent again after `Retry-After` seconds.
 *
 * @category errors
 * @since 0.1.0
 */
export class StorageUnavailable extends HttpApiError.Problem<StorageUnavailable>()("StorageUnavailable", {
  type: "urn:hypermarket:problem:core:storage-unavailable",
  status: 503,
  title: "The database is away or overloaded; try again"
}) {}

/**
 * The request, or a statement of it, was cut off for its own length. It says nothing about the database.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadlineExceeded extends HttpApiError.Problem<DeadlineExceeded>()("DeadlineExceeded", {
  type: "urn:hypermarket:problem:core:deadline",
  status: 503,
  title: "The request took longer than its deadline; try again, or ask for less"
}) {}
