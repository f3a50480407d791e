import type { KnownProblem } from "./operations.ts"

/** A response that is no problem document, for example of a proxy: its first 500 characters are the detail. */
export interface OtherProblem {
  readonly type: "about:blank"
  readonly title: string
  readonly status: number
  readonly detail?: string
}

/** Every problem that the API responds with, by its `type`. */
export type Problem = KnownProblem | OtherProblem

/** More wrong fields than this are counted and not shown. */
const shownErrorsMax = 3

/** The fields that a request had wrong, or the detail of the problem, as a message has them. */
const detailOf = (problem: Problem): string => {
  if (!("errors" in problem) || !Array.isArray(problem.errors)) {
    return typeof problem.detail === "string" ? ` (${problem.detail})` : ""
  }
  const errors: ReadonlyArray<{ readonly path?: ReadonlyArray<unknown>; readonly message?: unknown }> =
    problem.errors
  const shown = errors
    .slice(0, shownErrorsMax)
    .map(({ message, path = [] }) => [...(path.length > 0 ? [path.join(".")] : []), message].join(": "))
  const left = errors.length - shown.length
  return shown.length === 0 ? "" : ` (${shown.join("; ")}${left > 0 ? `; ${left} more` : ""})`
}

/** A response that is not a success, with its problem document (RFC 9457). */
export class HypermarketError extends Error {
  override readonly name = "HypermarketError"
  /** For example `queues.get`. */
  readonly operation: string
  readonly status: number
  readonly problem: Problem
  /** Names the request in the logs of the service. */
  readonly requestId: string | undefined

  constructor(operation: string, status: number, problem: Problem, requestId: string | undefined) {
    super(`${operation}: ${problem.title}${detailOf(problem)}`)
    this.operation = operation
    this.status = status
    this.problem = problem
    this.requestId = requestId
  }

  /**
   * Narrows `problem` to the problem of one type.
   *
   * ```ts
   * if (error.is("urn:hypermarket:problem:events:event-conflict")) console.log(error.problem.source)
   * ```
   */
  is<Type extends Problem["type"]>(
    type: Type
  ): this is HypermarketError & { readonly problem: Extract<Problem, { readonly type: Type }> } {
    return this.problem.type === type
  }
}
