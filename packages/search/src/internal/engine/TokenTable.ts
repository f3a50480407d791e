/**
 * The meanings of tokens, each found once and remembered. A token is looked up by its characters where they are. Nearly every
 * one has been met before: a string of each, to be looked up in a map, was the largest part of a build.
 */
import type { Shape } from "./Joined.ts"

/** The meaning of a token. */
export interface Token {
  readonly text: string
  readonly term: string
  readonly isStop: boolean
  readonly isQuantity: boolean
  /** Mistakes are corrected to it. */
  readonly isCorrectable: boolean
  readonly shape: Shape
  /** Numbers of its term and of its text in the version that is built; -1 before they are known there. */
  termNumber: number
  surfaceNumber: number
}

/** Tokens remembered; a catalogue of a million products has about this many, each some 100 bytes. */
const rememberedMax = 200_000
/** Places of an empty table: an analyser of queries alone stays small. A power of two, as is each size after it. */
const placesMin = 1_024

export const hashStart = 0x811c9dc5

/** FNV-1a over UTF-16 units. */
export const hashStep = (hash: number, code: number): number => Math.imul(hash ^ code, 0x01000193)

const hashOf = (text: string): number => {
  let hash = hashStart
  for (let at = 0; at < text.length; at++) hash = hashStep(hash, text.charCodeAt(at))
  return hash
}

export class TokenTable {
  private readonly make: (text: string) => Token
  private tokens: Array<Token> = []
  /** By place, side by side: the number of a token from 1, 0 for none, and its hash. Half of the places are free at least. */
  private places = new Int32Array(placesMin * 2)

  constructor(make: (text: string) => Token) {
    this.make = make
  }

  of(text: string): Token {
    return this.at(text, 0, text.length, hashOf(text))
  }

  /** The token from `start` to `end` in a text. `hash` is of its characters. */
  at(text: string, start: number, end: number, hash: number): Token {
    const { places, tokens } = this
    let place = placeOf(hash, places)
    for (;;) {
      const number = places[place] ?? 0
      if (number === 0) return this.add(text.slice(start, end), hash)
      if (places[place + 1] === hash) {
        const token = tokens[number - 1]
        if (token !== undefined && isAt(text, start, end, token.text)) return token
      }
      place = (place + 2) & (places.length - 1)
    }
  }

  private add(text: string, hash: number): Token {
    const token = this.make(text)
    if (this.tokens.length === rememberedMax) {
      this.tokens = []
      this.places = new Int32Array(placesMin * 2)
    }
    this.tokens.push(token)
    if (this.tokens.length * 4 > this.places.length) this.grow()
    put(this.places, this.tokens.length, hash)
    return token
  }

  private grow(): void {
    const smaller = this.places
    this.places = new Int32Array(smaller.length * 2)
    for (let place = 0; place < smaller.length; place += 2) {
      const number = smaller[place] ?? 0
      if (number !== 0) put(this.places, number, smaller[place + 1] ?? 0)
    }
  }
}

/** The first place to look for a hash. Its low bits alone are too even. */
const placeOf = (hash: number, places: Int32Array): number =>
  ((hash ^ (hash >>> 15)) * 2) & (places.length - 1)

const put = (places: Int32Array, number: number, hash: number): void => {
  let place = placeOf(hash, places)
  while (places[place] !== 0) place = (place + 2) & (places.length - 1)
  places[place] = number
  places[place + 1] = hash
}

const isAt = (text: string, start: number, end: number, known: string): boolean => {
  if (known.length !== end - start) return false
  for (let n = 0; n < known.length; n++) if (known.charCodeAt(n) !== text.charCodeAt(start + n)) return false
  return true
}
