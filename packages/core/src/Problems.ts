/**
 * The problem documents (RFC 9457) that no endpoint declares: unknown path, wrong method, wrong media type, a body too
 * large, a defect, a server that is full or stopping.
 *
 * @since 0.1.0
 */
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ProblemDetails from "effect/http/ProblemDetails"

/**
 * @category models
 * @since 0.1.0
 */
export interface Problem {
  readonly type: string
  readonly status: number
  readonly title: string
}

const problem = (kebab: string, status: number, title: string): Problem => ({
  type: `urn:hypermarket:problem:core:${kebab}`,
  status,
  title
})

/**
 * @category problems
 * @since 0.1.0
 */
export const unauthenticated = problem(
  "unauthenticated",
  401,
  "The key is missing, unknown, expired or revoked"
)

/**
 * @category problems
 * @since 0.1.0
 */
export const notFound = problem("not-found", 404, "There is nothing at this path")

/**
 * @category problems
 * @since 0.1.0
 */
export const methodNotAllowed = problem("method-not-allowed", 405, "This path does not accept this method")

/**
 * @category problems
 * @since 0.1.0
 */
export const payloadTooLarge = problem(
  "payload-too-large",
  413,
  "The body is larger than this endpoint accepts"
)

/**
 * @category problems
 * @since 0.1.0
 */
export const mediaTypeUnsupported = problem(
  "media-type-unsupported",
  415,
  "This endpoint does not accept this content type"
)

/**
 * @category problems
 * @since 0.1.0
 */
export const badRequest = problem("bad-request", 400, "The request cannot be read")

/**
 * @category problems
 * @since 0.1.0
 */
export const internal = problem("internal", 500, "The server failed; the request id finds it in the log")

/**
 * @category problems
 * @since 0.1.0
 */
export const overloaded = problem("overloaded", 503, "The server has too many requests in flight; try again")

/**
 * @category problems
 * @since 0.1.0
 */
export const stopping = problem("stopping", 503, "The server is stopping; try again")

/**
 * Every problem of this module, for the page `/docs/problems`.
 *
 * @category problems
 * @since 0.1.0
 */
export const all: ReadonlyArray<Problem> = [
  notFound,
  methodNotAllowed,
  payloadTooLarge,
  mediaTypeUnsupported,
  badRequest,
  internal,
  overloaded,
  stopping
]

/**
 * @category responses
 * @since 0.1.0
 */
export const toResponse = (problem: Problem, detail?: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.jsonUnsafe(detail === undefined ? problem : { ...problem, detail }, {
    status: problem.status,
    contentType: ProblemDetails.contentType
  })

const byStatus = new Map(
  [notFound, methodNotAllowed, payloadTooLarge, mediaTypeUnsupported, badRequest, internal, stopping].map(
    (one) => [one.status, one]
  )
)

/**
 * The problem in place of an error response that says nothing: an empty or plain-text body. A protocol's own error
 * body is JSON and stays.
 *
 * @category responses
 * @since 0.1.0
 */
export const inPlaceOf = (
  response: HttpServerResponse.HttpServerResponse
): HttpServerResponse.HttpServerResponse => {
  if (response.status < 400) return response
  const says = response.body._tag !== "Empty" && response.body.contentType !== "text/plain"
  const known = byStatus.get(response.status)
  return says || known === undefined ? response : toResponse(known)
}
