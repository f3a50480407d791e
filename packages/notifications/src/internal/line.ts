/** Text of others as it is kept: one line, of bounded length, well-formed. */

// eslint-disable-next-line no-control-regex -- a line has none
const breaks = /[\u0000-\u001f\u007f\u2028\u2029]+/g

/** Returns the beginning of a text. Half of a character at its end, which Postgres refuses, is replaced by U+FFFD. */
export const startOf = (text: string, max: number): string => text.slice(0, max).toWellFormed()

/** Characters of a server's answer or of a report that a history keeps. */
const detailMax = 300

/** Returns a text as one line of at most 300 characters by default. */
export const lineOf = (text: string, max: number = detailMax): string =>
  startOf(text.replaceAll(breaks, " ").trim(), max)
