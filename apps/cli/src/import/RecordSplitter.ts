/**
 * Cuts a stream of bytes into records, each with the number of the line it begins on. A line ends with LF and nothing
 * else: U+2028 is a character of a text like any other. A quoted field of CSV may hold line breaks.
 */

/** A document of a service of ours has at most 100 kB; nothing of this size is a row. */
export const recordBytesMax = 1024 * 1024

export type Format = "ndjson" | "csv"

export interface Piece {
  /** From 1. */
  readonly line: number
  /** Undefined for a record that is too long: it was skipped. */
  readonly bytes: Buffer | undefined
}

const lf = 0x0a
const quote = 0x22

export class RecordSplitter {
  private readonly format: Format
  private held: Array<Buffer> = []
  private heldBytes = 0
  private line = 1
  private linesHeld = 0
  private isQuoted = false
  private isTooLong = false

  constructor(format: Format) {
    this.format = format
  }

  push(chunk: Buffer): ReadonlyArray<Piece> {
    const pieces: Array<Piece> = []
    let start = 0
    for (let at = this.nextEnd(chunk, 0); at !== -1; at = this.nextEnd(chunk, start)) {
      this.hold(chunk.subarray(start, at))
      pieces.push(this.take())
      start = at + 1
    }
    this.hold(chunk.subarray(start))
    return pieces
  }

  end(): ReadonlyArray<Piece> {
    return this.heldBytes === 0 ? [] : [this.take()]
  }

  /** Where the record that is being read ends in the chunk: at a line break outside of quotes. */
  private nextEnd(chunk: Buffer, from: number): number {
    if (this.format === "ndjson") return chunk.indexOf(lf, from)
    for (let at = from; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte === quote) this.isQuoted = !this.isQuoted
      else if (byte === lf) {
        // A quote that is never closed would take the rest of the file with it.
        if (!this.isQuoted || this.heldBytes + at - from > recordBytesMax) return at
        this.linesHeld++
      }
    }
    return -1
  }

  private hold(part: Buffer): void {
    this.heldBytes += part.length
    if (this.heldBytes > recordBytesMax) {
      this.isTooLong = true
      this.held = []
    } else if (part.length > 0) this.held.push(part)
  }

  private take(): Piece {
    const { line } = this
    const bytes = this.isTooLong ? undefined : Buffer.concat(this.held)
    this.line += 1 + this.linesHeld
    this.linesHeld = 0
    this.held = []
    this.heldBytes = 0
    this.isQuoted = false
    this.isTooLong = false
    return { line, bytes }
  }
}

/** The cells of one record of CSV (RFC 4180); undefined when its quotes do not fit. */
export const cellsOf = (text: string): ReadonlyArray<string> | undefined => {
  const cells: Array<string> = []
  let at = 0
  for (;;) {
    if (text[at] === '"') {
      let cell = ""
      let from = at + 1
      for (;;) {
        const end = text.indexOf('"', from)
        if (end === -1) return undefined
        cell += text.slice(from, end)
        at = end + 1
        if (text[at] !== '"') break
        cell += '"'
        from = at + 1
      }
      if (at < text.length && text[at] !== ",") return undefined
      cells.push(cell)
    } else {
      const comma = text.indexOf(",", at)
      const end = comma === -1 ? text.length : comma
      const cell = text.slice(at, end)
      if (cell.includes('"')) return undefined
      cells.push(cell)
      at = end
    }
    if (at >= text.length) return cells
    at++
  }
}
