/**
 * The folder of the quickstart's mail server: one file per message, as it came over the wire, named by its Message-ID.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import { failed } from "./CommandFailed.ts"

/** Kept messages; the oldest go. */
const messagesMax = 1_000
const suffix = ".eml"
const ownerOnly = 0o600

export const folderOf = (dataDirectory: string) =>
  Effect.map(Path.Path, (path) => path.join(dataDirectory, "mail"))

export interface Entry {
  readonly id: string
  readonly receivedAt: Date
}

/** Returns the names of the messages and when they came, the newest first. */
export const list = Effect.fn("Mailbox.list")(function* (folder: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const names = yield* fs.readDirectory(folder).pipe(Effect.orElseSucceed((): Array<string> => []))
  const entries = yield* Effect.forEach(
    names.filter((name) => name.endsWith(suffix)),
    (name) =>
      fs.stat(path.join(folder, name)).pipe(
        Effect.map(({ mtime }): Entry => ({
          id: name.slice(0, -suffix.length),
          receivedAt: Option.getOrElse(mtime, () => new Date(0))
        })),
        // Removed meanwhile, to make room.
        Effect.option
      )
  )
  return entries
    .flatMap((entry) => (Option.isSome(entry) ? [entry.value] : []))
    .toSorted((one, other) => other.receivedAt.getTime() - one.receivedAt.getTime())
})

/** Returns a message as it came. */
export const read = Effect.fn("Mailbox.read")(function* (folder: string, id: string) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  return yield* fs
    .readFileString(path.join(folder, `${id}${suffix}`))
    .pipe(Effect.mapError(() => failed(`No message ${id} is in ${folder}`)))
})

/** Keeps a message, and removes the oldest beyond the bound. */
export const keep = Effect.fn("Mailbox.keep")(function* (folder: string, id: string, message: Uint8Array) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  yield* fs.makeDirectory(folder, { recursive: true })
  const file = path.join(folder, `${id}${suffix}`)
  // Written whole or not at all: what is there was received.
  yield* fs.writeFile(`${file}.new`, message, { mode: ownerOnly })
  yield* fs.rename(`${file}.new`, file)
  const entries = yield* list(folder)
  yield* Effect.forEach(
    entries.slice(messagesMax),
    (entry) => fs.remove(path.join(folder, `${entry.id}${suffix}`), { force: true }),
    { discard: true }
  )
})
