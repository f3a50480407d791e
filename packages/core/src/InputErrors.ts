/**
 * The errors of a request, in the caller's terms: at most {@link errorsMax} entries, whose paths name the fields
 * that the caller sent.
 *
 * @since 0.1.0
 */
import * as SchemaIssue from "effect/SchemaIssue"

/**
 * The most entries of one answer: a batch that is wrong throughout needs no more to be understood.
 *
 * @category limits
 * @since 0.1.0
 */
export const errorsMax = 100

/** A field's name as the caller sent it may be of any length; an answer is not. */
const segmentLengthMax = 200

/**
 * @category models
 * @since 0.1.0
 */
export interface InputError {
  readonly path: ReadonlyArray<string | number>
  readonly message: string
}

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1()

const segmentOf = (segment: PropertyKey | { readonly key: PropertyKey }): string | number => {
  const key = typeof segment === "object" ? segment.key : segment
  return typeof key === "number" ? key : String(key).slice(0, segmentLengthMax).toWellFormed()
}

/**
 * Returns the entries of a schema's error, each path behind `within`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const errorsOf = (
  error: { readonly issue: SchemaIssue.Issue },
  within: ReadonlyArray<string | number> = []
): ReadonlyArray<InputError> =>
  formatIssues(error.issue)
    .issues.slice(0, errorsMax)
    .map((issue) => ({ path: [...within, ...(issue.path ?? []).map(segmentOf)], message: issue.message }))
