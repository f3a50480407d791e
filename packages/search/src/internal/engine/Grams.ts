/**
 * Scripts that are written without spaces, or, as Korean, with words that grow by their endings. A run of them is indexed
 * by its bigrams: any part of two characters or more is found, without a dictionary of any language.
 */

/** Also the sign that makes a vowel of kana long, which belongs to no script. */
export const gramPattern =
  /^(?=\p{L})[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}\p{scx=Hangul}]$/u

/** A character with its marks, and with the sign of a long vowel. */
const clusterPattern = /.[\p{M}\u30fc]*/gsu

export interface Gram {
  readonly term: string
  /** In the run. */
  readonly start: number
  readonly end: number
}

/** Returns the bigrams of a run, or the run itself when it is a single cluster. */
export const gramsOf = (run: string, gramsMax: number): ReadonlyArray<Gram> => {
  const grams: Array<Gram> = []
  let start = 0
  let before = ""
  for (const { 0: cluster, index } of run.matchAll(clusterPattern)) {
    if (before !== "") grams.push({ term: before + cluster, start, end: index + cluster.length })
    if (grams.length === gramsMax) return grams
    start = index
    before = cluster
  }
  return grams.length === 0 ? [{ term: run, start: 0, end: run.length }] : grams
}
