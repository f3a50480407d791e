/**
 * Measures JSON before it is parsed: a parser makes an object of some fifty bytes for each bracket, so that a text of few
 * megabytes can fill the memory of a process.
 */
const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBracket = 0x5b
const closeBracket = 0x5d
const openBrace = 0x7b
const closeBrace = 0x7d

/** The end of the text that begins before a place; the length when it does not end. */
const endOfText = (bytes: Uint8Array, from: number): number => {
  let at = from
  for (;;) {
    const end = bytes.indexOf(quote, at)
    if (end < 0) return bytes.length
    let escapes = 0
    while (bytes[end - 1 - escapes] === backslash) escapes++
    if (escapes % 2 === 0) return end
    at = end + 1
  }
}

/** Limits of a JSON text: its values, counted by their separators, and its levels. */
export interface Bounds {
  readonly values: number
  readonly depth: number
}

/**
 * Returns how many values a JSON text has, and undefined past the bounds. Whether it is JSON is not decided here.
 */
export const valuesWithin = (bytes: Uint8Array, bounds: Bounds): number | undefined => {
  let values = 1
  let depth = 0
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case quote:
        at = endOfText(bytes, at + 1)
        break
      case openBracket:
      case openBrace:
        values++
        depth++
        if (depth > bounds.depth || values > bounds.values) return undefined
        break
      case closeBracket:
      case closeBrace:
        depth--
        break
      case comma:
      case colon:
        values++
        if (values > bounds.values) return undefined
        break
      default:
    }
  }
  return values
}
