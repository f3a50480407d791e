/** Zip archives that no client writes: their parts are put together by hand. */
import { crc32, deflateRawSync } from "node:zlib"
import { idOf, manifestOf } from "./uploads.ts"

const uint16 = (value: number): Buffer => {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16LE(value)
  return bytes
}
const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value >>> 0)
  return bytes
}

const nothing = (count: number): Buffer => Buffer.alloc(count)

interface Written {
  readonly name: string
  readonly packed: Buffer
  readonly bytes: number
  readonly checksum: number
  readonly at: number
}

const entryOf = ({ at, bytes, checksum, name, packed }: Written): Buffer =>
  Buffer.concat([
    Buffer.from("504b0102", "hex"),
    nothing(6),
    uint16(8),
    nothing(4),
    uint32(checksum),
    uint32(packed.length),
    uint32(bytes),
    uint16(name.length),
    nothing(12),
    uint32(at),
    Buffer.from(name)
  ])

const fileOf = ({ bytes, checksum, packed }: Omit<Written, "at" | "name">): Buffer =>
  Buffer.concat([
    Buffer.from("504b0304", "hex"),
    nothing(4),
    uint16(8),
    nothing(4),
    uint32(checksum),
    uint32(packed.length),
    uint32(bytes),
    nothing(4),
    packed
  ])

const archiveOf = (files: ReadonlyArray<Buffer>, entries: ReadonlyArray<Written>): Buffer => {
  const body = Buffer.concat(files)
  const directory = Buffer.concat(entries.map(entryOf))
  return Buffer.concat([
    body,
    directory,
    Buffer.from("504b0506", "hex"),
    nothing(4),
    uint16(entries.length),
    uint16(entries.length),
    uint32(directory.length),
    uint32(body.length),
    nothing(2)
  ])
}

const packedOf = (content: Uint8Array) => ({
  packed: deflateRawSync(content),
  bytes: content.length,
  checksum: crc32(content)
})

/** An archive of a manifest alone. */
export const manifestZip = (manifest: string): Buffer => {
  const written = packedOf(Buffer.from(manifest))
  return archiveOf([fileOf(written)], [{ ...written, name: "manifest.json", at: 0 }])
}

/** An archive whose files are the same bytes. */
export const overlapping = (names: ReadonlyArray<string>, content: Uint8Array): Buffer => {
  const manifest = packedOf(
    Buffer.from(manifestOf(names.map((name, index) => ({ name, type: "source_map", debugId: idOf(index) }))))
  )
  const shared = packedOf(content)
  const first = fileOf(manifest)
  return archiveOf(
    [first, fileOf(shared)],
    [
      { ...manifest, name: "manifest.json", at: 0 },
      ...names.map((name) => ({ ...shared, name, at: first.length }))
    ]
  )
}

/** An archive behind other bytes, its places moved. */
export const prefixed = (prefix: Buffer, zip: Buffer): Buffer => {
  const moved = Buffer.from(zip)
  const end = moved.lastIndexOf(Buffer.from("504b0506", "hex"))
  const start = moved.readUInt32LE(end + 16)
  for (let at = start; at < end;) {
    moved.writeUInt32LE(moved.readUInt32LE(at + 42) + prefix.length, at + 42)
    at += 46 + moved.readUInt16LE(at + 28) + moved.readUInt16LE(at + 30) + moved.readUInt16LE(at + 32)
  }
  moved.writeUInt32LE(start + prefix.length, end + 16)
  return Buffer.concat([prefix, moved])
}
