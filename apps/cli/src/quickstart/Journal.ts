/**
 * The answers of the replayed searches, in `<data dir>/replay.ndjson`: written and synced before the facts that carry it are
 * posted. So a replay that was killed, or is run again, tells the same facts and makes no search twice.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { failed } from "../CommandFailed.ts"

/** One search, made once. */
export const Entry = Schema.Struct({
  orderId: Schema.String,
  queryId: Schema.String,
  /** Documents found, on all pages. */
  found: Schema.Int,
  /** Of the wanted product among the hits, from 1. */
  position: Schema.NullOr(Schema.Int),
  /** From the request to the whole answer, as the client saw it. */
  millis: Schema.Finite
})

export type Entry = typeof Entry.Type

const decodeLine = Schema.decodeEffect(Schema.fromJsonString(Entry))
const encodeLine = Schema.encodeSync(Schema.fromJsonString(Entry))

const ownerOnly = 0o600

const refuse = (file: string) => (error: { readonly message: string }) =>
  failed(`Cannot keep what was replayed in ${file}: ${error.message}`)

/** Opens the journal, and cuts off a last line that a kill left unfinished. */
export const open = Effect.fn("Journal.open")(function* (file: string) {
  const fs = yield* FileSystem.FileSystem
  const entries = new Map<string, Entry>()
  const read = Effect.gen(function* () {
    if (!(yield* fs.exists(file))) return
    const text = yield* fs.readFileString(file)
    const whole = text.slice(0, text.lastIndexOf("\n") + 1)
    if (whole.length < text.length) yield* fs.truncate(file, Buffer.byteLength(whole))
    for (const line of whole.split("\n")) {
      if (line === "") continue
      const entry = yield* decodeLine(line)
      entries.set(entry.orderId, entry)
    }
  })
  yield* read.pipe(Effect.mapError(refuse(file)))
  const handle = yield* fs.open(file, { flag: "a", mode: ownerOnly }).pipe(Effect.mapError(refuse(file)))

  const append = Effect.fn("Journal.append")(function* (added: ReadonlyArray<Entry>) {
    if (added.length === 0) return
    const text = added.map((entry) => `${encodeLine(entry)}\n`).join("")
    yield* handle
      .writeAll(new TextEncoder().encode(text))
      .pipe(Effect.andThen(handle.sync), Effect.mapError(refuse(file)))
    for (const entry of added) entries.set(entry.orderId, entry)
  })

  return { entries: entries as ReadonlyMap<string, Entry>, append }
})

export type Journal = Effect.Success<ReturnType<typeof open>>
