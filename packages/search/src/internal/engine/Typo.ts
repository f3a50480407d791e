/**
 * Words a letter or two away, by their deletion neighbourhoods (Mor, Fraenkel 1982): two words within one edit share a
 * word that both become by deleting at most one letter. Hashes of these are kept, not the words, and what they find is
 * verified.
 */

/** Shorter words have too many neighbours that mean something else. */
const lettersMin = 4
/** From here on, in both words, two edits are corrected. */
const lettersForTwo = 8
/** Longer ones are no words, and have thousands of deletions. */
const lettersMax = 24
/** The beginnings that are kept of longer words, in letters. With fewer, too many words begin alike. */
const beginningMin = 4
const beginningMax = 7

const lettersPattern = /^\p{L}+$/u

export const isCorrectable = (word: string): boolean =>
  word.length >= lettersMin && word.length <= lettersMax && lettersPattern.test(word)

/** The beginnings of a word that is longer than they are. */
export const beginningsOf = (word: string): ReadonlyArray<string> =>
  Array.from({ length: Math.max(0, Math.min(beginningMax, word.length - 1) - beginningMin + 1) }, (_, n) =>
    word.slice(0, beginningMin + n)
  )

const vowels = /^[aeiouy]$/
/** Letters that sound alike. */
const alike = new Set(["ck", "kc", "cs", "sc", "sz", "zs"])

/**
 * Returns true for two words one edit apart whose difference is a mistake of the hand or the ear, and hardly another word.
 * That is a letter too many or too few, a swap, a vowel for a vowel, or c, k, s and z for each other.
 */
export const isLikelyMistake = (a: string, b: string): boolean => {
  if (a.length !== b.length) return true
  const at = Array.from(a).findIndex((char, n) => char !== b[n])
  const left = a[at] ?? ""
  const right = b[at] ?? ""
  if (left === b[at + 1] && right === a[at + 1]) return true
  return (vowels.test(left) && vowels.test(right)) || alike.has(left + right)
}

export const distanceMax = (a: string, b: string): number =>
  a.length >= lettersForTwo && b.length >= lettersForTwo ? 2 : 1

/** FNV-1a over UTF-16 units. What comes before a deletion is hashed once for all that follow. */
const hashStart = 0x811c9dc5
const hashStep = (hash: number, code: number): number => Math.imul(hash ^ code, 0x01000193)

const hashFrom = (word: string, from: number, hash: number): number => {
  let hashed = hash
  for (let n = from; n < word.length; n++) hashed = hashStep(hashed, word.charCodeAt(n))
  return hashed >>> 0
}

/** The most edits between two words that are looked for. */
export type Edits = 1 | 2

/** Calls back with the hashes of the word and of its deletions. A word with a letter twice has some of them twice. */
const forEachHash = (word: string, edits: Edits, visit: (hash: number) => void): void => {
  const isFar = edits === 2 && word.length >= lettersForTwo
  visit(hashFrom(word, 0, hashStart))
  let before = hashStart
  for (let first = 0; first < word.length; first++) {
    visit(hashFrom(word, first + 1, before))
    if (isFar) {
      let between = before
      for (let second = first + 1; second < word.length; second++) {
        visit(hashFrom(word, second + 1, between))
        between = hashStep(between, word.charCodeAt(second))
      }
    }
    before = hashStep(before, word.charCodeAt(first))
  }
}

/** Hashes of the word and of its deletions, each once. Two words within `edits` of each other share one. */
export const neighbourhood = (word: string, edits: Edits): ReadonlySet<number> => {
  const hashes = new Set<number>()
  forEachHash(word, edits, (hash) => hashes.add(hash))
  return hashes
}

/**
 * Optimal string alignment distance: insertions, deletions, substitutions, and swaps of neighbours. Anything above
 * `limit` is `limit + 1`.
 */
export const distance = (left: string, right: string, limit: number): number => {
  if (Math.abs(left.length - right.length) > limit) return limit + 1
  // Letters that both begin or end with need no edit.
  const shorter = Math.min(left.length, right.length)
  let start = 0
  while (start < shorter && left.charCodeAt(start) === right.charCodeAt(start)) start++
  let ending = 0
  while (
    ending < shorter - start &&
    left.charCodeAt(left.length - 1 - ending) === right.charCodeAt(right.length - 1 - ending)
  ) {
    ending++
  }
  const a = left.slice(start, left.length - ending)
  const b = right.slice(start, right.length - ending)
  if (a.length === 0 || b.length === 0) return Math.min(Math.max(a.length, b.length), limit + 1)
  let beforeLast: ReadonlyArray<number> = []
  let last: ReadonlyArray<number> = Array.from({ length: b.length + 1 }, (_, n) => n)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    let lowest = i
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1]
      let edits = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (isSame ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        edits = Math.min(edits, (beforeLast[j - 2] ?? 0) + 1)
      }
      row.push(edits)
      lowest = Math.min(lowest, edits)
    }
    if (lowest > limit) return limit + 1
    beforeLast = last
    last = row
  }
  return Math.min(last[b.length] ?? 0, limit + 1)
}

/**
 * The stored index has 4,096 buckets, by the highest 12 bits of a hash. A lookup of a word reads some tens of them, each about
 * a kilobyte at a million products.
 */
const bucketShift = 20

export const bucketOf = (hash: number): number => hash >>> bucketShift

export interface TermFrequency {
  readonly term: string
  readonly df: number
}

export interface BucketEntry extends TermFrequency {
  readonly hash: number
}

const entryHeaderBytes = 9
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** A word in UTF-8: it is in a bucket for each of its deletions, and is encoded once. */
export interface EncodedEntry {
  readonly hash: number
  readonly df: number
  readonly text: Uint8Array
}

export const textOf = (term: string): Uint8Array => encoder.encode(term)

/** `u32 hash | u32 documents | u8 bytes of the term | term`, one after another. */
export const encodeBucket = (entries: ReadonlyArray<EncodedEntry>): Uint8Array => {
  const size = entries.reduce((sum, { text }) => sum + entryHeaderBytes + text.length, 0)
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const { df, hash, text } of entries) {
    view.setUint32(at, hash, true)
    view.setUint32(at + 4, df, true)
    view.setUint8(at + 8, text.length)
    bytes.set(text, at + entryHeaderBytes)
    at += entryHeaderBytes + text.length
  }
  return bytes
}

export const decodeBucket = (bytes: Uint8Array): ReadonlyArray<BucketEntry> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: Array<BucketEntry> = []
  let at = 0
  while (at < bytes.length) {
    const termAt = at + entryHeaderBytes
    const end = termAt + view.getUint8(at + 8)
    entries.push({
      hash: view.getUint32(at, true),
      df: view.getUint32(at + 4, true),
      term: decoder.decode(bytes.subarray(termAt, end))
    })
    at = end
  }
  return entries
}

/**
 * Pairs of a hash and a term's number, sorted by hash and then by number. As doubles while they are sorted: 32 bits of
 * hash and 21 of number are exact, and sorting numbers in a typed array is ten times as fast as sorting objects.
 */
const termsMax = 2 ** 21

export const sortedPairs = (
  terms: Iterable<readonly [number: number, term: string]>
): { readonly hashes: Uint32Array; readonly numbers: Uint32Array } => {
  let pairs = new Float64Array(1_024)
  let size = 0
  for (const [number, term] of terms) {
    if (number >= termsMax) continue
    forEachHash(term, 2, (hash) => {
      if (size === pairs.length) {
        const larger = new Float64Array(size * 2)
        larger.set(pairs)
        pairs = larger
      }
      pairs[size++] = hash * termsMax + number
    })
  }
  const sorted = pairs.subarray(0, size)
  sorted.sort()
  const hashes = new Uint32Array(size)
  const numbers = new Uint32Array(size)
  let kept = 0
  for (let n = 0; n < size; n++) {
    const pair = sorted[n] ?? 0
    // A letter twice in a row leaves the same word, whichever of the two is deleted.
    if (n > 0 && pair === sorted[n - 1]) continue
    hashes[kept] = Math.floor(pair / termsMax)
    numbers[kept++] = pair % termsMax
  }
  return { hashes: hashes.subarray(0, kept), numbers: numbers.subarray(0, kept) }
}
