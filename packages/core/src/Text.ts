/**
 * Text that every column can store. Postgres refuses U+0000 in text, and half of a surrogate pair in anything that it
 * reads from JSON, so both are refused where a value enters.
 *
 * Lengths are in characters (Unicode code points), as Postgres's `length` and JSON Schema's `maxLength` count them.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * True for text without U+0000 and without half of a surrogate pair.
 *
 * @category guards
 * @since 0.1.0
 */
export const isStorable = (text: string): boolean => !text.includes("\u0000") && text.isWellFormed()

/** A character is one or two units of UTF-16: counts only what the number of units leaves open. */
const isLengthBetween = (text: string, min: number, max: number): boolean => {
  if (text.length < min || text.length > 2 * max) return false
  if (text.length >= 2 * min && text.length <= max) return true
  let characters = 0
  for (const _ of text) characters++
  return characters >= min && characters <= max
}

/**
 * The check of {@link make}, for a schema that has further checks.
 *
 * @category checks
 * @since 0.1.0
 */
export const isText = (options: { readonly max: number; readonly min?: number }) => {
  const { max, min = 1 } = options
  const length = min === 0 ? `at most ${max}` : `${min} to ${max}`
  return Schema.makeFilter(
    (text: string) => {
      if (!isLengthBetween(text, min, max)) return `Expected ${length} characters`
      return isStorable(text) ? undefined : "Expected neither U+0000 nor half of a surrogate pair"
    },
    {
      expected: `${length} characters without U+0000 and halves of surrogate pairs`,
      toJsonSchema: () => (min === 0 ? { maxLength: max } : { minLength: min, maxLength: max }),
      arbitraryConstraint: { minCodePoints: min, maxCodePoints: max }
    }
  )
}

/**
 * Text of `min` (1 by default) to `max` characters.
 *
 * @category schemas
 * @since 0.1.0
 */
export const make = (options: { readonly max: number; readonly min?: number }) =>
  Schema.String.check(isText(options))
