/**
 * Bundles of Sentry's command-line client: a zip with a manifest that names the type, the address and the debug id of each
 * file.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { unzipSync } from "fflate"
import { debugIdOf } from "./sourceMaps.ts"

/** A manifest has a few hundred bytes per file. */
const manifestBytesMax = 8 * 1024 * 1024
/** A script or map after decompression; larger ones are left out. */
const fileBytesMax = 48 * 1024 * 1024
const filesMax = 10_000

const Manifest = Schema.Struct({
  files: Schema.Record(
    Schema.String,
    Schema.Struct({
      type: Schema.optionalKey(Schema.String),
      url: Schema.optionalKey(Schema.String),
      headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
    })
  )
})
const decodeManifest = Schema.decodeUnknownOption(Schema.fromJsonString(Manifest))

/** The files of one debug id. */
export interface Part {
  readonly debugId: string
  readonly mapName: string
  readonly scriptName: string | undefined
}

export interface Contents {
  readonly parts: ReadonlyArray<Part>
  /** Files of any type, for the answer to an upload without a debug id. */
  readonly files: number
}

/** Reads one file. Undefined when there is none, or when it is too large or broken. */
export const readFile = (
  bundle: Uint8Array,
  name: string,
  bytesMax = fileBytesMax
): Uint8Array | undefined => {
  try {
    return unzipSync(bundle, {
      filter: (file) => file.name === name && file.originalSize <= bytesMax
    })[name]
  } catch {
    return undefined
  }
}

/** Reads the manifest alone. Undefined when the bytes are no bundle. */
export const read = (bundle: Uint8Array): Contents | undefined => {
  const manifest = readFile(bundle, "manifest.json", manifestBytesMax)
  if (manifest === undefined) return undefined
  const decoded = Option.getOrUndefined(decodeManifest(new TextDecoder().decode(manifest)))
  if (decoded === undefined) return undefined
  const entries = Object.entries(decoded.files)
  const scripts = new Map<string, string>()
  const maps = new Map<string, string>()
  for (const [name, { headers = {}, type }] of entries.slice(0, filesMax)) {
    const header = Object.entries(headers).find(([key]) => key.toLowerCase() === "debug-id")?.[1]
    const debugId = debugIdOf(header)
    if (debugId === undefined) continue
    if (type === "source_map") maps.set(debugId, name)
    else if (type === "minified_source") scripts.set(debugId, name)
  }
  return {
    parts: Array.from(maps, ([debugId, mapName]) => ({ debugId, mapName, scriptName: scripts.get(debugId) })),
    files: entries.length
  }
}
