/**
 * Reads bodies in a separate thread, so that the event loop serves requests and the database meanwhile.
 *
 * Tenants take turns, and each has a share of the thread. When the thread ends or hangs, what it was reading is read once more,
 * one body after another, so that one that ends the thread fails no other.
 */
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Schedule from "effect/Schedule"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import type { Done, Job } from "./readerThread.ts"
import * as Reading from "./reading.ts"
import * as Turns from "./turns.ts"

/** The thread has work while the event loop is busy for some milliseconds. More would wait there, where tenants have no turns. */
const readingMax = 32
/** Bodies of one tenant that the thread has. */
const tenantReadingMax = 16
/** And their bytes, of more than one body: a large one is read while those of other tenants have their turns. */
const tenantBytesMax = 256 * 1024
/** A larger body is moved to the thread: with a copy, the process would hold 100 MiB twice. It is not read again. */
const copiedBytesMax = 1024 * 1024
/**
 * A body of the largest size takes the thread two seconds. Past it, the thread hangs: it is ended while the others that it had
 * can be read within their deadline.
 */
const silentSecondsMax = 5
/** A thread that is not ready by then does not start. It takes a second, and some on a busy machine. */
const startSecondsMax = 60

/** The JSON of an envelope is at most 4 MiB and 200,000 values, some 50 MB. Past it the thread ends, and at worst the process. */
const resourceLimits = { maxOldGenerationSizeMb: 256, stackSizeMb: 4 }

interface Reads {
  readonly received: Reading.Received
  readonly bytes: number
  /** Undefined when the body cannot be read, "here" when there is no thread. */
  readonly settle: (answer: Reading.Answer | "here" | undefined) => void
  /** It was in a thread that ended. */
  isSuspect: boolean
  /** Its caller has gone. */
  isAbandoned: boolean
}

/** A mistake of ours, without the message of its error: it may have what was sent. */
const report = ({ context }: Reading.Received, defect: string) =>
  Effect.logError("A body cannot be read and is refused", {
    tenant_id: context.tenantId,
    project_id: context.projectId,
    detail: defect
  })

const readHere = (received: Reading.Received) =>
  Effect.suspend(() => Reading.read(received)).pipe(
    Effect.catchDefect((defect) => Effect.as(report(received, Reading.nameOfDefect(defect)), undefined))
  )

/** Its own package finds the module both in the sources and in the build. */
const urlOfThread = () =>
  pathToFileURL(createRequire(import.meta.url).resolve("@hypermarket/observability/internal/readerThread"))

/**
 * The thread starts with the first body, and ends with the scope. Until it is ready for the first time, bodies of an ordinary
 * size are read here: a client may give up before a thread has started.
 */
export const make = Effect.fnUntraced(function* (
  options: {
    readonly thread?: URL
    readonly silentSecondsMax?: number
    readonly startSecondsMax?: number
  } = {}
) {
  const silentMax = options.silentSecondsMax ?? silentSecondsMax
  const startMax = options.startSecondsMax ?? startSecondsMax
  const fork = yield* FiberSet.makeRuntime()
  const turns = Turns.make<Reads>()
  const suspects: Array<Reads> = []
  const reading = new Map<number, Reads>()
  const shares = new Map<string, { count: number; bytes: number }>()
  let thread: { readonly worker: Worker; isReady: boolean } | undefined
  let lastId = 0
  /** Counts answers since the last look. */
  let heard = 0
  let silentSeconds = 0
  let isClosed = false
  let isAbsent = false
  let hasBeenReady = false

  const shareOf = ({ context }: Reading.Received) => shares.get(context.tenantId) ?? { count: 0, bytes: 0 }

  const take = ({ bytes, received }: Reads, sign: 1 | -1): void => {
    const share = shareOf(received)
    share.count += sign
    share.bytes += sign * bytes
    if (share.count === 0) shares.delete(received.context.tenantId)
    else shares.set(received.context.tenantId, share)
  }

  const mayBegin = ({ bytes, isAbandoned, received }: Reads): boolean => {
    const share = shareOf(received)
    return (
      isAbandoned ||
      share.count === 0 ||
      (share.count < tenantReadingMax && share.bytes + bytes <= tenantBytesMax)
    )
  }

  const next = (): Reads | undefined => {
    if (suspects.length > 0) return reading.size === 0 ? suspects.shift() : undefined
    return reading.size < readingMax ? turns.next(mayBegin) : undefined
  }

  const dispatch = (worker: Worker): void => {
    for (let reads = next(); reads !== undefined; reads = next()) {
      if (reads.isAbandoned) continue
      const id = ++lastId
      reading.set(id, reads)
      take(reads, 1)
      const { received } = reads
      const { buffer } = received.body
      const isMoved = reads.bytes > copiedBytesMax && buffer instanceof ArrayBuffer
      worker.postMessage({ id, received } satisfies Job, isMoved ? [buffer] : [])
    }
  }

  const onDone = (worker: Worker, { id, outcome }: Done): void => {
    const reads = reading.get(id)
    if (reads === undefined) return
    heard++
    reading.delete(id)
    take(reads, -1)
    if ("answer" in outcome) reads.settle(outcome.answer)
    else {
      fork(report(reads.received, outcome.defect))
      reads.settle(undefined)
    }
    dispatch(worker)
  }

  const onEnd = (detail: string): void => {
    const wasReady = thread?.isReady === true
    thread = undefined
    const interrupted = Array.from(reading.values())
    reading.clear()
    shares.clear()
    if (isClosed) {
      for (const reads of [...interrupted, ...suspects.splice(0), ...turns.drain()]) reads.settle(undefined)
      return
    }
    if (!wasReady) {
      // A bundle may lack the file.
      isAbsent = true
      fork(Effect.logWarning("Errors are read without a thread from now on: it does not start", { detail }))
      for (const reads of suspects.splice(0)) reads.settle(undefined)
      for (const reads of turns.drain()) reads.settle("here")
      return
    }
    fork(Effect.logError("The thread that reads errors has ended, and is started again", { detail }))
    for (const reads of interrupted) {
      if (reads.isSuspect || reads.received.body.byteLength < reads.bytes) reads.settle(undefined)
      else {
        reads.isSuspect = true
        suspects.push(reads)
      }
    }
    if (suspects.length > 0) start()
  }

  const start = (): void => {
    let worker: Worker
    try {
      worker = new Worker(options.thread ?? urlOfThread(), { resourceLimits })
    } catch (error) {
      return onEnd(String(error))
    }
    const current = { worker, isReady: false }
    thread = current
    let detail = ""
    worker
      .on("message", (message: Done | "ready") => {
        if (thread !== current) return
        if (message !== "ready") return onDone(worker, message)
        current.isReady = true
        hasBeenReady = true
        silentSeconds = 0
        dispatch(worker)
      })
      // Its message may have what was sent.
      .on("error", (error) => (detail = "code" in error ? String(error.code) : error.name))
      .on("exit", (code) => {
        if (thread === current) onEnd(`${detail} ${code}`.trim())
      })
      .unref()
  }

  const look = Effect.sync(() => {
    const isStarting = thread?.isReady === false
    silentSeconds = (reading.size > 0 || isStarting) && heard === 0 ? silentSeconds + 1 : 0
    heard = 0
    if (silentSeconds < (isStarting ? startMax : silentMax)) return
    silentSeconds = 0
    void thread?.worker.terminate()
  })

  yield* look.pipe(Effect.repeat(Schedule.spaced("1 second")), Effect.forkScoped)
  yield* Effect.addFinalizer(() => {
    isClosed = true
    const current = thread
    return current === undefined ? Effect.void : Effect.promise(() => current.worker.terminate())
  })

  /** Returns undefined for a body that ended the thread, or that cannot be read. */
  return (received: Reading.Received): Effect.Effect<Reading.Answer | undefined> =>
    Effect.flatMap(
      Effect.callback<Reading.Answer | "here" | undefined>((resume) => {
        const reads: Reads = {
          received,
          bytes: received.body.byteLength,
          settle: (answer) => resume(Effect.succeed(answer)),
          isSuspect: false,
          isAbandoned: false
        }
        if (!isAbsent && thread === undefined) start()
        if (isAbsent || (!hasBeenReady && reads.bytes <= tenantBytesMax)) return reads.settle("here")
        turns.add(received.context.tenantId, reads)
        if (thread?.isReady === true) dispatch(thread.worker)
        return Effect.sync(() => (reads.isAbandoned = true))
      }),
      (answer) => (answer === "here" ? readHere(received) : Effect.succeed(answer))
    )
})
