/**
 * Translates the frames of minified scripts into those of their sources, by the maps that a build uploaded. Pure: the maps
 * are given.
 */
import type * as Schema from "effect/Schema"
import { isRecord } from "./envelope.ts"
import type { SourceMap } from "./sourceMapFile.ts"

type Fields = Readonly<Record<string, Schema.Json>>

const fieldsOf = (value: Schema.Json | undefined): Fields => (isRecord(value) ? value : {})

const listOf = (value: Schema.Json | undefined): ReadonlyArray<Schema.Json> =>
  Array.isArray(value) ? value : []

/** Lines of source around the one that failed. */
const contextLines = 5
const contextLengthMax = 200
/** A script names more parts than any event has frames. */
const imagesMax = 200
/** A declaration is looked for in the lines above its use, of a script that was not put on one line. */
const declarationLinesMax = 200
/** Characters before the place: a declaration further away is rarely that of the function that failed. */
const declarationLengthMax = 262_144
/** Places with the name that are looked at: a script may consist of nothing else. */
const declarationTriesMax = 5_000

const debugIdPattern = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/

/** Returns a debug id in lower case and with dashes; undefined for one that is none. */
export const debugIdOf = (value: unknown): string | undefined => {
  if (typeof value !== "string") return undefined
  const hex = value.toLowerCase().replaceAll("-", "").slice(0, 32)
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
  return debugIdPattern.test(id) ? id : undefined
}

/** The debug ids of the scripts that an event names, by their address. */
const imagesOf = (event: Fields): ReadonlyMap<string, string> => {
  const images = listOf(fieldsOf(event["debug_meta"])["images"]).slice(0, imagesMax)
  return new Map(
    images.flatMap((value): ReadonlyArray<[string, string]> => {
      const { code_file: file, debug_id: id, type } = fieldsOf(value)
      const debugId = debugIdOf(id)
      return type === "sourcemap" && typeof file === "string" && debugId !== undefined
        ? [[file, debugId]]
        : []
    })
  )
}

const imageOf = (frame: Fields, images: ReadonlyMap<string, string>): string | undefined => {
  for (const path of [frame["abs_path"], frame["filename"]]) {
    const debugId = typeof path === "string" ? images.get(path) : undefined
    if (debugId !== undefined) return debugId
  }
  return undefined
}

/** Applies a change to the frames of every stack of an event. */
const mapStacks = (
  event: Fields,
  change: (frames: ReadonlyArray<Schema.Json>) => ReadonlyArray<Schema.Json>
): Fields => {
  const ofStack = (value: Schema.Json | undefined): Schema.Json => {
    const stack = fieldsOf(value)
    return { ...stack, frames: change(listOf(stack["frames"])) }
  }
  const ofHolder = (value: Schema.Json): Schema.Json => {
    const holder = fieldsOf(value)
    return isRecord(holder["stacktrace"]) ? { ...holder, stacktrace: ofStack(holder["stacktrace"]) } : value
  }
  const ofHolders = (value: Schema.Json): Schema.Json =>
    Array.isArray(value)
      ? value.map(ofHolder)
      : { ...fieldsOf(value), values: listOf(fieldsOf(value)["values"]).map(ofHolder) }
  const { exception, stacktrace, threads } = event
  return {
    ...event,
    ...(exception === undefined || exception === null ? {} : { exception: ofHolders(exception) }),
    ...(threads === undefined || threads === null ? {} : { threads: ofHolders(threads) }),
    ...(isRecord(stacktrace) ? { stacktrace: ofStack(stacktrace) } : {})
  }
}

/** Returns the debug ids of the frames that are not translated. */
export const wantedOf = (event: Fields): ReadonlyArray<string> => {
  const images = imagesOf(event)
  if (images.size === 0) return []
  const wanted = new Set<string>()
  mapStacks(event, (frames) => {
    for (const frame of frames) {
      const debugId = imageOf(fieldsOf(frame), images)
      if (debugId !== undefined) wanted.add(debugId)
    }
    return frames
  })
  return Array.from(wanted)
}

interface Place {
  /** From 1, as stacks count. */
  readonly line: number
  readonly column: number
}

const placeOf = (frame: Fields): Place | undefined => {
  const { colno: column, lineno: line } = frame
  return typeof line === "number" && typeof column === "number" && line >= 1 && column >= 1
    ? { line, column }
    : undefined
}

const originalOf = (source: SourceMap, { column, line }: Place) => source.original(line, column - 1)

const identifier = /[\p{ID_Start}$_][\p{ID_Continue}$]*/uy

/** The identifier of a script that begins at a place. */
const wordAt = ({ script }: SourceMap, { column, line }: Place): string | undefined => {
  identifier.lastIndex = column - 1
  return identifier.exec(script?.at(line - 1) ?? "")?.[0]
}

/** `n.pay`, `async t`, `new n` and `Object.t [as u]`: the last name. */
const bareOf = (name: string): string =>
  name
    .replace(/\s*\[as [^\]]*\]$/, "")
    .replace(/^(?:async |new )+/, "")
    .split(".")
    .at(-1) ?? ""

/** The forms of what follows the name of a function where it is declared. */
const declared = /^(?:\(|=(?:async\b|function\b|\(|[\p{ID_Start}$_][\p{ID_Continue}$]*=>|class\b))/u
const wordEnd = /[\p{ID_Continue}$]$/u

/** The place of the nearest declaration of a name before a place of a script. */
const declarationOf = ({ script }: SourceMap, name: string, place: Place): Place | undefined => {
  if (script === undefined || name === "" || place.line > script.count) return undefined
  let left = declarationLengthMax
  let tries = declarationTriesMax
  for (let line = place.line; line >= 1 && line > place.line - declarationLinesMax && left > 0; line--) {
    const whole = script.at(line - 1) ?? ""
    const end = line === place.line ? Math.min(place.column - 1, whole.length) : whole.length
    // The names that follow begin before the end and go on after it.
    const skipped = Math.max(0, end - left)
    const text = whole.slice(skipped, end + name.length + 64)
    left -= end - skipped + 1
    let at = text.lastIndexOf(name, end - skipped)
    while (at >= 0) {
      if (tries-- <= 0) return undefined
      const before = text.slice(Math.max(0, at - 10), at)
      const rest = text.slice(at + name.length, at + name.length + 64)
      const isCall = rest.startsWith("(") && !/(?:function\*? ?|[{};,]|\bget |\bset |\basync )$/.test(before)
      if (!wordEnd.test(before.slice(-1)) && declared.test(rest) && !isCall)
        return { line, column: skipped + at + 1 }
      at = at === 0 ? -1 : text.lastIndexOf(name, at - 1)
    }
  }
  return undefined
}

/**
 * The name of a function in its source: where it is declared, else where its caller calls it. A name that the build did not
 * change has no entry in the map.
 */
const nameOf = (
  source: SourceMap,
  frame: Fields,
  place: Place,
  caller: { readonly source: SourceMap; readonly place: Place } | undefined
): string | undefined => {
  const minified = frame["function"]
  if (typeof minified !== "string") return undefined
  const bare = bareOf(minified)
  const declaration = declarationOf(source, bare, place)
  if (declaration !== undefined) return originalOf(source, declaration)?.name ?? bare
  if (caller === undefined) return undefined
  const isCalled = caller.source.script === undefined || wordAt(caller.source, caller.place) === bare
  return isCalled ? originalOf(caller.source, caller.place)?.name : undefined
}

/** `webpack://shop/./src/cart.ts` and `../../src/cart.ts` are both `src/cart.ts`. */
const pathOf = (source: string): string =>
  source
    .replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*\//i, "")
    .replace(/^(?:\.{1,2}\/)+/, "")
    .replace(/\?.*$/, "")

const contextOf = (map: SourceMap, source: string, line: number, scrub: (text: string) => string): Fields => {
  const lines = map.linesOf(source)
  const shown = (first: number, last: number): ReadonlyArray<string> => {
    const texts: Array<string> = []
    for (let index = Math.max(0, first); index < last; index++) {
      const text = lines?.at(index)
      if (text !== undefined) texts.push(scrub(text.slice(0, contextLengthMax)))
    }
    return texts
  }
  return {
    context_line: shown(line - 1, line)[0] ?? null,
    pre_context: shown(line - 1 - contextLines, line - 1),
    post_context: shown(line, line + contextLines)
  }
}

/** Returns the event with the frames translated for which there is a map. */
export const translate = (
  event: Fields,
  sourceMapOf: (debugId: string) => SourceMap | undefined,
  scrub: (text: string) => string
): Fields => {
  const images = imagesOf(event)
  return mapStacks(event, (frames) => {
    const sources = frames.map((value) => {
      const frame = fieldsOf(value)
      const debugId = imageOf(frame, images)
      const source = debugId === undefined ? undefined : sourceMapOf(debugId)
      const place = placeOf(frame)
      return source === undefined || place === undefined ? undefined : { source, place, debugId }
    })
    return frames.map((value, index): Schema.Json => {
      const found = sources[index]
      if (found === undefined) return value
      const frame = fieldsOf(value)
      const { place, source } = found
      const original = originalOf(source, place)
      if (original === undefined) return value
      const path = pathOf(original.source)
      const name = nameOf(source, frame, place, sources[index - 1])
      const isOwn = !/(?:^|\/)node_modules\//.test(original.source) && !source.isIgnored(original.source)
      const { module: _, ...rest } = frame
      return {
        ...rest,
        function: name ?? "?",
        filename: path,
        abs_path: path,
        lineno: original.line,
        colno: original.column + 1,
        in_app: isOwn && frame["in_app"] !== false,
        ...contextOf(source, original.source, original.line, scrub),
        data: {
          ...fieldsOf(frame["data"]),
          debug_id: found.debugId ?? null,
          minified: {
            function: frame["function"] ?? null,
            abs_path: frame["abs_path"] ?? frame["filename"] ?? null,
            lineno: place.line,
            colno: place.column
          }
        }
      }
    })
  })
}
