/**
 * A made-up catalogue: words of syllables with a long tail, model numbers, sizes with units, columns with gaps. Seeded.
 */
import * as EngineSettings from "@hypermarket/search/internal/engine/EngineSettings"
import type { IndexDocument } from "@hypermarket/search/internal/engine/IndexDocument"

/** Numbers from 0 to 1 (mulberry32). */
export const randomOf = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export const settings: EngineSettings.EngineSettings = {
  ...EngineSettings.defaults,
  columns: [
    { name: "brand", kind: "keyword" },
    { name: "categories", kind: "keyword" },
    { name: "price", kind: "number" },
    { name: "weight", kind: "number" }
  ],
  popularityWeight: 0.3,
  synonyms: [
    { kind: "two-way", phrases: ["notebook", "laptop", "portable computer"] },
    { kind: "one-way", from: "head set", to: ["headphones"] }
  ]
}

const syllables = "ba ce di fo gu la me ni po ru sa te vi xo zu kra ble tri son mar".split(" ")
const named =
  "notebook laptop portable computer headphone head set camera printer cable the for café wi-fi c++ 携帯電話ケース l'huile".split(
    " "
  )
const brands = ["Canon", "Nikon", "Acme & Söhne", "Zeta", "Omni"]

export interface Vocabulary {
  readonly words: ReadonlyArray<string>
  readonly word: (random: () => number) => string
}

export const vocabularyOf = (size: number): Vocabulary => {
  const random = randomOf(11)
  const made = Array.from({ length: size }, () =>
    Array.from(
      { length: 2 + Math.floor(random() * 3) },
      () => syllables[Math.floor(random() * syllables.length)]
    ).join("")
  )
  const words = [...new Set([...named, ...made])]
  // A power of a uniform number: few words are in most documents, most are in few.
  return { words, word: (next) => words[Math.floor(next() ** 3 * words.length)] ?? "camera" }
}

export const documentOf = (
  vocabulary: Vocabulary,
  random: () => number,
  docId: string,
  popularity: number
): IndexDocument => {
  const words = (most: number) =>
    Array.from({ length: 1 + Math.floor(random() * most) }, () => vocabulary.word(random)).join(" ")
  const has = (share: number) => random() < share
  const brand = brands[Math.floor(random() * brands.length)] ?? "Canon"
  const model = `${["g", "ps", "dv"][Math.floor(random() * 3)]}${Math.floor(random() * 400)}`
  return {
    docId,
    popularity,
    text: {
      title: `${words(6)} ${model} ${Math.floor(random() * 20)} in${has(0.1) ? " 50x70 wifi" : ""}`,
      ...(has(0.9) ? { brand } : {}),
      ...(has(0.7) ? { description: words(25) } : {}),
      ...(has(0.5) ? { attributes: `${words(8)} ${Math.floor(random() * 9) * 100}GB` } : {})
    },
    keywords: {
      ...(has(0.9) ? { brand: [brand] } : {}),
      categories: vocabulary.words.slice(0, 9).filter(() => has(0.15))
    },
    numbers: {
      ...(has(0.95) ? { price: Math.floor(random() * 500) * 10 } : {}),
      ...(has(0.5) ? { weight: Math.floor(random() * 100) / 8 } : {})
    }
  }
}

/** By popularity, the highest first. */
export const documentsOf = (
  vocabulary: Vocabulary,
  count: number,
  seed: number
): ReadonlyArray<IndexDocument> => {
  const random = randomOf(seed)
  return Array.from({ length: count }, (_, n) =>
    documentOf(vocabulary, random, `p${n}`, Math.max(0, 1 - n / (count * 0.8)))
  )
}

const misspelt = (word: string, random: () => number): string => {
  const at = Math.floor(random() * word.length)
  const letter = "abcdefghijklmnopqrstuvwxyz"[Math.floor(random() * 26)] ?? "e"
  switch (Math.floor(random() * 4)) {
    case 0:
      return word.slice(0, at) + word.slice(at + 1)
    case 1:
      return word.slice(0, at) + letter + word.slice(at)
    case 2:
      return word.slice(0, at) + letter + word.slice(at + 1)
    default:
      return word.slice(0, at) + (word[at + 1] ?? "") + (word[at] ?? "") + word.slice(at + 2)
  }
}

/** One to five words, some misspelt, cut short, run together, or numbers with units. */
export const queryOf = (vocabulary: Vocabulary, random: () => number): string => {
  const words = Array.from({ length: 1 + Math.floor(random() * 5) }, () => {
    const word = vocabulary.word(random)
    const kind = random()
    if (kind < 0.15) return misspelt(word, random)
    if (kind < 0.2) return word + vocabulary.word(random)
    if (kind < 0.25) return `${Math.floor(random() * 20)} in`
    if (kind < 0.3) return `g${Math.floor(random() * 400)}`
    if (kind < 0.33) return "portable computers"
    if (kind < 0.35) return `-${word}`
    if (kind < 0.37) return `"${word}"`
    if (kind < 0.39) return ["wifi", "ケース", "c++", "huile", "50 x 70"][Math.floor(random() * 5)] ?? word
    return word
  })
  const last = words.pop() ?? ""
  return [...words, random() < 0.3 ? last.slice(0, 1 + Math.floor(random() * last.length)) : last].join(" ")
}
