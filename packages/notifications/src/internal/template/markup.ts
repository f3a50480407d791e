/** Checks of HTML: of a template where values go, of a rendering where links lead. */
import * as Spans from "./spans.ts"

export interface Fault {
  readonly offset: number
  readonly message: string
}

const forbidden = /<\s*(?:\/\s*)?(script|iframe|object|embed|form|base|meta|link|svg|math)\b/i
/** A compiler writes `meta` itself. */
const forbiddenGenerated = /<\s*(?:\/\s*)?(script|iframe|object|embed|form|base|link|svg|math)\b/i
const handler = /\son[a-z]+\s*=/gi
const styleOpening = /<(?:mj-)?style\b/gi
const styleClosing = /<\/(?:mj-)?style/gi

/** Returns where the first tag with an event attribute begins. */
const handlerIn = (source: string): number | undefined => {
  let tag: number | undefined
  let at = 0
  for (const { index } of source.matchAll(handler)) {
    for (; at <= index; at++) {
      if (source[at] === "<") tag ??= at
      else if (source[at] === ">") tag = undefined
    }
    if (tag !== undefined) return tag
  }
  return undefined
}

/** Returns where the first style element with a tag of Liquid begins. */
const styleWithOutput = (source: string): number | undefined => {
  styleOpening.lastIndex = 0
  for (;;) {
    const opening = styleOpening.exec(source)
    if (opening === null) return undefined
    const start = source.indexOf(">", styleOpening.lastIndex)
    if (start < 0) return undefined
    styleClosing.lastIndex = start
    const closing = styleClosing.exec(source)
    if (closing === null) return undefined
    const css = source.slice(start, closing.index)
    if (css.includes(Spans.outputs[0]) || css.includes(Spans.tags[0])) return opening.index
    styleOpening.lastIndex = styleClosing.lastIndex
  }
}

export interface Options {
  /** HTML that was compiled from a source which was checked. */
  readonly isGenerated?: boolean
}

/** The first place in a template where a value could become markup; escaping protects text and quoted attributes only. */
export const faultOf = (source: string, { isGenerated = false }: Options = {}): Fault | undefined => {
  const element = (isGenerated ? forbiddenGenerated : forbidden).exec(source)
  if (element !== null) return { offset: element.index, message: `Expected no <${element[1] ?? ""}> element` }
  const attribute = handlerIn(source)
  if (attribute !== undefined) return { offset: attribute, message: "Expected no event attribute" }
  const style = styleWithOutput(source)
  if (style !== undefined) return { offset: style, message: "Expected no output in a style element" }
  return outputInTag(source)
}

/** Text, a tag, or the quotes within one. An output in a comment has none. */
type Place = "text" | "tag" | '"' | "'"

/**
 * Walks the markup as a browser would; a tag of Liquid is skipped whole. Returns the place of the end, undefined within a comment
 * or a tag of Liquid.
 */
function* outputsIn(
  source: string
): Generator<{ readonly offset: number; readonly place: Place }, Place | undefined> {
  let place: Place = "text"
  for (let at = 0; at < source.length; at++) {
    const two = source.slice(at, at + 2)
    if (two === "{{" || two === "{%") {
      if (two === "{{") yield { offset: at, place }
      const end = source.indexOf(two === "{{" ? "}}" : "%}", at + 2)
      if (end < 0) return undefined
      at = end + 1
      continue
    }
    const character = source[at]
    if (place === "text") {
      if (source.startsWith("<!--", at)) {
        const end = source.indexOf("-->", at + 4)
        if (end < 0) return undefined
        at = end + 2
      } else if (character === "<" && /[a-z/]/i.test(source[at + 1] ?? "")) place = "tag"
    } else if (place === "tag") {
      if (character === ">") place = "text"
      else if (character === '"' || character === "'") place = character
    } else if (character === place) place = "tag"
  }
  return place
}

const outputInTag = (source: string): Fault | undefined => {
  for (const { offset, place } of outputsIn(source)) {
    if (place === "tag") return { offset, message: "Expected quotes around an output in a tag" }
  }
  return undefined
}

/** True for an output that is neither in a tag nor in a comment. */
export const isInText = (source: string, offset: number): boolean => {
  for (const output of outputsIn(source)) if (output.offset === offset) return output.place === "text"
  return false
}

/** True when every tag and comment has its end. */
export const endsInText = (source: string): boolean => {
  const outputs = outputsIn(source)
  for (;;) {
    const { done, value } = outputs.next()
    if (done === true) return value === "text"
  }
}

const links =
  /\b(?:href|src|action|formaction|background|poster|srcset|xlink:href)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/gi
const safe = /^(?:https:\/\/|mailto:|tel:|cid:|#)/i
const codes = /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(amp|lt|gt|quot|apos|colon|tab|newline));?/gi
const names: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  colon: ":",
  tab: "",
  newline: ""
}

const codePointMax = 0x10_ff_ff

const decoded = (value: string): string =>
  value.replaceAll(codes, (_, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return names[name.toLowerCase()] ?? ""
    const point = decimal === undefined ? Number.parseInt(hex ?? "0", 16) : Number(decimal)
    return point <= codePointMax ? String.fromCodePoint(point) : ""
  })

/** Returns the first link of a rendering that is neither https nor mailto, tel, cid or a fragment. */
export const unsafeLink = (html: string): string | undefined => {
  for (const [, double, single, bare] of html.matchAll(links)) {
    const link = decoded(double ?? single ?? bare ?? "").trim()
    if (!safe.test(link)) return link
  }
  return undefined
}
