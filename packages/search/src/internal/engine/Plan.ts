/**
 * From a query to the lists to read: each word with the terms that may stand in its place, best first.
 *
 * A document has a word when it has any of its alternatives, and scores with the first of them. All alternatives of a
 * word share one idf, that of all their documents together: a rare mistake is not worth more than what was meant.
 */
import type { AnalysedQuery, Analyser, Word } from "./Analyser.ts"
import type { Dictionary } from "./Dictionary.ts"
import { inverseFrequency } from "./Impact.ts"
import type { Matched } from "./SearchRequest.ts"
import type { Synonyms } from "./Synonyms.ts"
import * as Typo from "./Typo.ts"

export interface Alternative {
  /** More than one: a document must have them all. */
  readonly terms: ReadonlyArray<string>
  readonly weight: number
  readonly how: Matched["how"]
}

export interface PlannedWord {
  readonly word: string
  readonly alternatives: ReadonlyArray<Alternative>
  readonly idf: number
  /** The others only add to a score: joined forms beside the words they were joined from. */
  readonly isCounted: boolean
}

export interface Plan {
  /** Counted words first, in the order of the query, known or not. */
  readonly words: ReadonlyArray<PlannedWord>
  readonly counted: number
  readonly analysed: AnalysedQuery
}

/** Unknown words of a query that are corrected, the first of them: on demand each reads tens of rows. */
export const guessedWordsMax = 8
export const completionsMax = 8
export const correctionsMax = 3
const completionWeight = 0.8
const nearWeight = 0.8
const farWeight = 0.6
const splitWeight = 0.9
const synonymWeight = 0.9
const joinedWeight = 0.5
/** Both parts of a word that is split have this many letters; shorter ones are found in any word. */
const splitLettersMin = 2

export interface PlanOptions {
  readonly prefix: boolean
  readonly typos: boolean
  readonly documentCount: number
}

const single = (term: string, weight: number, how: Matched["how"]): Alternative => ({
  terms: [term],
  weight,
  how
})

/** Documents that have all terms are at most those that have the rarest. */
const frequencyOf = (dictionary: Dictionary, { terms }: Alternative): number =>
  Math.min(...terms.map((term) => dictionary.frequency(term)))

const corrections = (
  neighbours: ReadonlyArray<Typo.TermFrequency>,
  word: string
): ReadonlyArray<Alternative> =>
  neighbours
    .map(({ df, term }) => ({ df, term, edits: Typo.distance(word, term, Typo.distanceMax(word, term)) }))
    .filter(({ edits, term }) => edits <= Typo.distanceMax(word, term))
    // By frequency they come already, and sorting is stable.
    .toSorted((a, b) => a.edits - b.edits)
    .slice(0, correctionsMax)
    .map(({ edits, term }) => single(term, edits === 1 ? nearWeight : farWeight, "typo"))

/** The two known words that the word consists of; of several pairs the one whose rarer word is the most frequent. */
const split = (dictionary: Dictionary, analyser: Analyser, token: string): ReadonlyArray<Alternative> => {
  const pairs: Array<readonly [string, string]> = []
  for (let at = splitLettersMin; at <= token.length - splitLettersMin; at++) {
    pairs.push([analyser.termOf(token.slice(0, at)), analyser.termOf(token.slice(at))])
  }
  let best: Alternative | undefined
  let bestFrequency = 0
  for (const terms of pairs) {
    const alternative = { terms, weight: splitWeight, how: "split" } as const
    const frequency = frequencyOf(dictionary, alternative)
    if (frequency > bestFrequency) {
      best = alternative
      bestFrequency = frequency
    }
  }
  return best === undefined ? [] : [best]
}

const alternativesOf = (
  dictionary: Dictionary,
  word: Word,
  synonyms: ReadonlyArray<ReadonlyArray<string>>,
  isPrefix: boolean
): ReadonlyArray<Alternative> => {
  const { term, token } = word
  const known = (terms: ReadonlyArray<string>) => terms.every((part) => dictionary.frequency(part) > 0)
  const exact = known([term]) ? [single(term, 1, "exact")] : []
  const others = synonyms
    .filter(known)
    .map((terms): Alternative => ({ terms, weight: synonymWeight, how: "synonym" }))
  const completed = isPrefix
    ? dictionary
        .completions(token, completionsMax)
        .filter((completion) => completion.term !== term)
        .map((completion) => single(completion.term, completionWeight, "prefix"))
    : []
  const byTerms = new Map<string, Alternative>()
  for (const alternative of [...exact, ...others, ...completed]) {
    const key = alternative.terms.join(" ")
    if (!byTerms.has(key)) byTerms.set(key, alternative)
  }
  return [...byTerms.values()]
}

/** What may have been meant by a word that stands for nothing: words a letter or two away, else two words run together. */
const guessesOf = (
  dictionary: Dictionary,
  analyser: Analyser,
  { term, token }: Word
): ReadonlyArray<Alternative> => {
  const neighbours = dictionary.neighbours(term)
  if (neighbours === undefined) return []
  const corrected = corrections(neighbours, term)
  return corrected.length > 0 ? corrected : split(dictionary, analyser, token)
}

/** Forms joined from a number and its unit, or from two neighbours, when they are known. */
const joinedWords = (
  words: ReadonlyArray<Word>,
  analyser: Analyser
): ReadonlyArray<readonly [string, "unit" | "joined"]> =>
  words.flatMap(({ joined, token }, n) => {
    const next = words[n + 1]
    const unit = joined === undefined ? [] : [[joined, "unit"] as const]
    if (next === undefined) return unit
    const compound = analyser.termOf(token + next.token)
    return compound === joined ? unit : [...unit, [compound, "joined"] as const]
  })

export const make = (
  analyser: Analyser,
  synonyms: Synonyms,
  dictionary: Dictionary,
  query: string,
  options: PlanOptions
): Plan => {
  const analysed = analyser.query(query)
  const { words } = analysed
  const replaced = synonyms.of(words.map(({ term }) => term))
  const joined = joinedWords(words, analyser)
  dictionary.expect([...words.map(({ term }) => term), ...joined.map(([term]) => term), ...replaced.flat(2)])
  const last = words.at(-1)
  // A space after the last word ends it.
  const isTyping = options.prefix && last !== undefined && !/\s/.test(query.slice(last.end))
  let guessed = 0
  const planned = words.map((word, n): PlannedWord => {
    const known = alternativesOf(dictionary, word, replaced[n] ?? [], isTyping && word === last)
    const isGuessed =
      known.length === 0 && options.typos && Typo.isCorrectable(word.term) && guessed++ < guessedWordsMax
    const alternatives = isGuessed ? guessesOf(dictionary, analyser, word) : known
    const documents = alternatives.reduce((sum, alternative) => sum + frequencyOf(dictionary, alternative), 0)
    return {
      word: word.term,
      alternatives,
      idf: inverseFrequency(options.documentCount, Math.min(documents, Math.max(1, options.documentCount))),
      isCounted: true
    }
  })
  const extras = joined
    .filter(([term]) => dictionary.frequency(term) > 0)
    .map(([term, how]): PlannedWord => ({
      word: term,
      alternatives: [single(term, joinedWeight, how)],
      idf: inverseFrequency(options.documentCount, dictionary.frequency(term)),
      isCounted: false
    }))
  return { words: [...planned, ...extras], counted: planned.length, analysed }
}

/** All terms whose lists a plan reads. */
export const termsOf = ({ words }: Plan): ReadonlySet<string> =>
  new Set(words.flatMap(({ alternatives }) => alternatives.flatMap(({ terms }) => terms)))
