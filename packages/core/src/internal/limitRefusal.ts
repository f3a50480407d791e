/** The answer to a request that limits refuse. */
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ProblemDetails from "effect/http/ProblemDetails"
import type * as Limits from "../Limits.ts"
import * as Problems from "../Problems.ts"

export const refusalOf = (verdict: Limits.Verdict): HttpServerResponse.HttpServerResponse => {
  const problem = verdict.problem ?? Problems.limited
  return HttpServerResponse.setHeaders(
    HttpServerResponse.jsonUnsafe(problem, {
      status: problem.status,
      contentType: ProblemDetails.contentType
    }),
    verdict.headers
  )
}
