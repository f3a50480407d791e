/**
 * The lines of a text by their number. Only their places are kept: a text of line ends alone would become as many strings.
 */
export interface Lines {
  readonly count: number
  /** A line from 0. Undefined past the end. */
  readonly at: (index: number) => string | undefined
}

/** Undefined for a text of more lines. */
export const of = (text: string, linesMax: number): Lines | undefined => {
  const starts = [0]
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) {
    if (starts.length >= linesMax) return undefined
    starts.push(at + 1)
  }
  return {
    count: starts.length,
    at: (index) => {
      const start = starts[index]
      if (start === undefined) return undefined
      const end = (starts[index + 1] ?? text.length + 1) - 1
      return text.slice(start, end)
    }
  }
}
