/**
 * Describes what made an effect fail, for rows, logs and metrics.
 *
 * Describing never throws, reads at most a few levels of causes, and returns a bounded text without stack frames.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"

/**
 * Maximum length of a description, in characters.
 *
 * @category limits
 * @since 0.1.0
 */
export const charsMax = 500

/** Maximum characters of one message that are read: what comes after them is cut before it is searched. */
const messageCharsMax = 2_000
/** Maximum nested causes that are followed: a driver's error is two or three levels down. */
const levelsMax = 6
/** Maximum fields of an object without a message that are shown. */
const fieldsMax = 8

/** A getter may throw, and a revoked proxy throws for every access. */
const read = (value: unknown, key: string): unknown => {
  try {
    return (typeof value === "object" && value !== null) || typeof value === "function"
      ? Reflect.get(value, key)
      : undefined
  } catch {
    return undefined
  }
}

const readText = (value: unknown, key: string): string | undefined => {
  const text = read(value, key)
  return typeof text === "string" && text.length > 0 ? text.slice(0, messageCharsMax) : undefined
}

/** A schema's error has places such as `at ["lines"][0]`, which are no frames. */
const framePattern = /\n\s+at (?!\[)[\s\S]*$/
/** A file with its place in it, a path below a home or system folder, and everything in `node_modules`. */
const pathPattern =
  /(?:file:\/\/)?(?:[A-Za-z]:)?[\\/](?:[\w@.+-]+[\\/])*(?:node_modules[\\/][\w@.+\\/-]+|[\w@.+-]+\.[cm]?[jt]sx?:\d+(?::\d+)?)|(?<![\w./:])\/(?:home|Users|root|var|usr|opt|srv|tmp|app|etc|mnt|private)\/[\w@.+/-]+/g

/** Postgres refuses NUL in text, and half a surrogate pair in what it reads from JSON. */
const cleaned = (text: string): string =>
  text
    .slice(0, messageCharsMax)
    .replace(framePattern, "")
    .replaceAll(/\s*\n\s*/g, " ")
    .replaceAll(pathPattern, "<path>")
    .replaceAll("\u0000", "\uFFFD")
    .toWellFormed()
    .trim()

const ofPrimitive = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return value
    case "number":
    case "bigint":
    case "boolean":
    case "undefined":
      return String(value)
    case "symbol":
      return "a symbol"
    case "function":
      return "a function"
    default:
      return "null"
  }
}

/** The first fields of an object that is no error, in place of a message. */
const ofFields = (value: object): string => {
  try {
    if (Array.isArray(value)) return `a list of ${value.length} values`
    if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`
    const fields: Array<string> = []
    for (const key in value) {
      if (fields.length === fieldsMax) break
      const field = read(value, key)
      if (typeof field !== "object") fields.push(`${key}: ${ofPrimitive(field).slice(0, 100)}`)
    }
    return fields.length === 0 ? "an error without a message" : fields.join(", ")
  } catch {
    return "an error that cannot be described"
  }
}

const messageOf = (error: unknown): string => {
  if (typeof error !== "object" || error === null) return ofPrimitive(error)
  const message = readText(error, "message")
  const name = readText(error, "_tag") ?? readText(error, "name")
  if (message === undefined) return name !== undefined && name !== "Error" ? name : ofFields(error)
  return name === undefined || name === "Error" || message.startsWith(name) ? message : `${name}: ${message}`
}

interface Level {
  readonly error: unknown
  /** Its own message says nothing: it only wraps its cause. */
  readonly isWrapper: boolean
}

const wrappers: ReadonlySet<string> = new Set(["UnknownError", "SqlError"])

/** The error and its causes, the outermost first. */
const chainOf = (error: unknown): ReadonlyArray<Level> => {
  const chain: Array<Level> = []
  let current = error
  let isReason = false
  while (chain.length < levelsMax && current !== undefined && current !== null) {
    const seen = current
    if (chain.some((level) => level.error === seen)) break
    const reason = read(current, "reason")
    const cause = read(current, "cause") ?? (typeof reason === "object" ? reason : undefined)
    const isWrapper = isReason || wrappers.has(readText(current, "_tag") ?? "")
    chain.push({ error: current, isWrapper: isWrapper && cause !== undefined && cause !== null })
    // The reason of a SqlError names the kind of failure, and its cause has the server's message.
    isReason = readText(current, "_tag") === "SqlError"
    current = cause
  }
  return chain
}

const statePattern = /^[0-9A-Z]{5}$/

/**
 * The parts of a failure that a row or a log shows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failure {
  /** The innermost message first, without stack frames. */
  readonly message: string
  /** The SQLSTATE of a failed statement. */
  readonly state: string | undefined
  readonly constraint: string | undefined
}

const sqlFieldsOf = (chain: ReadonlyArray<Level>): Pick<Failure, "state" | "constraint"> => {
  for (const { error } of chain) {
    for (const holder of [error, read(error, "fields")]) {
      const state = readText(holder, "code")
      if (state === undefined || !statePattern.test(state)) continue
      return { state, constraint: readText(holder, "constraint") ?? readText(holder, "constraint_name") }
    }
  }
  return { state: undefined, constraint: undefined }
}

/**
 * Describes a thrown or failed value.
 *
 * @category accessors
 * @since 0.1.0
 */
export const ofError = (error: unknown): Failure => {
  const chain = chainOf(error)
  const distinct = chain
    .filter(({ isWrapper }) => !isWrapper)
    .map((level) => cleaned(messageOf(level.error)))
    .toReversed()
    .filter((message, index, all) => message !== "" && all.indexOf(message) === index)
  return { message: distinct.join("; ") || cleaned(messageOf(error)), ...sqlFieldsOf(chain) }
}

/** The first failure of a cause, or its first defect. */
const firstOf = (cause: Cause.Cause<unknown>): unknown => {
  for (const reason of cause.reasons) {
    if (reason._tag === "Fail") return reason.error
    if (reason._tag === "Die") return reason.defect
  }
  return undefined
}

const isInterrupted = (cause: Cause.Cause<unknown>): boolean =>
  cause.reasons.length > 0 && cause.reasons.every((reason) => reason._tag === "Interrupt")

/**
 * Returns a description of at most {@link charsMax} characters. It begins with the SQLSTATE and constraint of a failed
 * statement, if any, and the message of the innermost cause.
 *
 * @category accessors
 * @since 0.1.0
 */
export const describe = (cause: Cause.Cause<unknown>): string => {
  if (isInterrupted(cause)) return "interrupted"
  const { constraint, message, state } = ofError(firstOf(cause))
  const place = [
    ...(state === undefined ? [] : [`SQLSTATE ${state}`]),
    ...(constraint === undefined ? [] : [`constraint ${cleaned(constraint)}`])
  ].join(", ")
  if (place === "") return message.slice(0, charsMax).toWellFormed()
  return `${message.slice(0, charsMax - place.length - 3).toWellFormed()} (${place})`
}

const labelPattern = /^[A-Za-z][A-Za-z0-9_]{0,59}$/

/**
 * Returns a label of a bounded number of values: the SQLSTATE of a failed statement, else the tag or class of the error.
 *
 * @category accessors
 * @since 0.1.0
 */
export const reasonOf = (cause: Cause.Cause<unknown>): string => {
  if (isInterrupted(cause)) return "Interrupted"
  const error = firstOf(cause)
  const { state } = sqlFieldsOf(chainOf(error))
  if (state !== undefined) return state
  const tag = readText(error, "_tag") ?? readText(error, "name")
  return tag !== undefined && labelPattern.test(tag) ? tag : "Error"
}
