/**
 * Where a text has what a query found: the words whose term is among the terms that were looked for. A word is marked as
 * a whole, also when it was found by its beginning.
 */
import { Analyser } from "./Analyser.ts"
import type { EngineSettings } from "./EngineSettings.ts"
import type { WordOutcome } from "./SearchRequest.ts"

export interface Range {
  readonly start: number
  readonly end: number
}

/** Texts longer than this are marked up to here: what is shown of a product is shorter. */
const highlightCharsMax = 20_000

const ellipsis = "\u2026"

/** A part of a text with marks around the ranges that are wholly in it. */
const marked = (
  text: string,
  { end: partEnd, start: partStart }: Range,
  ranges: ReadonlyArray<Range>,
  before: string,
  after: string,
  escape: (piece: string) => string
): string => {
  let all = ""
  let at = partStart
  for (const { end, start } of ranges) {
    if (start < partStart || end > partEnd) continue
    all += escape(text.slice(at, start)) + before + escape(text.slice(start, end)) + after
    at = end
  }
  return all + escape(text.slice(at, partEnd))
}

/** The word at which the window with the most found words begins, with some words before the first of them. */
const bestStart = (words: ReadonlyArray<Range>, ranges: ReadonlyArray<Range>, wordsMax: number): number => {
  let best = 0
  let most = 0
  let next = 0
  const found = words.flatMap(({ end, start }, n) => {
    while (next < ranges.length && (ranges[next]?.end ?? 0) <= start) next++
    const range = ranges[next]
    return range !== undefined && range.start < end && range.end > start ? [n] : []
  })
  found.forEach((word, n) => {
    let count = 1
    while (n + count < found.length && (found[n + count] ?? 0) < word + wordsMax) count++
    if (count <= most) return
    most = count
    const spare = wordsMax - ((found[n + count - 1] ?? word) - word + 1)
    best = Math.max(0, Math.min(word - Math.floor(spare / 2), words.length - wordsMax))
  })
  return best
}

export class Highlighter {
  private readonly analyser: Analyser
  private readonly terms: ReadonlySet<string>

  /** For the words of one answer. */
  constructor(settings: EngineSettings, words: ReadonlyArray<Pick<WordOutcome, "terms">>) {
    this.analyser = new Analyser(settings.analyser)
    this.terms = new Set(words.flatMap(({ terms }) => terms))
  }

  /** The commonest written form of each term that was looked for, in texts that have some. */
  written(texts: ReadonlyArray<string>): ReadonlyMap<string, string> {
    const counts = new Map<string, Map<string, number>>()
    for (const text of texts) {
      for (const { term, token } of this.analyser.words(text.slice(0, highlightCharsMax))) {
        if (!this.terms.has(term)) continue
        const forms = counts.get(term) ?? new Map<string, number>()
        counts.set(term, forms)
        forms.set(token, (forms.get(token) ?? 0) + 1)
      }
    }
    const commonest = ([, forms]: readonly [string, ReadonlyMap<string, number>]) =>
      [...forms].toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? ""
    return new Map(Array.from(counts, (entry) => [entry[0], commonest(entry)]))
  }

  /** By ascending start, without overlap. */
  ranges(text: string): ReadonlyArray<Range> {
    if (this.terms.size === 0) return []
    const words = this.analyser.words(text.slice(0, highlightCharsMax))
    const ranges = words
      .flatMap(({ end, forms, grams, joined, place, start, term }): ReadonlyArray<Range> => {
        if (grams !== undefined) return grams.filter((part) => this.terms.has(part.term))
        const isOwn = this.terms.has(term) || (joined !== undefined && this.terms.has(joined))
        const form = forms.findLast((one) => this.terms.has(one.term))
        const last = form === undefined ? undefined : words[place + form.tokens - 1]
        return isOwn || last !== undefined ? [{ start, end: Math.max(end, last?.end ?? 0) }] : []
      })
      .toSorted((a, b) => a.start - b.start)
    const merged: Array<Range> = []
    for (const range of ranges) {
      const before = merged.at(-1)
      if (before === undefined || range.start >= before.end) merged.push(range)
      else merged[merged.length - 1] = { start: before.start, end: Math.max(before.end, range.end) }
    }
    return merged
  }

  /**
   * The text with `before` and `after` around each found word. `escape` is applied to every piece of the text: what a
   * page shows must not bring its own tags.
   */
  mark(text: string, before: string, after: string, escape: (piece: string) => string): string {
    return marked(text, { start: 0, end: text.length }, this.ranges(text), before, after, escape)
  }

  /**
   * The part of the text with the most found words, of at most `wordsMax` words, marked. Of several the first; the beginning
   * of a text without found words. An ellipsis is where the text is cut.
   */
  snippet(
    text: string,
    wordsMax: number,
    before: string,
    after: string,
    escape: (piece: string) => string
  ): string {
    const words = this.analyser.words(text.slice(0, highlightCharsMax))
    const ranges = this.ranges(text)
    const first = bestStart(words, ranges, wordsMax)
    const last = first + wordsMax - 1
    const start = first === 0 ? 0 : (words[first]?.start ?? 0)
    const end = last >= words.length - 1 ? text.length : (words[last]?.end ?? text.length)
    const part = marked(text, { start, end }, ranges, before, after, escape)
    return `${start === 0 ? "" : ellipsis}${part}${end === text.length ? "" : ellipsis}`
  }
}
