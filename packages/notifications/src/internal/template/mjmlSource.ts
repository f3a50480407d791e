/**
 * Prepares MJML for the compiler: each tag of Liquid becomes a placeholder that passes through every part of a document, and
 * positions lead back to the source of the author.
 */
import * as Spans from "./spans.ts"

interface Piece {
  readonly at: number
  readonly length: number
  readonly sourceAt: number
  readonly sourceLength: number
}

interface Rewritten {
  readonly text: string
  readonly pieces: ReadonlyArray<Piece>
}

const rewrite = (
  source: string,
  spans: Iterable<Spans.Span>,
  replace: (found: string, offset: number) => string
): Rewritten => {
  const pieces: Array<Piece> = []
  let text = ""
  let end = 0
  for (const { index, text: found } of spans) {
    const replacement = replace(found, index)
    if (replacement === found) continue
    text += source.slice(end, index)
    pieces.push({ at: text.length, length: replacement.length, sourceAt: index, sourceLength: found.length })
    text += replacement
    end = index + found.length
  }
  return { text: text + source.slice(end), pieces }
}

const sourceOffset = ({ pieces }: Rewritten, offset: number): number => {
  let shift = 0
  for (const { at, length, sourceAt, sourceLength } of pieces) {
    if (offset < at) break
    if (offset < at + length) return sourceAt
    shift = sourceAt + sourceLength - at - length
  }
  return offset + shift
}

/**
 * A placeholder is a hexagram (U+4DC0 to U+4DFF) and three more, digits of its number. The compiler writes attributes with
 * escapes for what it takes to be unprintable, such as the private use area.
 */
const first = 0x4d_c0
const base = 63
const start = String.fromCharCode(first)
const placeholder = /\u4dc0([\u4dc1-\u4dff])([\u4dc1-\u4dff])([\u4dc1-\u4dff])/g

/** Characters of which placeholders are made. */
export const reserved = /[\u4dc0-\u4dff]/

const digit = (value: number): string => String.fromCharCode(first + 1 + (value % base))
const numberOf = (digits: ReadonlyArray<string>): number =>
  digits.reduce((sum, character) => sum * base + character.charCodeAt(0) - first - 1, 0)

const placeholderOf = (index: number): string =>
  start + digit(Math.floor(index / base / base)) + digit(Math.floor(index / base)) + digit(index)

/** Characters that the compiler escapes in attributes as a programming language would. */
const escapes = /[\\"\p{C}\p{M}]|(?! )\p{Z}/gu

/** Blanks out comments, in which elements mean nothing. */
export const withoutComments = (text: string): string =>
  rewrite(text, Spans.find(text, [Spans.comments]), (inner) => " ".repeat(inner.length)).text

export interface Tag {
  readonly text: string
  readonly offset: number
}

export interface Prepared {
  /** The text for the compiler. */
  readonly text: string
  /** Returns the offset in the source. */
  readonly sourceOffset: (offset: number) => number
  /** Puts the tags of Liquid back. */
  readonly restore: (html: string) => string
  /** The first tag of Liquid outside comments that is not in the HTML. */
  readonly lost: (html: string) => Tag | undefined
}

const indexesIn = (text: string): ReadonlySet<number> =>
  new Set(Array.from(text.matchAll(placeholder), ([, ...digits]) => numberOf(digits)))

const letter = /[a-z]/i

/** True for each place within the quotes of an attribute. */
const valuesIn = (text: string): ReadonlyArray<boolean> => {
  const inside = Array.from({ length: text.length }, () => false)
  let isTag = false
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? ""
    if (character === "<") isTag = letter.test(text[at + 1] ?? "")
    else if (character === ">") isTag = false
    else if (isTag && (character === '"' || character === "'")) {
      const end = text.indexOf(character, at + 1)
      if (end < 0) isTag = false
      else {
        inside.fill(true, at + 1, end)
        at = end
      }
    }
  }
  return inside
}

export const prepare = (source: string): Prepared => {
  const tags: Array<Tag> = []
  const masked = rewrite(source, Spans.find(source, [Spans.outputs, Spans.tags]), (text, offset) =>
    placeholderOf(tags.push({ text, offset }) - 1)
  )
  const inside = valuesIn(masked.text)
  const characters = Array.from(masked.text.matchAll(escapes), ({ 0: text, index }) => ({ text, index }))
  const { text, pieces } = rewrite(masked.text, characters, (character, offset) =>
    inside[offset] === true ? `&#${character.codePointAt(0)};` : character
  )
  return {
    text,
    sourceOffset: (offset) => sourceOffset(masked, sourceOffset({ text, pieces }, offset)),
    restore: (html) =>
      html.replaceAll(placeholder, (found, ...groups: ReadonlyArray<string>) => {
        return tags[numberOf(groups.slice(0, 3))]?.text ?? found
      }),
    lost: (html) => {
      const expected = indexesIn(withoutComments(masked.text))
      const kept = indexesIn(html)
      return tags.find((_, index) => expected.has(index) && !kept.has(index))
    }
  }
}
