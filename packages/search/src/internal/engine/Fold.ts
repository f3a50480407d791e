/**
 * Characters that a shopper takes for the same, made the same: width, case, accents, letters without a decomposition,
 * typographic signs. Marks are dropped by script: they are accents of Latin, Greek, Arabic and Hebrew letters, but part of
 * the letter elsewhere. Without its vowel signs a Hindi word is another word, and so is a Japanese one without dakuten.
 */

const asciiPattern = /^\p{ASCII}*$/u

/** Trade mark signs, and characters that no one sees: soft hyphens, joiners, marks of direction. */
const dropped =
  "\\u2122\\u00ae\\u00a9\\u00ad\\u061c\\u200b-\\u200f\\u202a-\\u202e\\u2060\\u2066-\\u2069\\ufeff"
const droppedPattern = new RegExp(`[${dropped}]`, "g")

const strayMarksPattern = /^\p{M}+/u
const markedPattern = /(\P{M})(\p{M}+)/gsu
const marklessPattern =
  /^(?:\p{Script=Latin}|\p{Script=Greek}|\p{Script=Arabic}|\p{Script=Hebrew}|[\p{N}\p{Z}\p{P}\p{S}\p{C}])$/u
const cyrillicPattern = /^\p{Script=Cyrillic}$/u

/** Cyrillic letters that are others with their mark: и and й, у and ў, і and ї. Not ё, which is mostly written е. */
const cyrillicMarks: ReadonlyMap<string, string> = new Map([
  ["и", "\u0306"],
  ["у", "\u0306"],
  ["і", "\u0308"]
])

const withoutMarks = (all: string, base: string, marks: string): string => {
  if (marklessPattern.test(base)) return base
  if (!cyrillicPattern.test(base)) return all
  const mark = cyrillicMarks.get(base)
  return mark !== undefined && marks.includes(mark) ? base + mark : base
}

/** Letters that no decomposition folds, and typographic signs by their plain ones; the final sigma as any other. */
const replacements: ReadonlyMap<string, string> = new Map([
  ["ß", "ss"],
  ["ø", "o"],
  ["ł", "l"],
  ["đ", "d"],
  ["œ", "oe"],
  ["æ", "ae"],
  ["ð", "d"],
  ["þ", "th"],
  ["ı", "i"],
  ["ħ", "h"],
  ["ŧ", "t"],
  ["ŋ", "n"],
  ["ĸ", "k"],
  ["×", "x"],
  // Persian and Urdu forms of kaf and yeh, alef maksura, teh marbuta, and the tatweel, which only stretches.
  ["\u06a9", "\u0643"],
  ["\u06cc", "\u064a"],
  ["\u0649", "\u064a"],
  ["\u0629", "\u0647"],
  ["\u0640", ""],
  ["\u2019", "'"],
  ["\u02bc", "'"],
  ["\u2032", "'"],
  ["\u201d", '"'],
  ["\u201c", '"'],
  ["\u2033", '"'],
  ["\u2044", "/"],
  ["\u03c2", "\u03c3"]
])
const replacedPattern = new RegExp(`[${[...replacements.keys()].join("")}]`, "gu")

/** Folds a text as a whole. */
export const fold = (text: string): string =>
  text
    .toWellFormed()
    .replace(droppedPattern, "")
    .normalize("NFKD")
    .toLowerCase()
    .replace(strayMarksPattern, "")
    .replace(markedPattern, withoutMarks)
    .normalize("NFC")
    .replace(replacedPattern, (char) => replacements.get(char) ?? char)

/** Marks at the beginning of a run are those of an ASCII character, which loses all of its marks. */
const foreignPattern = /\P{ASCII}+/gu
/** Accented letters and signs recur; a run of another script rarely does. */
const rememberedCharsMax = 4
/** About a megabyte. A catalogue of one language has hundreds. */
const rememberedMax = 10_000

let remembered = new Map<string, string>()

const foldRemembered = (run: string): string => {
  if (run.length > rememberedCharsMax) return fold(run)
  const known = remembered.get(run)
  if (known !== undefined) return known
  if (remembered.size >= rememberedMax) remembered = new Map()
  const folded = fold(run)
  remembered.set(run, folded)
  return folded
}

/** No character changes with an ASCII one beside it, so each run of others is folded by itself. */
export const normalise = (text: string): string =>
  asciiPattern.test(text) ? text.toLowerCase() : text.replace(foreignPattern, foldRemembered).toLowerCase()

/** Parts of Korean syllables, also half-width ones. */
const jamo = "\\u1100-\\u11ff\\u3131-\\u318e\\ua960-\\ua97f\\ud7b0-\\ud7ff\\uffa0-\\uffdc"

/**
 * A part of a text that is composed or folded as one: a character with its marks, or parts of a Korean syllable. Half-width
 * marks are marks, and so is the vowel am of Thai and Lao, which begins with one.
 */
const unitPattern = new RegExp(
  `[${jamo}${dropped}][${jamo}\\p{M}\\uff9e\\uff9f${dropped}]*|` +
    `.[\\p{M}\\u0e33\\u0eb3\\u11a8-\\u11ff\\uff9e\\uff9f${dropped}]*`,
  "gsu"
)

export interface Normalised {
  readonly text: string
  /** By character of the result, where it came from in the text; and one more, the end of the text. */
  readonly places: ReadonlyArray<number>
  /** By character of the result, where what it came from ends, without characters that are dropped. */
  readonly ends: ReadonlyArray<number>
}

const trailingPattern = new RegExp(`[${dropped}]+$`)

/** The same as {@link normalise}, with places. */
export const normaliseWithPlaces = (text: string): Normalised => {
  const places: Array<number> = []
  const ends: Array<number> = []
  let normalised = ""
  let place = 0
  for (const [unit] of text.matchAll(unitPattern)) {
    const part = normalise(unit)
    const end = place + unit.replace(trailingPattern, "").length
    for (let n = 0; n < part.length; n++) {
      places.push(place)
      ends.push(end)
    }
    normalised += part
    place += unit.length
  }
  places.push(place)
  return { text: normalised, places, ends }
}
