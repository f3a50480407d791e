/**
 * The rows of a file: NDJSON or CSV with a header, plain or gzip, read as a stream. A row that cannot be read is
 * reported as such and does not end the stream.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { createReadStream, type ReadStream, statSync } from "node:fs"
import { openSync, closeSync, readSync } from "node:fs"
import { createGunzip } from "node:zlib"
import { type CommandFailed, failed } from "../CommandFailed.ts"
import { cellsOf, type Format, type Piece, recordBytesMax, RecordSplitter } from "./RecordSplitter.ts"

export type Row =
  | { readonly _tag: "Read"; readonly line: number; readonly value: Readonly<Record<string, Schema.Json>> }
  | { readonly _tag: "Refused"; readonly line: number; readonly message: string }

export interface Rows {
  readonly rows: Stream.Stream<Row, CommandFailed>
  /** Of the file as it lies on the disk. */
  readonly bytes: number
  readonly modifiedMillis: number
  readonly bytesRead: () => number
}

const gzipMagic = [0x1f, 0x8b]

const isGzip = (file: string): boolean => {
  const descriptor = openSync(file, "r")
  const head = Buffer.alloc(2)
  readSync(descriptor, head, 0, 2, 0)
  closeSync(descriptor)
  return head[0] === gzipMagic[0] && head[1] === gzipMagic[1]
}

/** By the name without `.gz`; NDJSON unless it says CSV. */
export const formatOf = (file: string): Format => (/\.csv(\.gz)?$/i.test(file) ? "csv" : "ndjson")

const decodeObject = Schema.decodeUnknownOption(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Json))
)

const textOf = ({ bytes, line }: Piece): { readonly text: string } | Row => {
  if (bytes === undefined) {
    return { _tag: "Refused", line, message: `longer than ${recordBytesMax} bytes` }
  }
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    return { text: text.endsWith("\r") ? text.slice(0, -1) : text }
  } catch {
    return { _tag: "Refused", line, message: "not UTF-8" }
  }
}

const rowsOf = (format: Format) => {
  let header: ReadonlyArray<string> | undefined
  return (piece: Piece): ReadonlyArray<Row> => {
    const { line } = piece
    const read = textOf(piece)
    if ("_tag" in read) return [read]
    const { text } = read
    if (text.trim() === "") return []
    if (format === "ndjson") {
      const value = decodeObject(text)
      return value._tag === "Some"
        ? [{ _tag: "Read", line, value: value.value }]
        : [{ _tag: "Refused", line, message: "not a JSON object" }]
    }
    const cells = cellsOf(text)
    if (cells === undefined) return [{ _tag: "Refused", line, message: "the quotes do not fit" }]
    if (header === undefined) {
      header = cells.map((cell) => cell.trim())
      return []
    }
    const names = header
    if (cells.length !== names.length) {
      return [{ _tag: "Refused", line, message: `${cells.length} cells, and the header has ${names.length}` }]
    }
    return [
      { _tag: "Read", line, value: Object.fromEntries(names.map((name, at) => [name, cells[at] ?? ""])) }
    ]
  }
}

const cannotRead = (file: string) => (error: unknown) =>
  failed(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`)

/** Opens a file; nothing of it is read before the rows are. */
export const open = (file: string, format: Format): Effect.Effect<Rows, CommandFailed> =>
  Effect.try({
    try: () => {
      const { mtimeMs, size } = statSync(file)
      const zipped = isGzip(file)
      let source: ReadStream | undefined
      const chunks = async function* (): AsyncGenerator<Buffer> {
        source = createReadStream(file)
        const bytes = zipped ? source.pipe(createGunzip()) : source
        source.once("error", (error) => bytes.destroy(error))
        for await (const chunk of bytes) yield chunk
      }
      const splitter = new RecordSplitter(format)
      const toRows = rowsOf(format)
      const rows = Stream.fromAsyncIterable(chunks(), cannotRead(file)).pipe(
        Stream.map((chunk) => splitter.push(chunk)),
        Stream.concat(Stream.suspend(() => Stream.succeed(splitter.end()))),
        Stream.flatMap((pieces) => Stream.fromIterable(pieces.flatMap(toRows)))
      )
      return {
        rows,
        bytes: size,
        modifiedMillis: Math.round(mtimeMs),
        bytesRead: () => source?.bytesRead ?? 0
      }
    },
    catch: cannotRead(file)
  })
