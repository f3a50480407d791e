/**
 * The text of a part of a JSON document, as it came: a number keeps digits that a JavaScript number would lose. Every
 * function wants text that `JSON.parse` has accepted.
 */

const quote = 0x22
const backslash = 0x5c

const isSpace = (code: number): boolean => code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

const afterSpace = (text: string, from: number): number => {
  let at = from
  while (isSpace(text.charCodeAt(at))) at++
  return at
}

/** Behind the string that begins at `from`. */
const afterString = (text: string, from: number): number => {
  for (let end = text.indexOf('"', from + 1); ; end = text.indexOf('"', end + 1)) {
    let escapes = 0
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes++
    if (escapes % 2 === 0) return end + 1
  }
}

const structure = /["{}[\]]/g
const scalarEnd = /[,}\]\s]|$/g

/** Behind the value that begins at `from`. Without recursion: the depth is the caller's. */
const afterValue = (text: string, from: number): number => {
  const first = text[from]
  if (first === '"') return afterString(text, from)
  if (first !== "{" && first !== "[") {
    scalarEnd.lastIndex = from
    return scalarEnd.exec(text)?.index ?? text.length
  }
  let depth = 0
  let at = from
  for (;;) {
    structure.lastIndex = at
    const match = structure.exec(text)
    if (match === null) return text.length
    at = match.index
    const mark = match[0]
    if (mark === '"') {
      at = afterString(text, at)
      continue
    }
    at++
    depth += mark === "{" || mark === "[" ? 1 : -1
    if (depth === 0) return at
  }
}

/** The texts of an array's elements. */
export const elementsOf = (text: string): ReadonlyArray<string> => {
  const elements: Array<string> = []
  let at = afterSpace(text, text.indexOf("[") + 1)
  while (at < text.length && text[at] !== "]") {
    const end = afterValue(text, at)
    elements.push(text.slice(at, end))
    at = afterSpace(text, end)
    if (text[at] === ",") at = afterSpace(text, at + 1)
  }
  return elements
}

/** The text of an object's member; of several with one name the last, as `JSON.parse` has it. */
export const memberOf = (text: string, name: string): string | undefined => {
  let member: string | undefined
  let at = afterSpace(text, text.indexOf("{") + 1)
  while (text.charCodeAt(at) === quote) {
    const nameEnd = afterString(text, at)
    const current: unknown = JSON.parse(text.slice(at, nameEnd))
    const start = afterSpace(text, text.indexOf(":", nameEnd) + 1)
    const end = afterValue(text, start)
    if (current === name) member = text.slice(start, end)
    at = afterSpace(text, end)
    if (text[at] === ",") at = afterSpace(text, at + 1)
  }
  return member
}

const numberPattern = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** An exponent of more digits is none that anybody means; it is compared as text. */
const exponentDigitsMax = 6

/** The digits without zeros at either end, and the power of ten of the last: the same for `1.10`, `1.1` and `11e-1`. */
const canonicalNumber = (text: string): string => {
  const match = numberPattern.exec(text)
  if (match === null) return text
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = match
  if (exponent.length > exponentDigitsMax + 1) return text
  const digits = (whole + fraction).replace(/^0+/, "")
  const significant = digits.replace(/0+$/, "")
  if (significant === "") return "0"
  return `${sign}${significant}e${Number(exponent) - fraction.length + digits.length - significant.length}`
}

/** A string, or a number outside of strings. */
const stringOrNumber = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/g

/** Marks a number's digits among strings: no string of an event begins with U+0000, which is refused. */
const marked = (part: string): string => (part.startsWith('"') ? part : `"\\u0000${canonicalNumber(part)}"`)

const compare = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  a < b ? -1 : a > b ? 1 : 0

const sorted = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(sorted).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value)
  const members = Object.entries(value).toSorted(compare)
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${sorted(member)}`).join(",")}}`
}

/**
 * The canonical text of a JSON value, to compare with: names sorted, no space, texts escaped alike, numbers with all their
 * digits. Two texts that mean the same have one. The depth of the value is bounded by its schema.
 */
export const canonical = (text: string): string => sorted(JSON.parse(text.replace(stringOrNumber, marked)))
