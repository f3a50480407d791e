/**
 * Words for others, from the settings of the version. Expansion is one step: a synonym's own synonyms are not looked
 * up, so that groups which name each other end.
 */
import type { Analyser } from "./Analyser.ts"
import type { Synonym } from "./EngineSettings.ts"

type Phrase = ReadonlyArray<string>

/** Words of a phrase that is looked for in queries. */
export const phraseWordsMax = 4

export class Synonyms {
  /** By first word: phrases that begin with it and what stands for them. */
  private readonly byFirst = new Map<
    string,
    Array<{ readonly phrase: Phrase; readonly others: Array<Phrase> }>
  >()

  constructor(analyser: Analyser, synonyms: ReadonlyArray<Synonym>) {
    const termsOf = (text: string): Phrase => analyser.query(text).words.map(({ term }) => term)
    for (const synonym of synonyms) {
      if (synonym.kind === "one-way") {
        this.add(termsOf(synonym.from), synonym.to.map(termsOf))
        continue
      }
      const phrases = synonym.phrases.map(termsOf)
      for (const phrase of phrases) {
        this.add(
          phrase,
          phrases.filter((other) => other.join(" ") !== phrase.join(" "))
        )
      }
    }
  }

  /** By word of the query: the phrases of which a document may have one instead of the word. */
  of(terms: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<Phrase>> {
    const found = terms.map((): Array<Phrase> => [])
    terms.forEach((term, at) => {
      for (const { others, phrase } of this.byFirst.get(term) ?? []) {
        if (!phrase.every((word, n) => terms[at + n] === word)) continue
        // Each word of the phrase is had by a document that has the other phrase.
        phrase.forEach((_, n) => found[at + n]?.push(...others))
      }
    })
    return found
  }

  private add(phrase: Phrase, others: ReadonlyArray<Phrase>): void {
    const [first] = phrase
    const meant = others.filter((other) => other.length > 0 && other.length <= phraseWordsMax)
    if (first === undefined || phrase.length > phraseWordsMax || meant.length === 0) return
    const entries = this.byFirst.get(first) ?? []
    this.byFirst.set(first, entries)
    const known = entries.find((entry) => entry.phrase.join(" ") === phrase.join(" "))
    if (known === undefined) entries.push({ phrase, others: [...meant] })
    else known.others.push(...meant)
  }
}
