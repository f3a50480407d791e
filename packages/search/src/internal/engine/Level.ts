/** How many documents have how many of the words of a search. Histograms are indexed by the number of words. */

export interface Level {
  /** Words that the documents have at least. */
  readonly words: number
  readonly hits: number
}

/** Returns the documents with at least a number of words. */
export const levelAt = (histograms: ReadonlyArray<Uint32Array>, words: number): Level => {
  let hits = 0
  for (const histogram of histograms) {
    for (let count = words; count < histogram.length; count++) hits += histogram[count] ?? 0
  }
  return { words, hits }
}

/** Returns the documents with the highest number of words that any document has. */
export const bestLevel = (histograms: ReadonlyArray<Uint32Array>): Level => {
  const size = Math.max(...histograms.map(({ length }) => length))
  for (let words = size - 1; words > 1; words--) {
    for (const histogram of histograms) {
      if ((histogram[words] ?? 0) > 0) return levelAt(histograms, words)
    }
  }
  return levelAt(histograms, 1)
}

/** Returns the highest number of words that so many documents have at least; 0 when there are fewer documents. */
export const highestLevel = (histogram: Uint32Array, documents: number): number => {
  let hits = 0
  for (let words = histogram.length - 1; words > 0; words--) {
    hits += histogram[words] ?? 0
    if (hits >= documents) return words
  }
  return 0
}
