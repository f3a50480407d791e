/**
 * Zip archives in memory. The directory is read once and within bounds, and a file is inflated to the size that the directory
 * states and never beyond.
 *
 * Source: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import { promisify } from "node:util"
import { crc32, inflateRaw, inflateRawSync } from "node:zlib"

/** Files of an archive: a script and a map for each of 10,000 debug ids, and the manifest. */
export const filesMax = 20_001
const directoryBytesMax = 8 * 1024 * 1024
const nameBytesMax = 4_096

const endSignature = 0x06054b50
const entrySignature = 0x02014b50
const fileSignature = 0x04034b50
const endBytes = 22
const entryBytes = 46
const fileBytes = 30
const commentBytesMax = 65_535

const stored = 0
const deflated = 8

interface Entry {
  readonly method: number
  readonly checksum: number
  readonly packedBytes: number
  readonly bytes: number
  readonly at: number
}

/** An archive whose directory has been read. */
export interface Archive {
  readonly buffer: Buffer
  readonly entries: ReadonlyMap<string, Entry>
}

/** Why a file of an archive cannot be read. */
export type Unreadable = "missing" | "too-large" | "broken"

/** The place of the record that ends an archive. A comment may follow it. */
const endOf = (buffer: Buffer): number => {
  const first = Math.max(0, buffer.length - endBytes - commentBytesMax)
  for (let at = buffer.length - endBytes; at >= first; at--) {
    if (buffer.readUInt32LE(at) === endSignature) return at
  }
  return -1
}

/** Reads the directory. Undefined when the bytes are no archive, or when it has too many files. */
export const open = (bytes: Uint8Array): Archive | undefined => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = endOf(buffer)
  if (end < 0) return undefined
  const files = buffer.readUInt16LE(end + 10)
  const directoryBytes = buffer.readUInt32LE(end + 12)
  const start = buffer.readUInt32LE(end + 16)
  // An archive of at most 64 MiB needs none of the 64-bit records.
  if (files > filesMax || directoryBytes > directoryBytesMax || start + directoryBytes > end) return undefined
  const entries = new Map<string, Entry>()
  let at = start
  for (let index = 0; index < files; index++) {
    if (at + entryBytes > start + directoryBytes || buffer.readUInt32LE(at) !== entrySignature)
      return undefined
    const nameBytes = buffer.readUInt16LE(at + 28)
    const next = at + entryBytes + nameBytes + buffer.readUInt16LE(at + 30) + buffer.readUInt16LE(at + 32)
    if (nameBytes > nameBytesMax || next > start + directoryBytes) return undefined
    const isEncrypted = (buffer.readUInt16LE(at + 8) & 1) === 1
    if (!isEncrypted) {
      entries.set(buffer.toString("utf8", at + entryBytes, at + entryBytes + nameBytes), {
        method: buffer.readUInt16LE(at + 10),
        checksum: buffer.readUInt32LE(at + 16),
        packedBytes: buffer.readUInt32LE(at + 20),
        bytes: buffer.readUInt32LE(at + 24),
        at: buffer.readUInt32LE(at + 42)
      })
    }
    at = next
  }
  return { buffer, entries }
}

interface Packed {
  readonly entry: Entry
  readonly bytes: Buffer
}

const packedOf = ({ buffer, entries }: Archive, name: string, bytesMax: number): Packed | Unreadable => {
  const entry = entries.get(name)
  if (entry === undefined) return "missing"
  if (entry.bytes > bytesMax) return "too-large"
  if (entry.at + fileBytes > buffer.length || buffer.readUInt32LE(entry.at) !== fileSignature) return "broken"
  const start = entry.at + fileBytes + buffer.readUInt16LE(entry.at + 26) + buffer.readUInt16LE(entry.at + 28)
  const end = start + entry.packedBytes
  if (end > buffer.length) return "broken"
  return { entry, bytes: buffer.subarray(start, end) }
}

const checked = ({ entry }: Packed, bytes: Buffer): Buffer | Unreadable =>
  bytes.length === entry.bytes && crc32(bytes) === entry.checksum ? bytes : "broken"

const inflated = promisify(inflateRaw)

/** A length of 0 is no limit for zlib. */
const optionsOf = ({ entry }: Packed) => ({ maxOutputLength: Math.max(1, entry.bytes) })

/** Reads a small file at once. */
export const readSync = (archive: Archive, name: string, bytesMax: number): Buffer | Unreadable => {
  const packed = packedOf(archive, name, bytesMax)
  if (typeof packed === "string") return packed
  if (packed.entry.method === stored) return checked(packed, packed.bytes)
  if (packed.entry.method !== deflated) return "broken"
  try {
    return checked(packed, inflateRawSync(packed.bytes, optionsOf(packed)))
  } catch {
    return "broken"
  }
}

/** Reads a file, inflating it beside the event loop. */
export const read = async (
  archive: Archive,
  name: string,
  bytesMax: number
): Promise<Buffer | Unreadable> => {
  const packed = packedOf(archive, name, bytesMax)
  if (typeof packed === "string") return packed
  if (packed.entry.method === stored) return checked(packed, packed.bytes)
  if (packed.entry.method !== deflated) return "broken"
  try {
    return checked(packed, await inflated(packed.bytes, optionsOf(packed)))
  } catch {
    return "broken"
  }
}
