/**
 * Finds the values of a subject in free text and JSON.
 *
 * A value counts where no letter, digit, `_` or `-` touches it: `c-42` is found in `"customer/c-42/1"` and not in `c-421`. A value
 * of digits only, or of fewer than four characters, must be the whole text or a whole JSON string: a `42` elsewhere is a number or
 * another thing's id.
 */
import type { Subject } from "../SubjectData.ts"

/** Shorter values are too often a part of something else. */
const partCharactersMin = 4

const wholeOnly = (value: string): boolean => value.length < partCharactersMin || /^[0-9]+$/.test(value)

const isEmail = (value: string): boolean => /^[^@\s]+@[^@\s]+$/.test(value)

/** Escapes for Postgres and JavaScript alike. */
const escaped = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&")

const unicodeEscape = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`

/** The value as text and as the inside of a JSON string, with and without escapes of what is not ASCII. */
const spellings = (value: string): ReadonlyArray<string> => {
  const inside = JSON.stringify(value).slice(1, -1)
  const ascii = inside.replaceAll(/[^\0-\x7f]/g, unicodeEscape)
  return Array.from(
    new Set([
      value,
      inside,
      ascii,
      ascii.replaceAll(/\\u[0-9a-f]{4}/g, (unit) => `\\u${unit.slice(2).toUpperCase()}`)
    ])
  )
}

/** After the letter of an escape such as `\n` a word begins too. */
const begins = (touching: string): string => `(?:(?<![${touching}])|(?<=\\\\[bfnrt]))`

const word = "A-Za-z0-9_-"
/** Characters of the local part of an address too: `x.ann@example.com` is another mailbox. */
const mailbox = "A-Za-z0-9_.+-"

const alternatives = (values: ReadonlyArray<string>): string =>
  values.flatMap(spellings).map(escaped).join("|")

export interface Patterns {
  /** Compared as written. Undefined when there is nothing to compare. */
  readonly exact: string | undefined
  /** Compared without regard to case. */
  readonly email: string | undefined
}

/** Returns regular expressions that Postgres and JavaScript read alike. */
export const patternsOf = (values: ReadonlyArray<string>): Patterns => {
  const emails = values.filter(isEmail)
  const whole = values.filter((value) => !isEmail(value) && wholeOnly(value))
  const parts = values.filter((value) => !isEmail(value) && !wholeOnly(value))
  const exact = [
    ...(parts.length === 0 ? [] : [`${begins(word)}(?:${alternatives(parts)})(?![${word}])`]),
    ...(whole.length === 0 ? [] : [`(?:^|")(?:${alternatives(whole)})(?:"|$)`])
  ]
  return {
    exact: exact.length === 0 ? undefined : exact.join("|"),
    email:
      emails.length === 0
        ? undefined
        : `${begins(mailbox)}(?:${alternatives(emails)})(?![${word}]|\\.[A-Za-z0-9])`
  }
}

/** The names of the subject: its id and its identifiers. */
export const valuesOf = (subject: Subject): ReadonlyArray<string> =>
  Array.from(new Set([subject.id, ...subject.identifiers.map(({ value }) => value)]))

/** Returns a test of texts in the process, as the statements test them. */
export const tester = (values: ReadonlyArray<string>): ((text: string) => boolean) => {
  const { email, exact } = patternsOf(values)
  const expressions = [
    ...(exact === undefined ? [] : [new RegExp(exact)]),
    ...(email === undefined ? [] : [new RegExp(email, "i")])
  ]
  return (text) => expressions.some((expression) => expression.test(text))
}
