/**
 * Reads source maps that a build uploaded. A map is judged before anything is made of it, because one of a few megabytes can
 * stand for gigabytes: one segment per two bytes, sections in sections, an offset of a billion lines.
 *
 * Source: https://tc39.es/ecma426/
 */
import { AnyMap, originalPositionFor, type TraceMap } from "@jridgewell/trace-mapping"
import { isRecord, jsonOf } from "./envelope.ts"
import * as JsonShape from "./jsonShape.ts"
import * as TextLines from "./textLines.ts"

/** Names, sources and their texts. Deeper JSON is no source map: a map in a section has five levels. */
const jsonBounds = { values: 1_000_000, depth: 8 }
/** A minified script of 12 MiB has about 2 million segments. Each takes some 90 bytes once it is decoded. */
const segmentsMax = 2_000_000
const linesMax = 500_000
const sourcesMax = 50_000
const sectionsMax = 1_000
const sourceLengthMax = 4_096
const nameLengthMax = 200
/** A longer source is translated to its line, and shown without it. */
const contentLengthMax = 1024 * 1024
const contentLinesMax = 100_000
const segmentBytes = 90
const lineBytes = 40

export interface Position {
  readonly source: string
  /** From 1. */
  readonly line: number
  /** From 0. */
  readonly column: number
  readonly name: string | undefined
}

/** A source map, and the lines of its script when the build uploaded it. */
export interface SourceMap {
  /** Memory that it takes, about. */
  readonly size: number
  readonly script: TextLines.Lines | undefined
  /** The place in the sources. Line from 1, column from 0. */
  readonly original: (line: number, column: number) => Position | undefined
  /** The lines of a source. */
  readonly linesOf: (source: string) => TextLines.Lines | undefined
  /** True for a source that the build marks as foreign. */
  readonly isIgnored: (source: string) => boolean
}

type Fields = Readonly<Record<string, unknown>>

interface Flat {
  readonly version: 3
  readonly names: Array<string>
  readonly sources: Array<string>
  readonly sourcesContent: Array<string | null>
  readonly ignoreList: Array<number>
  readonly mappings: string
}

interface Section {
  readonly offset: { readonly line: number; readonly column: number }
  readonly map: Flat
}

/** Limits that are left while the sections of a map are read. */
interface Left {
  segments: number
  lines: number
  sources: number
}

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const count = (text: string, character: string): number => {
  let found = 0
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) found++
  return found
}

const textOf = (value: unknown, lengthMax: number): string =>
  typeof value === "string" ? value.slice(0, lengthMax) : ""

/** A map without sections, its fields of the types that they ought to have. Returns why it cannot be used. */
const flatOf = (map: Fields, left: Left): Flat | string => {
  const { ignoreList, mappings, names, sourceRoot, sources, sourcesContent, x_google_ignoreList: older } = map
  if (typeof mappings !== "string" || !Array.isArray(sources)) return "has no mappings or no sources"
  left.lines -= count(mappings, ";") + 1
  if (left.lines < 0) return `maps more than ${linesMax} lines`
  left.segments -= count(mappings, ",") + count(mappings, ";") + 1
  if (left.segments < 0) return `has more than ${segmentsMax} segments`
  left.sources -= sources.length
  if (left.sources < 0) return `names more than ${sourcesMax} sources`
  const root = textOf(sourceRoot, sourceLengthMax)
  const contents = listOf(sourcesContent)
  return {
    version: 3,
    names: listOf(names).map((name) => textOf(name, nameLengthMax)),
    sources: sources.map((source) => {
      const text = textOf(source, sourceLengthMax)
      return root === "" ? text : `${root.replace(/\/$/, "")}/${text}`
    }),
    sourcesContent: sources.map((_, index) => {
      const content = contents[index]
      return typeof content === "string" ? content : null
    }),
    ignoreList: listOf(ignoreList ?? older).filter((index) => typeof index === "number"),
    mappings
  }
}

const isPlace = (value: unknown, max: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max

const sectionsOf = (sections: ReadonlyArray<unknown>, left: Left): ReadonlyArray<Section> | string => {
  if (sections.length > sectionsMax) return `has more than ${sectionsMax} sections`
  const result: Array<Section> = []
  for (const section of sections) {
    const { map, offset } = isRecord(section) ? section : {}
    if (!isRecord(map) || "sections" in map) return "has a section without a map of its own"
    const { column, line } = isRecord(offset) ? offset : {}
    if (!isPlace(line, linesMax) || !isPlace(column, Number.MAX_SAFE_INTEGER)) {
      return `has a section at no place within ${linesMax} lines`
    }
    const flat = flatOf(map, left)
    if (typeof flat === "string") return flat
    result.push({ offset: { line, column }, map: flat })
  }
  return result
}

const mapOf = (value: Fields, left: Left): TraceMap | string => {
  if (value["sections"] === undefined) {
    const flat = flatOf(value, left)
    return typeof flat === "string" ? flat : new AnyMap(flat)
  }
  const sections = sectionsOf(listOf(value["sections"]), left)
  return typeof sections === "string" ? sections : new AnyMap({ version: 3, sections: Array.from(sections) })
}

/** Reads a map, and the script that it belongs to. Returns why it can serve no event. */
export const read = (json: Uint8Array, script: Uint8Array | undefined): SourceMap | string => {
  if (JsonShape.valuesWithin(json, jsonBounds) === undefined) {
    return `has more than ${jsonBounds.values} values, or more than ${jsonBounds.depth} levels`
  }
  const value = jsonOf(json)
  if (!isRecord(value)) return "is no JSON object"
  const left = { segments: segmentsMax, lines: linesMax, sources: sourcesMax }
  const map = mapOf(value, left)
  if (typeof map === "string") return map
  if (map.sources.length === 0) return "has no sources"
  const sources = new Map(map.resolvedSources.map((source, index) => [source, index]))
  const ignored = new Set(map.ignoreList)
  const shown = new Map<string, TextLines.Lines | undefined>()
  return {
    size:
      json.length +
      (script?.length ?? 0) +
      (segmentsMax - left.segments) * segmentBytes +
      (linesMax - left.lines) * lineBytes,
    script: script === undefined ? undefined : TextLines.of(new TextDecoder().decode(script), linesMax),
    original: (line, column) => {
      const position = originalPositionFor(map, { line, column })
      // An index past the end of the sources leads nowhere.
      return typeof position.source === "string"
        ? {
            source: position.source,
            line: position.line,
            column: position.column,
            name: typeof position.name === "string" && position.name !== "" ? position.name : undefined
          }
        : undefined
    },
    linesOf: (source) => {
      if (!shown.has(source)) {
        const content = map.sourcesContent?.[sources.get(source) ?? -1]
        const isShown = typeof content === "string" && content.length <= contentLengthMax
        shown.set(source, isShown ? TextLines.of(content, contentLinesMax) : undefined)
      }
      return shown.get(source)
    },
    isIgnored: (source) => ignored.has(sources.get(source) ?? -1)
  }
}
