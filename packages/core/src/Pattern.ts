/**
 * Regular expressions in RE2's syntax. Matching takes time linear in the text, whatever the expression, so that an
 * expression of a tenant cannot stop a process. Pure: works in a browser.
 *
 * Source: https://github.com/google/re2/wiki/Syntax. No backreferences and no look-around.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { RE2JS } from "re2js"

/**
 * Bounds the memory of a compiled expression. A longer one is refused.
 *
 * @category limits
 * @since 0.1.0
 */
export const patternMaxCharacters = 1_000

/**
 * Bounds the instructions of a compiled expression: matching costs up to instructions times characters. An expression
 * of repetitions that exceeds it is refused.
 *
 * @category limits
 * @since 0.1.0
 */
export const programMaxInstructions = 2_000

/**
 * Bounds the text of one test, so that the worst accepted expression ends within tens of milliseconds. A longer text
 * matches nothing.
 *
 * @category limits
 * @since 0.1.0
 */
export const textMaxCharacters = 8_192

/**
 * @category models
 * @since 0.1.0
 */
export interface Pattern {
  /**
   * Returns true when the expression matches anywhere in the text. Anchors are written into the expression. A text above
   * {@link textMaxCharacters} matches nothing.
   */
  readonly test: (text: string) => boolean
}

/**
 * Compiles an expression, or returns a sentence that names why RE2 refuses it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const compile = (
  text: string,
  options?: {
    /** Ignores the case of letters.
     *  @default false */
    readonly ignoreCase?: boolean
  }
): Result.Result<Pattern, string> => {
  if (text.length > patternMaxCharacters) {
    return Result.fail(`Expected a pattern of at most ${patternMaxCharacters} characters`)
  }
  const compiled = Result.try({
    try: () => RE2JS.compile(text, options?.ignoreCase === true ? RE2JS.CASE_INSENSITIVE : 0),
    catch: (error) =>
      `Expected a pattern in RE2's syntax: ${error instanceof Error ? error.message : "refused"}`
  })
  return Result.flatMap(compiled, (expression) =>
    expression.programSize() > programMaxInstructions
      ? Result.fail(
          `Expected a pattern of at most ${programMaxInstructions} instructions: it repeats too much`
        )
      : Result.succeed({
          test: (input: string) => input.length <= textMaxCharacters && expression.test(input)
        })
  )
}
