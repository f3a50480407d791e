/**
 * Sends the rows of a file in batches, several in flight, and continues after an interruption where it stopped. Until the
 * file is done, `<file>.import.json` beside it has the last line that was sent. A batch that was in flight is sent
 * again: its receiver must be idempotent. Rows that are refused are named with their lines, and the others are kept.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { CommandFailed } from "../CommandFailed.ts"
import { Progress } from "../quickstart/Progress.ts"
import type { Format } from "./RecordSplitter.ts"
import * as Rows from "./Rows.ts"

/** An item with the line it came from. */
export interface Item<A> {
  readonly line: number
  readonly item: A
}

export interface Refusal {
  readonly line: number
  readonly message: string
}

export interface Summary {
  /** Rows of the file that were read, without those that an earlier run had sent. */
  readonly rows: number
  readonly sent: number
  readonly refused: number
  /** The first lines that were refused. */
  readonly refusals: ReadonlyArray<Refusal>
  /** The line an earlier run had come to; 0 when this one began the file. */
  readonly resumedAfterLine: number
}

const Kept = Schema.fromJsonString(
  Schema.Struct({
    target: Schema.String,
    bytes: Schema.Int,
    modifiedMillis: Schema.Int,
    line: Schema.Int
  })
)

const batchesInFlight = 4
/** Refusals that are printed and reported; the rest is counted. */
const refusalsMax = 100
/** Batches between two writings of the progress file. */
const keepEvery = 10

export const run = Effect.fn("Import.run")(function* <A, R>(options: {
  readonly file: string
  readonly format: Format
  /** Source and target of the import: a progress file of another target is ignored. */
  readonly target: string
  readonly label: string
  readonly batchMax: number
  /** Begin at the first line, whatever an earlier run has sent. */
  readonly restart: boolean
  readonly decode: (value: Readonly<Record<string, Schema.Json>>) => Result.Result<A, string>
  /** Returns the items that were refused; the others have been accepted. */
  readonly send: (items: ReadonlyArray<Item<A>>) => Effect.Effect<ReadonlyArray<Refusal>, CommandFailed, R>
}): Effect.fn.Return<Summary, CommandFailed, R | FileSystem.FileSystem | Progress> {
  const fs = yield* FileSystem.FileSystem
  const progress = yield* Progress
  const source = yield* Rows.open(options.file, options.format)
  const identity = { target: options.target, bytes: source.bytes, modifiedMillis: source.modifiedMillis }
  const keptFile = `${options.file}.import.json`

  const kept = yield* fs
    .readFileString(keptFile)
    .pipe(
      Effect.flatMap(Schema.decodeEffect(Kept)),
      Effect.option,
      Effect.map(
        Option.filter(
          (one) =>
            !options.restart &&
            one.target === identity.target &&
            one.bytes === identity.bytes &&
            one.modifiedMillis === identity.modifiedMillis
        )
      )
    )
  const resumedAfterLine = Option.match(kept, { onNone: () => 0, onSome: ({ line }) => line })

  /** Whole or not at all; a folder that cannot be written costs the resumption and nothing else. */
  const keep = (line: number) =>
    Schema.encodeEffect(Kept)({ ...identity, line }).pipe(
      Effect.flatMap((text) => fs.writeFileString(`${keptFile}.new`, text)),
      Effect.andThen(fs.rename(`${keptFile}.new`, keptFile)),
      Effect.ignore
    )

  let rows = 0
  let sent = 0
  let refused = 0
  let batches = 0
  const refusals: Array<Refusal> = []
  const refuse = (all: ReadonlyArray<Refusal>) =>
    Effect.forEach(
      all,
      ({ line, message }) => {
        refused++
        if (refusals.length >= refusalsMax) return Effect.void
        refusals.push({ line, message })
        return Effect.andThen(
          progress.done,
          Effect.sync(() => void process.stderr.write(`line ${line}: ${message}\n`))
        )
      },
      { discard: true }
    )

  const sendBatch = Effect.fnUntraced(function* (batch: ReadonlyArray<Rows.Row>) {
    const items: Array<Item<A>> = []
    const unread: Array<Refusal> = []
    for (const row of batch) {
      if (row._tag === "Refused") unread.push(row)
      else {
        const decoded = options.decode(row.value)
        if (Result.isSuccess(decoded)) items.push({ line: row.line, item: decoded.success })
        else unread.push({ line: row.line, message: decoded.failure })
      }
    }
    const refusedItems = items.length === 0 ? [] : yield* options.send(items)
    return {
      rows: batch.length,
      sent: items.length - refusedItems.length,
      refusals: [...unread, ...refusedItems].toSorted((a, b) => a.line - b.line),
      line: batch.at(-1)?.line ?? 0
    }
  })

  const kilobytes = (bytes: number) => Math.round(bytes / 1024)
  yield* source.rows.pipe(
    Stream.filter(({ line }) => line > resumedAfterLine),
    Stream.grouped(options.batchMax),
    Stream.mapEffect(sendBatch, { concurrency: batchesInFlight }),
    // In the order of the file: the line that is kept is behind everything that was sent.
    Stream.runForEach((done) =>
      Effect.gen(function* () {
        rows += done.rows
        sent += done.sent
        yield* refuse(done.refusals)
        if (++batches % keepEvery === 0) yield* keep(done.line)
        yield* progress.bar(`${options.label}, kB`, kilobytes(source.bytesRead()), kilobytes(source.bytes))
      })
    )
  )
  yield* progress.done
  yield* Effect.ignore(fs.remove(keptFile))
  return { rows, sent, refused, refusals, resumedAfterLine }
})
