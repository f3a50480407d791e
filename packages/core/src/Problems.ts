/**
 * The problem documents (RFC 9457) that no endpoint declares: unknown path, wrong method, wrong media type, a body too
 * large, a defect, a server that is full or stopping.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as ErrorReporter from "effect/ErrorReporter"
import * as HttpServerRespondable from "effect/http/HttpServerRespondable"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ProblemDetails from "effect/http/ProblemDetails"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import type * as Layer from "effect/Layer"
import type * as SchemaIssue from "effect/SchemaIssue"
import { errorsOf, type InputError } from "./InputErrors.ts"

/**
 * @category models
 * @since 0.1.0
 */
export interface Problem {
  readonly type: string
  readonly status: number
  readonly title: string
}

/**
 * Returns a maker of problems of one owner: a domain, or an app. Their types are `urn:hypermarket:problem:<owner>:<kebab>`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makerOf =
  (owner: string) =>
  (kebab: string, status: number, title: string): Problem => ({
    type: `urn:hypermarket:problem:${owner}:${kebab}`,
    status,
    title
  })

const problem = makerOf("core")

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
export const bodyTooSlow = problem("body-too-slow", 408, "The body arrived too slowly; try again")

/**
 * @category problems
 * @since 0.1.0
 */
export const requestTimeout = problem("request-timeout", 408, "The request did not arrive in time; try again")

/**
 * @category problems
 * @since 0.1.0
 */
export const headTooLarge = problem("head-too-large", 431, "The head of the request is larger than 16 KiB")

/**
 * @category problems
 * @since 0.1.0
 */
export const expectationFailed = problem(
  "expectation-failed",
  417,
  "The server meets no expectation but 100-continue"
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
export const limited = problem("limited", 429, "Too many requests; try again after Retry-After")

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
  bodyTooSlow,
  requestTimeout,
  payloadTooLarge,
  mediaTypeUnsupported,
  expectationFailed,
  headTooLarge,
  badRequest,
  internal,
  limited,
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

/** The refusal of a body does not have the content types of the endpoint: nearly all accept this one. */
const mediaTypeDetail = "Set the header `content-type`, usually to `application/json`"

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
  if (says || known === undefined) return response
  return toResponse(known, known === mediaTypeUnsupported ? mediaTypeDetail : undefined)
}

/** A field of the body is named as it is; others with the part of the request that has them. */
const withinOf = (kind: string): ReadonlyArray<string> => (kind === "Payload" ? [] : [kind.toLowerCase()])

/**
 * The middleware of every group: a request that does not decode is answered 400 with at most 100 `errors`, whose paths
 * name the caller's fields. A response that does not encode is reported, and answered 500 without details.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerInput: Layer.Layer<HttpApiMiddleware.ProblemDetails> =
  HttpApiMiddleware.layerSchemaErrorTransform(HttpApiMiddleware.ProblemDetails, (error) =>
    error.kind === "Body" || error.kind === "ResponseHeaders"
      ? Effect.andThen(
          ErrorReporter.report(Cause.fail(error)),
          HttpServerRespondable.toResponse(new HttpApiError.InternalServerErrorProblem())
        )
      : Effect.fail(
          new HttpApiError.BadRequestProblem({
            detail: "Request validation failed",
            errors: errorsOf(error.cause, withinOf(error.kind))
          })
        )
  )

/**
 * A field that was refused: its path in what the caller sent, and what was expected there.
 *
 * @category models
 * @since 0.1.0
 */
export type Issue = InputError

/**
 * Returns the fields that a schema refused, for the `errors` of a problem: at most 100, paths beginning with `prefix`.
 *
 * @category errors
 * @since 0.1.0
 */
export const issuesOf = (
  issue: SchemaIssue.Issue,
  prefix: ReadonlyArray<string | number> = []
): ReadonlyArray<Issue> => errorsOf({ issue }, prefix)
