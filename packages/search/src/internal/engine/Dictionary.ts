/**
 * The terms of a version, as the plan of a query reads them. A segment has all of them in memory. On demand a term may
 * have to be fetched first; the plan is then made again.
 */
import type { Edits, TermFrequency } from "./Typo.ts"

export interface Dictionary {
  /** Terms that will most likely be searched for when they are known. */
  readonly expect: (terms: ReadonlyArray<string>) => void
  /** Documents with the term; 0 when it is not known. */
  readonly frequency: (term: string) => number
  /** Terms that begin with `prefix`: the most frequent, then by term. */
  readonly completions: (prefix: string, limit: number) => ReadonlyArray<TermFrequency>
  /**
   * Words as they are written that may be up to so many edits away from a token, to be verified, with the number of documents
   * that have them so. Undefined while that is not known.
   */
  readonly neighbours: (token: string, edits: Edits) => ReadonlyArray<TermFrequency> | undefined
  /** Beginnings of words that may be a letter away, with the number of documents of their commonest word. */
  readonly beginnings: (token: string) => ReadonlyArray<TermFrequency> | undefined
}

/** By UTF-8 bytes, as Postgres orders under the collation "C". UTF-16 units differ where surrogates are. */
export const compareTerms = (a: string, b: string): number => {
  const size = Math.min(a.length, b.length)
  for (let n = 0; n < size; n++) {
    const left = a.charCodeAt(n)
    const right = b.charCodeAt(n)
    if (left === right) continue
    const isLeftSurrogate = left >= 0xd800 && left <= 0xdfff
    const isRightSurrogate = right >= 0xd800 && right <= 0xdfff
    return isLeftSurrogate === isRightSurrogate ? left - right : isLeftSurrogate ? 1 : -1
  }
  return a.length - b.length
}

/** By frequency, the highest first, then by term. */
export const byFrequency = (a: TermFrequency, b: TermFrequency): number =>
  b.df - a.df || compareTerms(a.term, b.term)
