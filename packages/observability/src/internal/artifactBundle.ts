/**
 * Bundles of Sentry's command-line client: a zip with a manifest that names the type, the address and the debug id of each
 * file.
 */
import { isRecord, jsonOf } from "./envelope.ts"
import * as JsonShape from "./jsonShape.ts"
import { debugIdOf } from "./sourceMaps.ts"
import * as Zip from "./zip.ts"

/** A manifest has some 300 bytes per file. */
const manifestBytesMax = 4 * 1024 * 1024
/** Eight values per file: its name, type, address and headers. */
const manifestBounds = { values: 400_000, depth: 8 }
/** A script or map after decompression; larger ones are left out, and the upload says so. */
export const fileBytesMax = 48 * 1024 * 1024
/** All files of a bundle after decompression: eight times the largest upload, as text compresses. */
export const bundleBytesMax = 512 * 1024 * 1024
const debugIdsMax = 10_000

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
  /** Reads files one after another, until they have 512 MiB together. */
  readonly read: (name: string) => Promise<Buffer | Zip.Unreadable>
}

const noBundle = "The upload is no artifact bundle with a manifest.json"

const headerOf = (headers: unknown): unknown =>
  isRecord(headers)
    ? Object.entries(headers).find(([name]) => name.toLowerCase() === "debug-id")?.[1]
    : undefined

/** Reads the manifest alone. Returns why the bytes are no bundle. */
export const read = (bundle: Uint8Array): Contents | string => {
  const archive = Zip.open(bundle)
  if (archive === undefined) return `The upload is no zip of at most ${Zip.filesMax} files`
  const manifest = Zip.readSync(archive, "manifest.json", manifestBytesMax)
  if (manifest === "too-large") return `The manifest.json has more than ${manifestBytesMax} bytes`
  if (typeof manifest === "string") return noBundle
  if (JsonShape.valuesWithin(manifest, manifestBounds) === undefined) {
    return `The manifest.json has more than ${manifestBounds.values} values`
  }
  const decoded = jsonOf(manifest)
  const listed = isRecord(decoded) ? decoded["files"] : undefined
  if (!isRecord(listed)) return noBundle
  const entries = Object.entries(listed)
  const scripts = new Map<string, string>()
  const maps = new Map<string, string>()
  for (const [name, file] of entries) {
    const { headers, type } = isRecord(file) ? file : {}
    const debugId = debugIdOf(headerOf(headers))
    if (debugId === undefined) continue
    if (type === "source_map") maps.set(debugId, name)
    else if (type === "minified_source") scripts.set(debugId, name)
  }
  if (maps.size > debugIdsMax) return `The upload has source maps of more than ${debugIdsMax} debug ids`
  let left = bundleBytesMax
  return {
    parts: Array.from(maps, ([debugId, mapName]) => ({ debugId, mapName, scriptName: scripts.get(debugId) })),
    files: entries.length,
    read: async (name) => {
      const file = await Zip.read(archive, name, Math.min(fileBytesMax, left))
      left -= typeof file === "string" ? 0 : file.length
      return file
    }
  }
}
