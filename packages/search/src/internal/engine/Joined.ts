/**
 * Forms in which the same thing is written as one word: `wi-fi` as `wifi`, `50 x 70` as `50x70`, `t shirt` as `tshirt`. A
 * document has them beside its tokens, in its first field; a word of a query may be found by them. And what a sign after a
 * letter makes another word: `c++`, `c#`.
 */

import { gramPattern } from "./Grams.ts"

export interface Form {
  readonly term: string
  /** Tokens that it stands for, from the one at which it begins. */
  readonly tokens: number
  /** True for a form that is the word itself: a query for C++ does not mean C. */
  readonly isExact: boolean
}

/** A text that was cut into tokens. */
export interface Tokens {
  readonly text: string
  readonly tokens: ReadonlyArray<string>
  readonly starts: ReadonlyArray<number>
  readonly ends: ReadonlyArray<number>
}

/** A script without spaces has bigrams and no joined forms. */
const hasGramsPattern = new RegExp(gramPattern.source.slice(1, -1), "u")

const none: ReadonlyArray<Form> = []

/** Shorter or longer ones are no words that anyone writes. */
const formCharsMin = 2
const formCharsMax = 32
/** Parts of a part number that are joined: more are rarely written as one. */
const partsMax = 4

const plus = 0x2b
const hash = 0x23
const space = 0x20

/** `-` `.` `_` `/` and the two typographic hyphens. */
const isConnector = (code: number): boolean =>
  (code >= 0x2d && code <= 0x2f) || code === 0x5f || code === 0x2010 || code === 0x2011

const signsPattern = /(?:\+\+?|#)(?![\p{L}\p{N}+#])/uy
const letterAtEndPattern = /\p{L}$/u
const digitAtEndPattern = /\d$/
const digitAtStartPattern = /^\d/
const letterPattern = /\p{L}/u
const singleLetterPattern = /^[b-hj-z]$/
const insidePattern = /[.,/]/
const allInsidePattern = /[.,/]/g

/** The parts of a token that decide whether a form may begin with it. */
export interface Shape {
  /** It has letters, and a sign between digits. */
  readonly isInside: boolean
  /** A form may follow after a space: a number, or a single letter. */
  readonly isOpen: boolean
}

export const shapeOf = (token: string): Shape => ({
  isInside: insidePattern.test(token) && letterPattern.test(token),
  isOpen: singleLetterPattern.test(token) || digitAtEndPattern.test(token)
})

/** False for nearly every token, from what is known of it and the character after it. */
export const mayBegin = ({ isInside, isOpen }: Shape, after: number): boolean =>
  isInside || after === plus || after === hash || isConnector(after) || (isOpen && after === space)

const isConnected = ({ ends, starts, text, tokens }: Tokens, n: number): boolean => {
  const end = ends[n] ?? 0
  return n >= 0 && n + 1 < tokens.length && starts[n + 1] === end + 1 && isConnector(text.charCodeAt(end))
}

const isSpaced = ({ ends, starts, text, tokens }: Tokens, n: number): boolean => {
  const end = ends[n] ?? 0
  return n + 1 < tokens.length && starts[n + 1] === end + 1 && text.charCodeAt(end) === space
}

const bare = ({ tokens }: Tokens, n: number): string => (tokens[n] ?? "").replace(allInsidePattern, "")

const bareRange = (all: Tokens, from: number, count: number): string =>
  Array.from({ length: count }, (_, k) => bare(all, from + k)).join("")

/** `50 x 70`, and `10 x 20 x 30` as a whole and in pairs. */
const dimensions = (all: Tokens, n: number): ReadonlyArray<Form> => {
  const { tokens } = all
  const isTimes = (at: number) =>
    (tokens[at] === "x" || tokens[at] === "by") && isSpaced(all, at - 1) && isSpaced(all, at)
  const isNumber = (at: number) =>
    digitAtEndPattern.test(tokens[at] ?? "") && (at === n || digitAtStartPattern.test(tokens[at] ?? ""))
  const forms: Array<Form> = []
  let joined = tokens[n] ?? ""
  for (let at = n; forms.length < 2 && isNumber(at) && isTimes(at + 1) && isNumber(at + 2); at += 2) {
    joined += `x${tokens[at + 2] ?? ""}`
    forms.push({ term: joined, tokens: at + 3 - n, isExact: false })
  }
  return forms
}

const chain = (all: Tokens, n: number): ReadonlyArray<Form> => {
  let count = 2
  while (count < partsMax && isConnected(all, n + count - 1)) count++
  const pair: Form = { term: bareRange(all, n, 2), tokens: 2, isExact: false }
  if (count === 2 || isConnected(all, n - 1)) return [pair]
  return [pair, { term: bareRange(all, n, count), tokens: count, isExact: false }]
}

const found = (all: Tokens, n: number): ReadonlyArray<Form> => {
  const token = all.tokens[n] ?? ""
  const end = all.ends[n] ?? 0
  const code = all.text.charCodeAt(end)
  const isInside = insidePattern.test(token) && letterPattern.test(token)
  const own: ReadonlyArray<Form> = isInside ? [{ term: bare(all, n), tokens: 1, isExact: false }] : none
  if (code === plus || code === hash) {
    signsPattern.lastIndex = end
    const signs = letterAtEndPattern.test(token) ? signsPattern.exec(all.text)?.[0] : undefined
    return signs === undefined ? own : [{ term: token + signs, tokens: 1, isExact: true }]
  }
  if (isConnected(all, n)) return [...own, ...chain(all, n)]
  if (!isSpaced(all, n)) return own
  const before = all.text.charCodeAt((all.starts[n] ?? 0) - 1)
  const isTimes =
    token === "x" &&
    (digitAtEndPattern.test(all.tokens[n - 1] ?? "") || digitAtStartPattern.test(all.tokens[n + 1] ?? ""))
  if (singleLetterPattern.test(token) && !isTimes && (Number.isNaN(before) || before === space)) {
    return [...own, { term: token + bare(all, n + 1), tokens: 2, isExact: false }]
  }
  return digitAtEndPattern.test(token) ? [...own, ...dimensions(all, n)] : own
}

/** Returns the forms that begin with a token. `termOf` stems them as a token of their own. */
export const formsAt = (all: Tokens, n: number, termOf: (token: string) => string): ReadonlyArray<Form> => {
  const forms = found(all, n)
  if (forms.length === 0) return none
  return forms
    .filter(
      ({ isExact, term }) =>
        isExact || (term.length >= formCharsMin && term.length <= formCharsMax && !hasGramsPattern.test(term))
    )
    .map((form) => (form.isExact ? form : { ...form, term: termOf(form.term) }))
}
