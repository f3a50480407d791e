/**
 * Versions in the notation of Semantic Versioning 2.0.0 and their precedence. Pure: works in a browser.
 *
 * A comparison of two parsed versions allocates nothing: conditions of flags run it on every evaluation.
 *
 * Source: https://semver.org/spec/v2.0.0.html, 9 to 11.
 *
 * @since 0.1.0
 */
import * as Order from "effect/Order"
import * as Result from "effect/Result"

/**
 * A parsed version without its build metadata, which has no precedence. Numbers of any length are kept exactly.
 *
 * @category models
 * @since 0.1.0
 */
export interface SemanticVersion {
  readonly core: readonly [string, string, string]
  /** Empty for a release. */
  readonly prerelease: ReadonlyArray<string>
}

/**
 * Bounds the work of a comparison. A longer text is refused.
 *
 * @category limits
 * @since 0.1.0
 */
export const versionMaxCharacters = 256

const number = "(0|[1-9]\\d*)"
const identifier = "(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)"
const notation = new RegExp(
  `^${number}\\.${number}\\.${number}(?:-(${identifier}(?:\\.${identifier})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`
)

/**
 * Parses a version. A leading `v` is not part of the notation; `prefix` accepts it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const parse = (
  text: string,
  options?: {
    /** Accepts one leading `v`.
     *  @default false */
    readonly prefix?: boolean
  }
): Result.Result<SemanticVersion, string> => {
  const bare = options?.prefix === true && text.startsWith("v") ? text.slice(1) : text
  const match = bare.length > versionMaxCharacters ? null : notation.exec(bare)
  if (match === null) return Result.fail("Expected a semantic version such as 1.4.0 or 2.0.0-rc.1")
  const [, major = "0", minor = "0", patch = "0", prerelease] = match
  return Result.succeed({ core: [major, minor, patch], prerelease: prerelease?.split(".") ?? [] })
}

const isNumeric = (text: string): boolean => {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code < 48 || code > 57) return false
  }
  return true
}

const sign = (difference: number): -1 | 0 | 1 => (difference < 0 ? -1 : difference > 0 ? 1 : 0)

const compareText = (a: string, b: string): -1 | 0 | 1 => (a < b ? -1 : a > b ? 1 : 0)

/** Numbers have no leading zeros, so the longer one is the larger one. */
const compareNumbers = (a: string, b: string): -1 | 0 | 1 =>
  a.length === b.length ? compareText(a, b) : sign(a.length - b.length)

const compareIdentifiers = (a: string, b: string): -1 | 0 | 1 => {
  const numericA = isNumeric(a)
  const numericB = isNumeric(b)
  if (numericA && numericB) return compareNumbers(a, b)
  if (numericA !== numericB) return numericA ? -1 : 1
  return compareText(a, b)
}

/**
 * Compares by precedence: -1 when the first comes before the second, 1 when it comes after, 0 when both are equal.
 * A prerelease comes before its release; build metadata is ignored.
 *
 * @category ordering
 * @since 0.1.0
 */
export const compare: Order.Order<SemanticVersion> = Order.make((a, b) => {
  for (let index = 0; index < 3; index++) {
    const order = compareNumbers(a.core[index] ?? "0", b.core[index] ?? "0")
    if (order !== 0) return order
  }
  if (a.prerelease.length === 0 || b.prerelease.length === 0) {
    return sign(b.prerelease.length - a.prerelease.length)
  }
  for (let index = 0; index < Math.min(a.prerelease.length, b.prerelease.length); index++) {
    const order = compareIdentifiers(a.prerelease[index] ?? "", b.prerelease[index] ?? "")
    if (order !== 0) return order
  }
  return sign(a.prerelease.length - b.prerelease.length)
})
