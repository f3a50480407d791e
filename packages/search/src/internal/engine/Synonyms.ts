/**
 * Words for others, from the settings of the version. Expansion is one step: a synonym's own synonyms are not looked
 * up, so that groups which name each other end.
 */
import { type Analyser, termsOf, type Word } from "./Analyser.ts"
import type { Synonym } from "./EngineSettings.ts"

type Phrase = ReadonlyArray<string>

/** Words of a phrase that is looked for in queries. */
const phraseWordsMax = 4

/** Returns the key by which a word is looked up: `c++` is no `c`. */
const keyOf = (word: Word): string => word.forms.find(({ isExact }) => isExact)?.term ?? word.term

export class Synonyms {
  /** By first word: phrases that begin with it and what stands for them. */
  private readonly byFirst = new Map<
    string,
    Array<{ readonly phrase: Phrase; readonly others: Array<Phrase> }>
  >()

  constructor(analyser: Analyser, synonyms: ReadonlyArray<Synonym>) {
    const wordsOf = (text: string) => analyser.query(text).words
    const add = (from: ReadonlyArray<Word>, to: ReadonlyArray<ReadonlyArray<Word>>) =>
      this.add(
        from.map(keyOf),
        to.filter((words) => words.length <= phraseWordsMax).map((words) => words.flatMap(termsOf))
      )
    for (const synonym of synonyms) {
      if (synonym.kind === "one-way") {
        add(wordsOf(synonym.from), synonym.to.map(wordsOf))
        continue
      }
      const phrases = synonym.phrases.map(wordsOf)
      for (const phrase of phrases) {
        const key = phrase.map(keyOf).join(" ")
        add(
          phrase,
          phrases.filter((other) => other.map(keyOf).join(" ") !== key)
        )
      }
    }
  }

  /** By word of the query: the phrases of which a document may have one instead of the word. */
  of(words: ReadonlyArray<Word>): ReadonlyArray<ReadonlyArray<Phrase>> {
    const terms = words.map(keyOf)
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
    const meant = others.filter((other) => other.length > 0)
    if (first === undefined || phrase.length > phraseWordsMax || meant.length === 0) return
    const entries = this.byFirst.get(first) ?? []
    this.byFirst.set(first, entries)
    const known = entries.find((entry) => entry.phrase.join(" ") === phrase.join(" "))
    if (known === undefined) entries.push({ phrase, others: [...meant] })
    else known.others.push(...meant)
  }
}
