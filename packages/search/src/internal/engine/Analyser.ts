/**
 * From text to terms, for documents and queries alike.
 *
 * 1. Characters are folded (`Fold.ts`).
 * 2. A token is a run of letters and digits; `.`, `,` and `/` stay between digits (`1/4`, `81.625`), and an apostrophe
 *    inside a word disappears. Letters and digits are not split: `ps4` and `g600` are one token, which is worth 0.027 of
 *    NDCG. A run of a script without spaces is its bigrams (`Grams.ts`).
 * 3. An article that ends with an apostrophe is cut off (`l'huile`); the whole word is kept beside what follows.
 * 4. A number and its unit within two characters (`17 in`, `17"`, `4-ft`) have also their joined form (`17in`); a glued
 *    `4feet` becomes it. Numbers and names of units have one form each (`Units.ts`).
 * 5. In the first field, what may be written as one word is indexed so as well (`Joined.ts`): `wi-fi`, `50 x 70`.
 * 6. Stop words are left out, but for those of a document's first field, so that a query of nothing else finds something.
 * 7. Singulars and plurals come to one term (`Stem.ts`).
 */
import { normalise, normaliseWithPlaces } from "./Fold.ts"
import { type Gram, gramPattern, gramsOf } from "./Grams.ts"
import * as Joined from "./Joined.ts"
import * as QuerySyntax from "./QuerySyntax.ts"
import { stem } from "./Stem.ts"
import { hashStart, hashStep, type Token, TokenTable } from "./TokenTable.ts"
import { isCorrectable } from "./Typo.ts"
import { plainNumber, unitWord, units } from "./Units.ts"

export interface Options {
  readonly stemming: "plural" | "none"
  readonly stopWords: ReadonlyArray<string>
  readonly units: boolean
}

export const defaults: Options = {
  stemming: "plural",
  stopWords: "a an and or the of for to in with by on at from is it as this that x".split(" "),
  units: true
}

export const queryCharsMax = 1_500
export const queryWordsMax = 32
/** Bigrams of one word of a query: a document has to have them all, and each is a list to read. */
const queryGramsMax = 32
/** Words and phrases that a query excludes: each is a list to read. */
const exclusionsMax = 16
/** Longer tokens are cut, in documents and queries alike; a term is part of a primary key. */
const termCharsMax = 64
/** A length is stored in 16 bits while a version is built. */
const tokensPerFieldMax = 10_000
/** Bounds the work of one field before it is cut into tokens. */
const fieldCharsMax = 100_000

const other = 0
const letter = 1
const digit = 2
/** Of a script without spaces. */
const gram = 3
/** Part of the letter before it: folding has dropped the others. */
const mark = 4
/** Not looked up yet. */
const unknown = 255

const letterPattern = /^\p{L}$/u
const numberPattern = /^\p{N}$/u
const markPattern = /^\p{M}$/u
const classOfPoint = (point: number): number => {
  const char = String.fromCodePoint(point)
  if (gramPattern.test(char)) return gram
  if (letterPattern.test(char)) return letter
  return numberPattern.test(char) ? digit : markPattern.test(char) ? mark : other
}

const classes = new Uint8Array(0x10000).fill(unknown)

const isHighSurrogate = (code: number) => code >= 0xd800 && code < 0xdc00

const classAt = (text: string, at: number): number => {
  const code = text.charCodeAt(at)
  if (isHighSurrogate(code)) return classOfPoint(text.codePointAt(at) ?? 0)
  const known = classes[code] ?? other
  if (known !== unknown) return known
  return (classes[code] = classOfPoint(code))
}

const dot = 0x2e
const comma = 0x2c
const slash = 0x2f
const apostrophe = 0x27
const quote = 0x22

/** Articles and the like of French, Italian and Catalan that lose their vowel before another; English `o'` is none. */
const elisionPattern =
  /^(?:l|d|j|m|n|s|t|c|qu|jusqu|lorsqu|puisqu|quelqu|dell|all|nell|sull|dall|un|quell|bell|sant|gl)'([aeiouyh].+)$/

const gluedPattern = /^(\d[\d.,/]*)(\p{L}+)$/u
const lettersPattern = /^\p{L}+$/u
const quantityPattern = /^\d[\d.,/]*$/

export interface Word {
  readonly term: string
  /** Of a word without spaces, which consists of these. */
  readonly grams: ReadonlyArray<Gram> | undefined
  /** The token before stemming: completions and corrections are looked for with it. */
  readonly token: string
  readonly isStop: boolean
  /** The joined form of this number and the unit that follows. */
  readonly joined: string | undefined
  /** Other forms of this word, or this word with those that follow. */
  readonly forms: ReadonlyArray<Joined.Form>
  /** Which token of the text it is, from 0. */
  readonly place: number
  /** True for a word in quotes, which a document must have. */
  readonly isRequired: boolean
  /** In the text as it was given. */
  readonly start: number
  readonly end: number
}

export interface AnalysedQuery {
  readonly words: ReadonlyArray<Word>
  /** Documents with all words of one of these are not meant. */
  readonly excluded: ReadonlyArray<ReadonlyArray<Word>>
  readonly truncated: boolean
}

/** Receives what is in a field, in order and with repetitions. */
export interface Sink {
  /** Called with each token that is indexed; stop words among them in the first field. */
  readonly token: (token: Token) => void
  /** Called with each joined form and bigram. */
  readonly term: (term: string) => void
}

export interface FieldSize {
  /** Without joined forms and stop words. */
  readonly length: number
  readonly truncated: boolean
}

export interface AnalysedField extends FieldSize {
  /** In order, with repetitions; joined forms and, when asked for, stop words among them. */
  readonly terms: ReadonlyArray<string>
  /** Words as they are written that mistakes are corrected to. Stop words are not among them. */
  readonly surfaces: ReadonlyArray<string>
}

/**
 * Returns the terms that a document with the word has: of a run without spaces all its bigrams, and of a letter with signs
 * the form with them.
 */
export const termsOf = ({ forms, grams, term }: Word): ReadonlyArray<string> =>
  grams === undefined
    ? [forms.find(({ isExact }) => isExact)?.term ?? term]
    : [...new Set(grams.slice(0, queryGramsMax).map((part) => part.term))]

export class Analyser {
  readonly options: Options
  private readonly stopWords: ReadonlySet<string>
  private readonly table = new TokenTable((text) => this.make(text))
  private readonly tokens: Array<string> = []
  /** By token of the last scan, and then those of earlier ones: where it begins and ends in the normalised text. */
  private readonly starts: Array<number> = []
  private readonly ends: Array<number> = []
  /** Alike, what it means; undefined for a run without spaces. */
  private readonly meanings: Array<Token | undefined> = []
  /** By token of the last scan, the whole word of which it is what follows the apostrophe. */
  private readonly elided = new Map<number, string>()

  constructor(options: Options) {
    this.options = options
    this.stopWords = new Set(options.stopWords)
  }

  /** The term of a single token, as a document would have it. */
  termOf(token: string): string {
    return this.table.of(token).term
  }

  field(text: string, isFirst: boolean): AnalysedField {
    const terms: Array<string> = []
    const surfaces: Array<string> = []
    const size = this.visit(text, isFirst, {
      token: ({ isCorrectable, isStop, term, text: written }) => {
        terms.push(term)
        if (isCorrectable && !isStop) surfaces.push(written)
      },
      term: (term) => terms.push(term)
    })
    return { terms, surfaces, ...size }
  }

  /** Analyses a field, in order and with repetitions. */
  visit(text: string, isFirst: boolean, sink: Sink): FieldSize {
    const scanned = text.length > fieldCharsMax ? text.slice(0, fieldCharsMax) : text
    const normalised = normalise(scanned)
    this.scan(normalised)
    let length = 0
    let n = 0
    for (; n < this.tokens.length && length < tokensPerFieldMax; n++) {
      const token = this.meanings[n]
      if (token === undefined) {
        const grams = gramsOf(this.tokens[n] ?? "", tokensPerFieldMax - length)
        for (const { term } of grams) sink.term(term)
        length += grams.length
        continue
      }
      if (!token.isStop) length++
      if (!token.isStop || isFirst) sink.token(token)
      const joined = token.isQuantity && this.options.units ? this.joinedAt(normalised, n) : undefined
      if (joined !== undefined) sink.term(joined)
      const whole = this.elided.size === 0 ? undefined : this.elided.get(n)
      if (whole !== undefined) sink.term(this.termOf(whole))
      const mayBegin = isFirst && Joined.mayBegin(token.shape, normalised.charCodeAt(this.ends[n] ?? 0))
      if (mayBegin) for (const { term } of this.formsAt(normalised, n)) sink.term(term)
    }
    return {
      length,
      truncated: scanned.length < text.length || n < this.tokens.length
    }
  }

  query(text: string): AnalysedQuery {
    const cut = text.length > queryCharsMax ? text.slice(0, queryCharsMax) : text
    const syntax = QuerySyntax.parse(cut)
    const all = this.words(syntax.text).map((word): Word =>
      syntax.required.some(({ end, start }) => word.start >= start && word.end <= end)
        ? { ...word, isRequired: true }
        : word
    )
    const meant = all.filter(({ isStop }) => !isStop)
    const words = meant.length > 0 ? meant : all
    const excluded = syntax.excluded
      .map((phrase) => this.words(phrase).filter(({ isStop }) => !isStop))
      .filter((phrase) => phrase.length > 0)
    return {
      words: words.slice(0, queryWordsMax),
      excluded: excluded.slice(0, exclusionsMax),
      truncated: cut.length < text.length || words.length > queryWordsMax || excluded.length > exclusionsMax
    }
  }

  /** Every word with its place in the text. */
  words(text: string): ReadonlyArray<Word> {
    const { ends, places, text: normalised } = normaliseWithPlaces(text)
    this.scan(normalised)
    return this.tokens.map((written, n): Word => {
      const start = this.starts[n] ?? 0
      const token = this.meanings[n]
      const isGrams = token === undefined
      const whole = this.elided.get(n)
      return {
        term: token?.term ?? written,
        grams: isGrams
          ? gramsOf(written, tokensPerFieldMax).map((part) => ({
              term: part.term,
              start: places[start + part.start] ?? 0,
              end: ends[start + part.end - 1] ?? 0
            }))
          : undefined,
        token: written,
        isStop: token?.isStop ?? false,
        joined: token?.isQuantity === true && this.options.units ? this.joinedAt(normalised, n) : undefined,
        forms: [
          ...(whole === undefined ? [] : [{ term: this.termOf(whole), tokens: 1, isExact: false }]),
          ...(isGrams ? [] : this.formsAt(normalised, n))
        ],
        place: n,
        isRequired: false,
        start: places[start] ?? 0,
        end: ends[(this.ends[n] ?? 0) - 1] ?? 0
      }
    })
  }

  private formsAt(text: string, n: number): ReadonlyArray<Joined.Form> {
    const { ends, starts, tokens } = this
    return Joined.formsAt({ text, tokens, starts, ends }, n, (token) => this.termOf(token))
  }

  private joinedAt(text: string, n: number): string | undefined {
    const end = this.ends[n] ?? 0
    const quantity = plainNumber(this.tokens[n] ?? "")
    if (text.charCodeAt(end) === quote) return `${quantity}in`
    const next = this.tokens[n + 1]
    const unit = next === undefined ? undefined : units.get(next)
    if (unit === undefined || (this.starts[n + 1] ?? 0) - end > 2) return undefined
    return quantity + unit
  }

  private make(token: string): Token {
    const isLetters = lettersPattern.test(token)
    const isStop = this.stopWords.has(token)
    return {
      text: token,
      term: isStop ? token : this.termOfMeaning(token, isLetters),
      isStop,
      isQuantity: quantityPattern.test(token),
      isCorrectable: isCorrectable(token),
      shape: Joined.shapeOf(token),
      termNumber: -1,
      surfaceNumber: -1
    }
  }

  private termOfMeaning(token: string, isLetters: boolean): string {
    if (isLetters) {
      const unit = this.options.units ? unitWord(token) : undefined
      return unit ?? (this.options.stemming === "plural" ? stem(token) : token)
    }
    if (!this.options.units) return plainNumber(token)
    const glued = gluedPattern.exec(token)
    const unit = units.get(glued?.[2] ?? "")
    return unit === undefined ? plainNumber(token) : `${plainNumber(glued?.[1] ?? "")}${unit}`
  }

  /** Cuts normalised text into tokens. The inner loop of indexing: no pattern, no object and no string per known token. */
  private scan(text: string): void {
    const { ends, starts } = this
    this.tokens.length = 0
    this.elided.clear()
    const size = text.length
    let at = 0
    while (at < size) {
      let kind = classAt(text, at)
      if (kind === other || kind === mark) {
        at++
        continue
      }
      const start = at
      const isGrams = kind === gram
      let hash = hashStart
      let hasApostrophe = false
      for (;;) {
        const before = kind
        const code = text.charCodeAt(at++)
        hash = hashStep(hash, code)
        if (isHighSurrogate(code)) hash = hashStep(hash, text.charCodeAt(at++))
        if (at >= size) break
        kind = classAt(text, at)
        if (kind === mark) kind = before
        else if (kind !== other && (kind === gram) !== isGrams) break
        if (kind !== other) continue
        if (isGrams) break
        const sign = text.charCodeAt(at)
        const after = at + 1 < size ? classAt(text, at + 1) : other
        if (sign === apostrophe && before === letter && after === letter) hasApostrophe = true
        else if (
          !((sign === dot || sign === comma || sign === slash) && before === digit && after === digit)
        ) {
          break
        }
      }
      starts[this.tokens.length] = start
      ends[this.tokens.length] = at
      if (isGrams) this.push(text.slice(start, at), undefined)
      else if (hasApostrophe) this.pushElided(text.slice(start, at))
      else if (at - start > termCharsMax) this.pushWord(text.slice(start, at))
      else this.pushToken(this.table.at(text, start, at, hash))
    }
  }

  private pushElided(whole: string): void {
    const follows = elisionPattern.exec(whole)?.[1]
    if (follows !== undefined) this.elided.set(this.tokens.length, whole.replaceAll("'", ""))
    this.pushWord((follows ?? whole).replaceAll("'", ""))
  }

  private pushWord(word: string): void {
    const cut = word.length <= termCharsMax ? word : word.slice(0, termCharsMax).toWellFormed()
    this.pushToken(this.table.of(cut))
  }

  private pushToken(token: Token): void {
    this.push(token.text, token)
  }

  /** A run without spaces is no term: its bigrams are. */
  private push(text: string, meaning: Token | undefined): void {
    this.meanings[this.tokens.length] = meaning
    this.tokens.push(text)
  }
}
