/**
 * From a query to the lists to read: each word with the terms that may stand in its place, best first.
 *
 * A document has a word when it has any of its alternatives, and scores with the first of them. All alternatives of a
 * word share one idf, that of all their documents together: a rare mistake is not worth more than what was meant.
 */
import { type AnalysedQuery, type Analyser, termsOf as termsOfWord, type Word } from "./Analyser.ts"
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
  /** The word as people write it, when it is not a term's own text. */
  readonly shown?: string
}

export interface PlannedWord {
  readonly word: string
  readonly alternatives: ReadonlyArray<Alternative>
  readonly idf: number
  /** The others only add to a score: a quantity with its unit beside the words it was joined from. */
  readonly isCounted: boolean
  /** Documents without it are not found. */
  readonly isRequired: boolean
}

export interface Plan {
  /** Counted words first, in the order of the query, known or not. */
  readonly words: ReadonlyArray<PlannedWord>
  readonly counted: number
  /** Documents with all terms of one of these are not found. */
  readonly excluded: ReadonlyArray<ReadonlyArray<string>>
  readonly analysed: AnalysedQuery
}

/** Unknown words of a query that are corrected, the first of them: on demand each reads tens of rows. */
const guessedWordsMax = 8
export const completionsMax = 8
const correctionsMax = 3
const completionWeight = 0.8
const nearWeight = 0.8
const farWeight = 0.6
const splitWeight = 0.9
const synonymWeight = 0.9
/** A quantity with its unit, beside its words. */
const unitWeight = 0.5
/** A form that is written as one word, in place of each word that it stands for. */
const formWeight = 0.7
/** A word cut where letters and digits meet. */
const cutWeight = 0.8
/** A word in at most this many documents, or this share of them, may be a mistake in the catalogue. */
const rareFrequencyMax = 10
const rareShareMax = 1 / 5_000
/** In one or two documents a word is taken for a mistake of any kind. */
const surelyRareMax = 2
/** The word that is meant is in so many times as many documents. */
const rareRatioMin = 5
const rareLettersMin = 5
const rareWeight = 0.6
/** Of a beginning with a mistake, the commonest corrections and what they may begin. */
const mistypedBeginningsMax = 2
const mistypedCompletionsMax = 4
const mistypedWeight = 0.6
const beginningLettersMin = 4
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

interface Correction {
  readonly term: string
  readonly written: string
  readonly df: number
  readonly edits: number
}

/** Words near to a token, with one written form per term: that of the fewest edits, and then the commonest. */
const nearest = (
  analyser: Analyser,
  neighbours: ReadonlyArray<Typo.TermFrequency>,
  token: string
): ReadonlyArray<Correction> => {
  const byTerm = new Map<string, Correction>()
  const near = neighbours
    .map(({ df, term: written }) => {
      const limit = Typo.distanceMax(token, written)
      return { df, written, term: analyser.termOf(written), edits: Typo.distance(token, written, limit) }
    })
    .filter(({ edits, written }) => edits > 0 && edits <= Typo.distanceMax(token, written))
    // By frequency they come already, and sorting is stable.
    .toSorted((a, b) => a.edits - b.edits)
  for (const correction of near) if (!byTerm.has(correction.term)) byTerm.set(correction.term, correction)
  return [...byTerm.values()]
}

const corrections = (
  analyser: Analyser,
  neighbours: ReadonlyArray<Typo.TermFrequency>,
  token: string
): ReadonlyArray<Alternative> =>
  nearest(analyser, neighbours, token)
    .slice(0, correctionsMax)
    .map(({ edits, term, written }) => ({
      ...single(term, edits === 1 ? nearWeight : farWeight, "typo"),
      shown: written
    }))

/**
 * The word that a rare one is a mistake of: far more frequent, one edit away, with the same first letter. A word of three
 * documents or more may be another word, unless the mistake is a likely one.
 */
const correctionOfRare = (
  dictionary: Dictionary,
  analyser: Analyser,
  { term, token }: Word,
  documentCount: number
): ReadonlyArray<Alternative> => {
  const frequency = dictionary.frequency(term)
  if (frequency === 0 || token.length < rareLettersMin) return []
  if (frequency > Math.max(rareFrequencyMax, documentCount * rareShareMax)) return []
  const neighbours = dictionary.neighbours(token, 1)
  if (neighbours === undefined) return []
  const candidates = nearest(analyser, neighbours, token)
    .filter((near) => near.edits === 1 && near.term !== term && near.written[0] === token[0])
    .filter(({ written }) => frequency <= surelyRareMax || Typo.isLikelyMistake(token, written))
    .map((near) => ({ ...near, frequency: dictionary.frequency(near.term) }))
    .filter((near) => near.frequency >= frequency * rareRatioMin)
    .toSorted((a, b) => b.frequency - a.frequency)
  return candidates
    .slice(0, 1)
    .map(({ term, written }) => ({ ...single(term, rareWeight, "typo"), shown: written }))
}

/** Words that begin as the token would with one letter typed otherwise. */
const completionsOfMistyped = (dictionary: Dictionary, token: string): ReadonlyArray<Alternative> => {
  if (token.length < beginningLettersMin) return []
  const near = dictionary.beginnings(token)
  if (near === undefined) return []
  const terms = new Map<string, number>()
  near
    .filter(({ term }) => term !== token && Typo.distance(token, term, 1) <= 1)
    .slice(0, mistypedBeginningsMax)
    .flatMap(({ term }) => dictionary.completions(term, mistypedCompletionsMax))
    .forEach(({ df, term }) => terms.set(term, df))
  return Array.from(terms, ([term, df]) => ({ term, df }))
    .toSorted((a, b) => b.df - a.df)
    .map(({ term }) => single(term, mistypedWeight, "typo"))
}

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

const borderPattern = /(?<=\p{L})(?=\p{N})|(?<=\p{N})(?=\p{L})/u
const cutPartsMax = 3

/** The parts of a word of letters and digits, when it is not known as a whole: `pixel8` as `pixel` and `8`. */
const cut = (dictionary: Dictionary, analyser: Analyser, token: string): ReadonlyArray<Alternative> => {
  const parts = token.split(borderPattern)
  if (parts.length < 2 || parts.length > cutPartsMax) return []
  const alternative = {
    terms: parts.map((part) => analyser.termOf(part)),
    weight: cutWeight,
    how: "split"
  } as const
  return frequencyOf(dictionary, alternative) > 0 ? [alternative] : []
}

/** Other ways to write a word of the query, with the words beside it. */
interface Neighbourhood {
  readonly forms: ReadonlyArray<string>
  readonly synonyms: ReadonlyArray<ReadonlyArray<string>>
  readonly isPrefix: boolean
}

/** Terms that are the word itself, when no form of it with signs is known. */
const plainTerms = (word: Word): ReadonlyArray<string> =>
  word.grams === undefined ? [word.term] : termsOfWord(word)

const alternativesOf = (
  dictionary: Dictionary,
  analyser: Analyser,
  word: Word,
  { forms, isPrefix, synonyms }: Neighbourhood
): ReadonlyArray<Alternative> => {
  const { term, token } = word
  const known = (terms: ReadonlyArray<string>) => terms.every((part) => dictionary.frequency(part) > 0)
  const own = plainTerms(word)
  const signed = word.forms.find(({ isExact, term }) => isExact && dictionary.frequency(term) > 0)
  if (signed !== undefined) return [single(signed.term, 1, "exact")]
  const exact: ReadonlyArray<Alternative> = known(own) ? [{ terms: own, weight: 1, how: "exact" }] : []
  const joined = forms
    .filter((form) => dictionary.frequency(form) > 0)
    .map((form) => single(form, formWeight, "joined"))
  const parts = exact.length === 0 && word.grams === undefined ? cut(dictionary, analyser, token) : []
  const others = synonyms
    .filter(known)
    .map((terms): Alternative => ({ terms, weight: synonymWeight, how: "synonym" }))
  const completed =
    isPrefix && word.grams === undefined
      ? dictionary
          .completions(token, completionsMax)
          .filter((completion) => completion.term !== term)
          .map((completion) => single(completion.term, completionWeight, "prefix"))
      : []
  const byTerms = new Map<string, Alternative>()
  for (const alternative of [...exact, ...joined, ...parts, ...others, ...completed]) {
    const key = alternative.terms.join(" ")
    if (!byTerms.has(key)) byTerms.set(key, alternative)
  }
  return [...byTerms.values()]
}

/** Guesses at a word that no document has: words a letter or two away, else two words run together. */
const guessesOf = (
  dictionary: Dictionary,
  analyser: Analyser,
  { token }: Word,
  isTyping: boolean
): ReadonlyArray<Alternative> => {
  const begun = isTyping ? completionsOfMistyped(dictionary, token) : []
  const neighbours = dictionary.neighbours(token, 2)
  if (neighbours === undefined) return []
  const corrected = corrections(analyser, neighbours, token)
  const terms = new Set(corrected.flatMap((alternative) => alternative.terms))
  const all = [
    ...corrected,
    ...begun.filter((alternative) => !alternative.terms.every((term) => terms.has(term)))
  ]
  return all.length > 0 ? all : split(dictionary, analyser, token)
}

/** By word of the query: what may be written in place of it, and of those beside it, as one word. */
const formsOf = (words: ReadonlyArray<Word>, analyser: Analyser): ReadonlyArray<ReadonlyArray<string>> => {
  const forms = words.map(() => new Set<string>())
  words.forEach((word, n) => {
    const next = words[n + 1]
    if (word.joined !== undefined) {
      forms[n]?.add(word.joined)
      if (next?.place === word.place + 1) forms[n + 1]?.add(word.joined)
    }
    for (const { isExact, term, tokens } of word.forms) {
      if (isExact) continue
      words.forEach(({ place }, other) => {
        if (place >= word.place && place < word.place + tokens) forms[other]?.add(term)
      })
    }
    if (next === undefined || word.grams !== undefined || next.grams !== undefined) return
    const compound = analyser.termOf(word.token + next.token)
    forms[n]?.add(compound)
    forms[n + 1]?.add(compound)
  })
  return forms.map((all) => [...all])
}

/** Groups of terms of which a document must not have all. */
const excludedOf = (
  dictionary: Dictionary,
  { excluded }: AnalysedQuery
): ReadonlyArray<ReadonlyArray<string>> =>
  excluded.flatMap((words): ReadonlyArray<ReadonlyArray<string>> => {
    const own = words.flatMap(termsOfWord)
    const whole = (words[0]?.forms ?? []).filter(({ isExact, tokens }) => !isExact && tokens >= words.length)
    return [own, ...whole.map(({ term }) => [term])].filter((terms) =>
      terms.every((term) => dictionary.frequency(term) > 0)
    )
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
  const replaced = synonyms.of(words)
  const forms = formsOf(words, analyser)
  const quantities = words.flatMap(({ joined }) => (joined === undefined ? [] : [joined]))
  dictionary.expect([
    ...words.flatMap(plainTerms),
    ...words.flatMap(termsOfWord),
    ...analysed.excluded.flat().flatMap(termsOfWord),
    ...forms.flat(),
    ...replaced.flat(2)
  ])
  const last = words.at(-1)
  // A space after the last word ends it.
  const isTyping = options.prefix && last !== undefined && !/\s/.test(query.slice(last.end))
  let guessed = 0
  const planned = words.map((word, n): PlannedWord => {
    const known = alternativesOf(dictionary, analyser, word, {
      forms: forms[n] ?? [],
      synonyms: replaced[n] ?? [],
      isPrefix: isTyping && word === last
    })
    const isLast = isTyping && word === last
    const mayGuess = options.typos && !word.isRequired && word.grams === undefined
    const isGuessed =
      known.length === 0 && mayGuess && Typo.isCorrectable(word.token) && guessed++ < guessedWordsMax
    const isWhole = known.length > 0 && mayGuess && !isLast && Typo.isCorrectable(word.token)
    const rare = isWhole ? correctionOfRare(dictionary, analyser, word, options.documentCount) : []
    const alternatives = isGuessed
      ? guessesOf(dictionary, analyser, word, isLast)
      : [...known, ...rare.filter(({ terms }) => !known.some((other) => other.terms.join(" ") === terms[0]))]
    const documents = alternatives.reduce((sum, alternative) => sum + frequencyOf(dictionary, alternative), 0)
    return {
      word: word.token,
      alternatives,
      idf: inverseFrequency(options.documentCount, Math.min(documents, Math.max(1, options.documentCount))),
      isCounted: true,
      isRequired: word.isRequired
    }
  })
  const extras = quantities
    .filter((term) => dictionary.frequency(term) > 0)
    .map((term): PlannedWord => ({
      word: term,
      alternatives: [single(term, unitWeight, "unit")],
      idf: inverseFrequency(options.documentCount, dictionary.frequency(term)),
      isCounted: false,
      isRequired: false
    }))
  return {
    words: [...planned, ...extras],
    counted: planned.length,
    excluded: excludedOf(dictionary, analysed),
    analysed
  }
}

/** All terms whose lists a plan reads. */
export const termsOf = ({ excluded, words }: Plan): ReadonlySet<string> =>
  new Set([
    ...words.flatMap(({ alternatives }) => alternatives.flatMap(({ terms }) => terms)),
    ...excluded.flat()
  ])
