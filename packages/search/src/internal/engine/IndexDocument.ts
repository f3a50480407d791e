/**
 * A product as the engine sees it: text to search, values to filter, count and sort by, one number for its popularity.
 */

export interface IndexDocument {
  readonly docId: string
  /** By name of text field. Missing is the same as empty. */
  readonly text: Readonly<Record<string, string>>
  /** By name of keyword column. */
  readonly keywords: Readonly<Record<string, ReadonlyArray<string>>>
  /** By name of number column. */
  readonly numbers: Readonly<Record<string, number>>
  /** Whatever the owner orders by when relevance is equal, scaled to 0..1. */
  readonly popularity: number
}

const docIdCharsMax = 200
/** Longer values are no facets; they would be held in memory by every process that answers searches. */
export const keywordCharsMax = 500
export const keywordsPerDocumentMax = 100

export interface DocumentRefused {
  readonly docId: string
  readonly reason: string
}

/** Popularity in the steps it is stored in. */
const popularityLevelMax = 255

export const popularityLevel = (popularity: number): number => Math.round(popularity * popularityLevelMax)

/** Why a document cannot be indexed. */
export const problemOf = (document: IndexDocument): string | undefined => {
  if (document.docId === "" || document.docId.length > docIdCharsMax) {
    return `an id has 1 to ${docIdCharsMax} characters`
  }
  if (!(document.popularity >= 0 && document.popularity <= 1)) return "popularity is a number from 0 to 1"
  for (const name in document.numbers) {
    if (!Number.isFinite(document.numbers[name])) return `${name} is not a finite number`
  }
  for (const name in document.keywords) {
    const values = document.keywords[name] ?? []
    if (values.length > keywordsPerDocumentMax)
      return `${name} has more than ${keywordsPerDocumentMax} values`
    if (values.some((value) => value.length > keywordCharsMax)) {
      return `a value of ${name} has more than ${keywordCharsMax} characters`
    }
  }
  return undefined
}
