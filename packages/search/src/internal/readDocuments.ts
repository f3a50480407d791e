/**
 * Documents of versions that were read for a page, by version and ordinal. A version's documents never change, so none of
 * them goes stale: a page that is here needs no statement beside the look.
 */
import type { Fields } from "./indexed.ts"

export interface ReadDocument {
  readonly id: string
  readonly fields: Fields
}

interface Entry extends ReadDocument {
  readonly bytes: number
}

/** Maximum memory of the documents kept: the pages of the commonest queries. The least recently read are dropped. */
export const readBytesMax = 32 * 1024 * 1024
/** A guess at what an object costs beside two bytes per character of its JSON. */
const entryBytes = 400

export class ReadDocuments {
  private readonly bytesMax: number
  private readonly entries = new Map<string, Entry>()
  private bytes = 0

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax
  }

  get(version: string, ordinal: number): ReadDocument | undefined {
    const key = `${version}/${ordinal}`
    const entry = this.entries.get(key)
    if (entry === undefined) return undefined
    // A map keeps the order of insertion: the first entry is the least recently read one.
    this.entries.delete(key)
    this.entries.set(key, entry)
    return entry
  }

  add(version: string, ordinal: number, { fields, id }: ReadDocument): void {
    const key = `${version}/${ordinal}`
    if (this.entries.has(key) || this.bytesMax === 0) return
    const entry = { id, fields, bytes: entryBytes + JSON.stringify(fields).length * 2 }
    this.entries.set(key, entry)
    this.bytes += entry.bytes
    for (const [oldest, { bytes }] of this.entries) {
      if (this.bytes <= this.bytesMax) return
      this.entries.delete(oldest)
      this.bytes -= bytes
    }
  }
}
