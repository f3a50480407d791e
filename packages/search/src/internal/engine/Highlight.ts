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
export const highlightCharsMax = 20_000

export class Highlighter {
  private readonly analyser: Analyser
  private readonly terms: ReadonlySet<string>

  /** For the words of one answer. */
  constructor(settings: EngineSettings, words: ReadonlyArray<Pick<WordOutcome, "terms">>) {
    this.analyser = new Analyser(settings.analyser)
    this.terms = new Set(words.flatMap(({ terms }) => terms))
  }

  /** By ascending start, without overlap. */
  ranges(text: string): ReadonlyArray<Range> {
    if (this.terms.size === 0) return []
    return this.analyser
      .words(text.slice(0, highlightCharsMax))
      .filter(({ joined, term }) => this.terms.has(term) || (joined !== undefined && this.terms.has(joined)))
      .map(({ end, start }) => ({ start, end }))
  }

  /**
   * The text with `before` and `after` around each found word. `escape` is applied to every piece of the text: what a
   * page shows must not bring tags of its own.
   */
  mark(text: string, before: string, after: string, escape: (piece: string) => string): string {
    let marked = ""
    let at = 0
    for (const { end, start } of this.ranges(text)) {
      marked += escape(text.slice(at, start)) + before + escape(text.slice(start, end)) + after
      at = end
    }
    return marked + escape(text.slice(at))
  }
}
