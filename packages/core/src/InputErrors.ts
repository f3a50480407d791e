/**
 * The errors of a request, in the caller's terms: at most {@link errorsMax} entries, whose paths name the fields
 * that the caller sent.
 *
 * @since 0.1.0
 */
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"

/**
 * The most entries of one answer: a batch that is wrong throughout needs no more to be understood.
 *
 * @category limits
 * @since 0.1.0
 */
export const errorsMax = 100

/** The issues that are read for one answer: members of a union that refuse the same field become one entry. */
const issuesMax = 10 * errorsMax

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

/** More names than a reader looks through. The reference has all of them. */
const namesMax = 20

const unknownField = "Expected no field of this name, but one of "

/** A field that the schema does not have: names those that it has, the one that was meant among them. */
const leafHook: SchemaIssue.LeafHook = (issue) => {
  if (issue._tag !== "UnexpectedKey" || !SchemaAST.isObjects(issue.ast)) {
    return SchemaIssue.defaultLeafHook(issue)
  }
  const names = issue.ast.propertySignatures.map(({ name }) => String(name))
  const more = names.length - namesMax
  return `${unknownField}${names.slice(0, namesMax).join(", ")}${more > 0 ? ` and ${more} more` : ""}`
}

const formatIssues = SchemaIssue.makeFormatterStandardSchemaV1({ leafHook })

/** Each member of a union refuses a field that it does not have: one entry names the fields of all. */
const merged = (errors: ReadonlyArray<InputError>): ReadonlyArray<InputError> => {
  const byPlace = new Map<string, InputError>()
  for (const error of errors) {
    const isUnknown = error.message.startsWith(unknownField)
    const place = JSON.stringify([error.path, isUnknown ? unknownField : error.message])
    const earlier = byPlace.get(place)
    const message =
      earlier === undefined || !isUnknown || earlier.message === error.message
        ? error.message
        : `${earlier.message}, ${error.message.slice(unknownField.length)}`
    byPlace.set(place, { path: error.path, message })
  }
  return Array.from(byPlace.values())
}

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
  merged(
    formatIssues(error.issue)
      .issues.slice(0, issuesMax)
      .map((issue) => ({ path: [...within, ...(issue.path ?? []).map(segmentOf)], message: issue.message }))
  ).slice(0, errorsMax)

/** More entries than a reader follows in a message; `errors` has all of them. */
const shownMax = 3

/**
 * Returns the first entries as one line, such as `0.id: Missing key; 1.type: Expected string (and 3 more)`.
 *
 * @category conversions
 * @since 0.1.0
 */
export const lineOf = (errors: ReadonlyArray<InputError>): string => {
  const shown = errors.slice(0, shownMax).map(({ message, path }) => `${path.join(".")}: ${message}`)
  const more = errors.length - shownMax
  return `${shown.join("; ")}${more > 0 ? ` (and ${more} more)` : ""}`
}
