/**
 * From text to terms, for documents and queries alike.
 *
 * 1. Signs for trade mark, registered and copyright are dropped; NFKD, lower case, no combining marks; an apostrophe
 *    inside a word disappears.
 * 2. A token is a run of letters and digits; `.`, `,` and `/` stay between digits (`1/4`, `81.625`). Letters and digits
 *    are not split: `ps4` and `g600` are one token, which is worth 0.027 of NDCG.
 * 3. A number and its unit within two characters (`17 in`, `17"`, `4-ft`) give also their joined form (`17in`); a glued
 *    `4feet` becomes it.
 * 4. Stop words are left out, but for those of a document's first field, so that a query of nothing else finds something.
 * 5. Plurals lose their ending, in tokens of four letters or more, and singulars what their plural loses. A stronger stemmer
 *    was worse on both judged sets.
 */

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
/** Longer tokens are cut, in documents and queries alike; a term is part of a primary key. */
export const termCharsMax = 64
/** A length is stored in 16 bits while a version is built. */
export const tokensPerFieldMax = 10_000
/** Bounds the work of one field before it is cut into tokens. */
export const fieldCharsMax = 100_000

const units: ReadonlyMap<string, string> = new Map(
  Object.entries({
    in: "in inch inches",
    ft: "ft foot feet",
    yd: "yd yard yards",
    gal: "gal gallon gallons",
    lb: "lb lbs pound pounds",
    oz: "oz ounce ounces",
    w: "w watt watts",
    v: "v volt volts",
    amp: "amp amps",
    mah: "mah",
    kb: "kb",
    mb: "mb",
    gb: "gb",
    tb: "tb",
    hz: "hz",
    khz: "khz",
    mhz: "mhz",
    ghz: "ghz",
    mm: "mm",
    cm: "cm",
    kg: "kg",
    ml: "ml",
    mp: "mp megapixel megapixels",
    pk: "pk pack packs"
  }).flatMap(([canonical, names]) => names.split(" ").map((name) => [name, canonical]))
)

const other = 0
const letter = 1
const digit = 2
/** Not looked up yet. */
const unknown = 255

const letterPattern = /^\p{L}$/u
const numberPattern = /^\p{N}$/u
const classOfPoint = (point: number): number => {
  const char = String.fromCodePoint(point)
  return letterPattern.test(char) ? letter : numberPattern.test(char) ? digit : other
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

const asciiPattern = /^\p{ASCII}*$/u
const droppedPattern = /[\u2122\u00ae\u00a9]/g
const markPattern = /\p{M}+/gu
/** A character and the marks upon it. */
const characterPattern = /.\p{M}*/suy

/** Typographic signs by their plain ones, after NFKD; the final sigma as any other. */
const plain: ReadonlyMap<string, string> = new Map([
  ["\u2019", "'"],
  ["\u02bc", "'"],
  ["\u2032", "'"],
  ["\u201d", '"'],
  ["\u201c", '"'],
  ["\u2044", "/"],
  ["\u03c2", "\u03c3"]
])
const plainPattern = /[\u2019\u02bc\u2032\u201d\u201c\u2044\u03c2]/g

export const normalise = (text: string): string =>
  asciiPattern.test(text)
    ? text.toLowerCase()
    : text
        .toWellFormed()
        .replace(droppedPattern, "")
        .normalize("NFKD")
        .toLowerCase()
        .replace(markPattern, "")
        .replace(plainPattern, (char) => plain.get(char) ?? char)

/** The same, with the place in the text that each character of the result came from. */
const normaliseWithPlaces = (
  text: string
): { readonly text: string; readonly places: ReadonlyArray<number> } => {
  const places: Array<number> = []
  let normalised = ""
  let place = 0
  for (const char of text) {
    const part = normalise(char)
    for (let n = 0; n < part.length; n++) places.push(place)
    normalised += part
    place += char.length
  }
  places.push(place)
  return { text: normalised, places }
}

const esPattern = /(?:s|x|z|ch|sh)es$/

/** A singular whose plural looks as if it ended in -es: "case" and "cases" must come to the same. */
const ePattern = /(?:s|x|z|ch|sh)e$/

/** Of a token of letters only. */
const withoutPlural = (token: string): string => {
  if (token.endsWith("ie")) return `${token.slice(0, -2)}y`
  if (token.length < 4) return token
  if (ePattern.test(token)) return token.slice(0, -1)
  if (!token.endsWith("s")) return token
  if (token.endsWith("ies")) return `${token.slice(0, -3)}y`
  if (esPattern.test(token)) return token.slice(0, -2)
  return token.endsWith("us") || token.endsWith("ss") ? token : token.slice(0, -1)
}

const gluedPattern = /^(\d[\d.,/]*)(\p{L}+)$/u
const lettersPattern = /^\p{L}+$/u
const quantityPattern = /^\d[\d.,/]*$/

/** What a token is, found once and remembered. */
interface Token {
  readonly term: string
  readonly isStop: boolean
  readonly isQuantity: boolean
  /** Canonical, when the token names a unit. */
  readonly unit: string | undefined
}

/** Tokens remembered; a catalogue of a million products has about this many, each some 100 bytes. */
const rememberedMax = 200_000

export interface Word {
  readonly term: string
  /** The token before stemming: completions are looked for with it. */
  readonly token: string
  readonly isStop: boolean
  /** The joined form of this number and the unit that follows. */
  readonly joined: string | undefined
  /** In the text as it was given. */
  readonly start: number
  readonly end: number
}

export interface AnalysedQuery {
  readonly words: ReadonlyArray<Word>
  readonly truncated: boolean
}

export interface AnalysedField {
  /** In order, with repetitions; joined forms and, when asked for, stop words among them. */
  readonly terms: ReadonlyArray<string>
  /** Without joined forms and stop words. */
  readonly length: number
  readonly truncated: boolean
}

export class Analyser {
  readonly options: Options
  private readonly stopWords: ReadonlySet<string>
  private remembered = new Map<string, Token>()
  /** Where the tokens of the last scan begin and end in the normalised text. */
  private readonly starts: Array<number> = []
  private readonly ends: Array<number> = []
  private readonly tokens: Array<string> = []

  constructor(options: Options) {
    this.options = options
    this.stopWords = new Set(options.stopWords)
  }

  /** The term of a single token, as a document would have it. */
  termOf(token: string): string {
    return this.tokenOf(token).term
  }

  field(text: string, withStopWords: boolean): AnalysedField {
    const scanned = text.length > fieldCharsMax ? text.slice(0, fieldCharsMax) : text
    const normalised = normalise(scanned)
    this.scan(normalised)
    const count = Math.min(this.tokens.length, tokensPerFieldMax)
    const terms: Array<string> = []
    let length = 0
    let token = count > 0 ? this.tokenOf(this.tokens[0] ?? "") : undefined
    for (let n = 0; n < count && token !== undefined; n++) {
      const next = n + 1 < this.tokens.length ? this.tokenOf(this.tokens[n + 1] ?? "") : undefined
      if (!token.isStop) {
        terms.push(token.term)
        length++
      } else if (withStopWords) {
        terms.push(token.term)
      }
      if (token.isQuantity && this.options.units) {
        const joined = this.joinedAt(normalised, n, next)
        if (joined !== undefined) terms.push(joined)
      }
      token = next
    }
    return { terms, length, truncated: scanned.length < text.length || count < this.tokens.length }
  }

  query(text: string): AnalysedQuery {
    const cut = text.length > queryCharsMax ? text.slice(0, queryCharsMax) : text
    const all = this.words(cut)
    const meant = all.filter(({ isStop }) => !isStop)
    const words = meant.length > 0 ? meant : all
    return {
      words: words.slice(0, queryWordsMax),
      truncated: cut.length < text.length || words.length > queryWordsMax
    }
  }

  /** Every word with its place in the text. */
  words(text: string): ReadonlyArray<Word> {
    const { text: normalised, places } = normaliseWithPlaces(text)
    this.scan(normalised)
    const tokens = this.tokens.map((token) => this.tokenOf(token))
    return tokens.map((token, n) => ({
      term: token.term,
      token: this.tokens[n] ?? "",
      isStop: token.isStop,
      joined:
        token.isQuantity && this.options.units ? this.joinedAt(normalised, n, tokens[n + 1]) : undefined,
      start: places[this.starts[n] ?? 0] ?? 0,
      end: this.endIn(text, places, this.ends[n] ?? 0)
    }))
  }

  /** Where the character before `end` ends in the text, with its marks. What else was dropped after it is no part of it. */
  private endIn(text: string, places: ReadonlyArray<number>, end: number): number {
    const last = places[end - 1] ?? 0
    characterPattern.lastIndex = last
    return last + (characterPattern.exec(text)?.[0].length ?? 1)
  }

  private joinedAt(text: string, n: number, next: Token | undefined): string | undefined {
    const end = this.ends[n] ?? 0
    const quantity = this.tokens[n] ?? ""
    if (text.charCodeAt(end) === quote) return `${quantity}in`
    if (next?.unit === undefined || (this.starts[n + 1] ?? 0) - end > 2) return undefined
    return quantity + next.unit
  }

  private tokenOf(token: string): Token {
    const known = this.remembered.get(token)
    if (known !== undefined) return known
    if (this.remembered.size >= rememberedMax) this.remembered = new Map()
    const made = this.make(token)
    this.remembered.set(token, made)
    return made
  }

  private make(token: string): Token {
    const isLetters = lettersPattern.test(token)
    const isStop = this.stopWords.has(token)
    const glued = this.options.units && !isLetters ? gluedPattern.exec(token) : null
    const unit = units.get(glued?.[2] ?? "")
    const stemmed = isLetters && !isStop && this.options.stemming === "plural" ? withoutPlural(token) : token
    return {
      term: unit === undefined ? stemmed : `${glued?.[1] ?? ""}${unit}`,
      isStop,
      isQuantity: quantityPattern.test(token),
      unit: units.get(token)
    }
  }

  /** Cuts normalised text into tokens. The inner loop of indexing: no pattern, no object a token. */
  private scan(text: string): void {
    const { ends, starts, tokens } = this
    starts.length = 0
    ends.length = 0
    tokens.length = 0
    const size = text.length
    let at = 0
    while (at < size) {
      let kind = classAt(text, at)
      if (kind === other) {
        at++
        continue
      }
      const start = at
      let hasApostrophe = false
      for (;;) {
        const before = kind
        at += isHighSurrogate(text.charCodeAt(at)) ? 2 : 1
        if (at >= size) break
        kind = classAt(text, at)
        if (kind !== other) continue
        const code = text.charCodeAt(at)
        const after = at + 1 < size ? classAt(text, at + 1) : other
        if (code === apostrophe && before === letter && after === letter) hasApostrophe = true
        else if (
          !((code === dot || code === comma || code === slash) && before === digit && after === digit)
        ) {
          break
        }
      }
      const whole = text.slice(start, at)
      const token = hasApostrophe ? whole.replaceAll("'", "") : whole
      starts.push(start)
      ends.push(at)
      tokens.push(token.length > termCharsMax ? token.slice(0, termCharsMax).toWellFormed() : token)
    }
  }
}
