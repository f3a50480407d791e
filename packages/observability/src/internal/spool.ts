/**
 * Acknowledged submissions on disk, for the time in which the database is unavailable.
 *
 * A process appends to files that only it writes. A record is its length, its CRC-32 and its JSON, and is acknowledged after
 * `fdatasync`, when the file is still in its place. Files of a process that is gone are adopted by renaming them: one adopter
 * wins, and a writer that was only slow finds its file moved and acknowledges nothing that the adopter could miss.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { crc32 } from "node:zlib"
import type { Submission } from "./submission.ts"
import * as SubmissionRecord from "./submissionRecord.ts"

/** Of all files in the folder. Past it nothing is acknowledged. */
const folderBytesMax = 256 * 1024 * 1024
/** One tenant leaves as much to three others. */
const tenantBytesMax = folderBytesMax / 4
/** A file of this size is closed, so that storing it does not wait for new records. */
const fileBytesMax = 16 * 1024 * 1024
const headBytes = 8
/** Group and others may neither read nor write. */
const othersMode = 0o077

/** How the folder is bounded and its files are adopted; tests shorten the times. */
export interface Options {
  readonly folder: string
  /** @default 5 seconds */
  readonly beatMillis?: number
  /** A process that has not touched its files for this long is gone. @default 30 seconds */
  readonly goneMillis?: number
}

export class SpoolFull extends Schema.TaggedError<SpoolFull>()("SpoolFull", {}) {}
class SpoolFailed extends Schema.TaggedError<SpoolFailed>()("SpoolFailed", {
  message: Schema.String
}) {}

export interface Spool {
  /** Writes submissions to disk. They are acknowledged when it succeeds. */
  readonly append: (submissions: ReadonlyArray<Submission>) => Effect.Effect<void, SpoolFull | SpoolFailed>
  /** Closes the file that is being written, and returns all files of this process and of those that are gone, oldest first. */
  readonly closed: Effect.Effect<ReadonlyArray<string>, SpoolFailed>
  /** Reads the acknowledged records of a file. A record that was cut by a crash was not acknowledged. */
  readonly read: (file: string) => Effect.Effect<ReadonlyArray<Submission>, SpoolFailed>
  readonly remove: (file: string) => Effect.Effect<void, SpoolFailed>
  readonly bytes: () => number
}

const failed = (error: unknown) =>
  new SpoolFailed({ message: error instanceof Error ? error.message.slice(0, 200) : "unknown" })

const io = <A>(run: () => Promise<A>): Effect.Effect<A, SpoolFailed> =>
  Effect.tryPromise({ try: run, catch: failed })

const encodeRecord = (submission: Submission): Buffer => {
  const json = SubmissionRecord.encode(submission)
  const head = Buffer.alloc(headBytes)
  head.writeUInt32LE(json.byteLength, 0)
  head.writeUInt32LE(crc32(json), 4)
  return Buffer.concat([head, json])
}

/** The records of a file up to the first that is cut or broken. */
const recordsOf = (bytes: Buffer): ReadonlyArray<Submission> => {
  const records: Array<Submission> = []
  let at = 0
  while (at + headBytes <= bytes.length) {
    const length = bytes.readUInt32LE(at)
    const json = bytes.subarray(at + headBytes, at + headBytes + length)
    if (json.length < length || crc32(json) !== bytes.readUInt32LE(at + 4)) break
    records.push(SubmissionRecord.decode(json))
    at += headBytes + length
  }
  return records
}

interface Open {
  readonly path: string
  readonly handle: Fs.FileHandle
  readonly inode: number
  bytes: number
}

const suffix = ".spool"
const beatSuffix = ".alive"

/** Opens the folder. Fails when others may read it. */
export const open = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Spool, SpoolFailed, Scope.Scope> {
  const { beatMillis = 5_000, folder, goneMillis = 30_000 } = options
  const clock = yield* Clock.Clock
  const bootId = randomUUID()
  const writing = yield* Semaphore.make(1)
  const tenantBytes = new Map<string, number>()
  let current: Open | undefined
  let files = 0
  let folderBytes = 0

  yield* io(() => Fs.mkdir(folder, { recursive: true, mode: 0o700 }))
  const { mode } = yield* io(() => Fs.stat(folder))
  if ((mode & othersMode) !== 0) {
    return yield* new SpoolFailed({
      message: `HM_OBSERVABILITY_SPOOL: others may read ${folder}; make it a folder of mode 0700`
    })
  }
  const beatPath = Path.join(folder, `${bootId}${beatSuffix}`)
  const beat = io(() => Fs.writeFile(beatPath, "", { mode: 0o600 }))
  yield* beat
  yield* Effect.addFinalizer(() =>
    Effect.ignore(
      io(async () => {
        await current?.handle.close()
        // Files that are left are adopted at once.
        await Fs.rm(beatPath, { force: true })
      })
    )
  )
  yield* Effect.ignore(beat).pipe(Effect.delay(beatMillis), Effect.forever, Effect.forkScoped)

  const sizes = io(async () => {
    const names = (await Fs.readdir(folder)).filter((name) => name.endsWith(suffix))
    const stats = await Promise.all(
      names.map((name) => Fs.stat(Path.join(folder, name)).catch(() => undefined))
    )
    return stats.reduce((sum, stat) => sum + (stat?.size ?? 0), 0)
  })
  folderBytes = yield* sizes

  const next = io(async (): Promise<Open> => {
    // The time in front orders the files of all processes.
    const time = String(clock.currentTimeMillisUnsafe()).padStart(15, "0")
    const path = Path.join(folder, `${time}_${bootId}_${String(files++).padStart(6, "0")}${suffix}`)
    const handle = await Fs.open(path, "ax", 0o600)
    const directory = await Fs.open(folder, "r")
    await directory.sync()
    await directory.close()
    const { ino } = await handle.stat()
    return { path, handle, inode: ino, bytes: 0 }
  })

  const close = Effect.suspend(() => {
    const closing = current
    current = undefined
    return closing === undefined ? Effect.void : io(() => closing.handle.close())
  })

  const append = Effect.fnUntraced(function* (submissions: ReadonlyArray<Submission>) {
    const records = submissions.map((submission) => ({ submission, bytes: encodeRecord(submission) }))
    const size = records.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)
    if (folderBytes + size > folderBytesMax) return yield* new SpoolFull()
    const added = new Map<string, number>()
    for (const { bytes, submission } of records) {
      added.set(submission.tenantId, (added.get(submission.tenantId) ?? 0) + bytes.byteLength)
    }
    for (const [tenantId, bytes] of added) {
      if ((tenantBytes.get(tenantId) ?? 0) + bytes > tenantBytesMax) return yield* new SpoolFull()
    }
    const file = (current ??= yield* next)
    const isInPlace = yield* io(async () => {
      await file.handle.writeFile(Buffer.concat(records.map(({ bytes }) => bytes)))
      await file.handle.datasync()
      const stat = await Fs.stat(file.path).catch(() => undefined)
      return stat?.ino === file.inode
    }).pipe(Effect.onError(() => Effect.ignore(close)))
    if (!isInPlace) {
      yield* Effect.ignore(close)
      return yield* new SpoolFailed({ message: "the file was adopted by another process" })
    }
    file.bytes += size
    folderBytes += size
    for (const [tenantId, bytes] of added) tenantBytes.set(tenantId, (tenantBytes.get(tenantId) ?? 0) + bytes)
    if (file.bytes >= fileBytesMax) yield* close
  }, writing.withPermits(1))

  const isGone = (owner: string) =>
    io(async () => {
      const stat = await Fs.stat(Path.join(folder, `${owner}${beatSuffix}`)).catch(() => undefined)
      return stat === undefined || clock.currentTimeMillisUnsafe() - stat.mtimeMs > goneMillis
    })

  /** Renames a file of a process that is gone. Undefined when another process was faster. */
  const adopt = Effect.fnUntraced(function* (name: string) {
    const [time = "", owner = "", rest = ""] = name.split("_")
    if (owner === bootId) return Path.join(folder, name)
    if (!(yield* isGone(owner))) return undefined
    const path = Path.join(folder, `${time}_${bootId}_${owner.slice(0, 8)}-${rest}`)
    return yield* io(() =>
      Fs.rename(Path.join(folder, name), path).then(
        () => path,
        () => undefined
      )
    )
  })

  const closed = Effect.gen(function* () {
    if (current !== undefined && current.bytes > 0) yield* close
    const writingPath = current?.path
    const names = yield* io(() => Fs.readdir(folder))
    const paths: Array<string> = []
    for (const name of names.filter((file) => file.endsWith(suffix)).toSorted()) {
      const path = yield* adopt(name)
      if (path !== undefined && path !== writingPath) paths.push(path)
    }
    if (paths.length === 0) tenantBytes.clear()
    folderBytes = yield* sizes
    return paths
  }).pipe(writing.withPermits(1))

  return {
    append,
    closed,
    read: (file) =>
      Effect.map(
        io(() => Fs.readFile(file)),
        recordsOf
      ),
    remove: (file) => io(() => Fs.rm(file, { force: true })),
    bytes: () => folderBytes
  }
})
