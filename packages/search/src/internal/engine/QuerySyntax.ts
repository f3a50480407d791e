/**
 * The signs of a query: `-word` and `-"two words"` exclude documents, and words in quotes must all be there.
 * The signs are replaced by spaces, so that places in the text stay what they are.
 */

export interface QuerySyntax {
  /** Without what is excluded, and without quotes around phrases. */
  readonly text: string
  readonly excluded: ReadonlyArray<string>
  /** Places in the text of words that a document must have. */
  readonly required: ReadonlyArray<{ readonly start: number; readonly end: number }>
}

/** A minus at the beginning of a word or phrase. A number after it may be meant: -20 °C. */
const excludedPattern = /(?<=^|\s)-(?:["“”]([^"“”]+)["“”](?=\s|$)|(?=[^\s"“”]*\p{L})([^\s"“”]+))/gu

/** Quotes around words; one alone may stand for inches. */
const phrasePattern = /(?<=^|\s)["“”]([^"“”]+)["“”](?=\s|$)/gu

const signPattern = /["“”-]/

const spaces = (match: string): string => " ".repeat(match.length)

export const parse = (query: string): QuerySyntax => {
  if (!signPattern.test(query)) return { text: query, excluded: [], required: [] }
  const excluded: Array<string> = []
  const required: Array<{ readonly start: number; readonly end: number }> = []
  const text = query
    .replace(excludedPattern, (match: string, phrase?: string, word?: string) => {
      excluded.push(phrase ?? word ?? "")
      return spaces(match)
    })
    .replace(phrasePattern, (match: string, phrase: string, at: number) => {
      required.push({ start: at, end: at + match.length })
      return ` ${phrase} `
    })
  return { text, excluded, required }
}
