/**
 * Decompression as a stream: a chunk is inflated when the consumer asks for it, and not before.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import type { Transform } from "node:stream"
import * as Zlib from "node:zlib"

export type Coding = "gzip" | "deflate" | "br" | "zstd"

const codings: ReadonlyMap<string, Coding | undefined> = new Map([
  ["", undefined],
  ["identity", undefined],
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["deflate", "deflate"],
  ["br", "br"],
  ["zstd", "zstd"]
])

/** Several codings, one in another, are refused: no client sends them, and each multiplies what a bomb inflates to. */
export const codingOf = (header: string | undefined): Coding | "none" | "unsupported" => {
  const name = (header ?? "").trim().toLowerCase()
  return codings.has(name) ? (codings.get(name) ?? "none") : "unsupported"
}

/** Bytes of one chunk that comes out. */
const chunkBytes = 65_536

/**
 * Bytes that the decoder gets at a time: what came out is compared with what went in, and a body may be sent as one chunk.
 * At the 1,032:1 of deflate, which is its most, one piece makes 16 MiB; the consumer stops the decoder long before.
 */
const pieceBytes = 16_384

/** RFC 8878, 3.1.1.1.2: a decoder should support windows of 8 MiB and may refuse larger ones. */
const zstdWindowBytesMax = 8 * 1024 * 1024
const zstdWindowLogMax = 23

/** Bytes of output that a decoder keeps; it touches no more memory than that. */
export const windowBytesMax: Readonly<Record<Coding, number>> = {
  gzip: 32_768,
  deflate: 32_768,
  // RFC 7932, 9.1: the largest window.
  br: 16 * 1024 * 1024,
  zstd: zstdWindowBytesMax
}

const decoderOf = (coding: Coding): Transform => {
  const options = { chunkSize: chunkBytes }
  switch (coding) {
    case "gzip":
      return Zlib.createGunzip(options)
    case "deflate":
      return Zlib.createInflate(options)
    case "br":
      return Zlib.createBrotliDecompress(options)
    case "zstd":
      return Zlib.createZstdDecompress({
        ...options,
        params: { [Zlib.constants.ZSTD_d_windowLogMax]: zstdWindowLogMax }
      })
  }
}

/** Inflates a body at once. "large" for one that makes more than `bytesMax`, "broken" for one that is not in the coding. */
export const inflateAtOnce = (
  coding: "gzip" | "deflate",
  body: Uint8Array,
  bytesMax: number
): Uint8Array | "large" | "broken" => {
  const options = { maxOutputLength: bytesMax }
  try {
    return new Uint8Array(
      coding === "gzip" ? Zlib.gunzipSync(body, options) : Zlib.inflateSync(body, options)
    )
  } catch (error) {
    return error instanceof RangeError ? "large" : "broken"
  }
}

type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

/** The bytes that were sent are no more than the decoder may hold; its own failures are of the data. */
class SourceFailed<E> extends Error {
  readonly failure: E
  constructor(failure: E) {
    super("The source of a decoder failed")
    this.failure = failure
  }
}

const write = (decoder: Transform, chunk: Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    // Called once the chunk is inflated, so that no more than one waits.
    decoder.write(chunk, () => resume(Effect.void))
  })

const piecesOf = (chunks: Chunks): ReadonlyArray<Uint8Array> =>
  chunks.flatMap((chunk) =>
    Array.from({ length: Math.ceil(chunk.byteLength / pieceBytes) }, (_, index) =>
      chunk.subarray(index * pieceBytes, (index + 1) * pieceBytes)
    )
  )

const feed = <E, R>(
  decoder: Transform,
  pull: Pull.Pull<Chunks, E, void, R>,
  onPiece: (bytes: number) => void
) =>
  pull.pipe(
    Effect.flatMap((chunks) =>
      Effect.forEach(
        piecesOf(chunks),
        (piece) => {
          onPiece(piece.byteLength)
          return write(decoder, piece)
        },
        { discard: true }
      )
    ),
    Effect.forever,
    Effect.catch((failure) =>
      Effect.sync(() => {
        if (Cause.isDone(failure)) decoder.end()
        else decoder.destroy(new SourceFailed(failure))
      })
    )
  )

const next = <E, B>(decoder: Transform, broken: B): Pull.Pull<Chunks, E | B> =>
  Effect.callback((resume) => {
    const off = () => {
      decoder.off("readable", onReadable).off("end", onEnd).off("error", onError).off("close", onClose)
    }
    const settle = (effect: Pull.Pull<Chunks, E | B>) => {
      off()
      resume(effect)
    }
    const onReadable = () => {
      const chunk: unknown = decoder.read()
      if (chunk instanceof Uint8Array) settle(Effect.succeed([chunk]))
    }
    const onEnd = () => settle(Cause.done())
    const onError = (error: Error) =>
      settle(Effect.fail(error instanceof SourceFailed ? error.failure : broken))
    const onClose = () => settle(Effect.fail(broken))
    decoder.on("readable", onReadable).on("end", onEnd).on("error", onError).on("close", onClose)
    if (decoder.errored !== null) onError(decoder.errored)
    else if (decoder.readableEnded) onEnd()
    else if (decoder.destroyed) onClose()
    else onReadable()
    return Effect.sync(off)
  })

/**
 * Inflates what is pulled. Fails with `broken` when the data is not in the coding or ends early. Calls `onPiece` with the bytes
 * that the decoder gets, before they are inflated.
 */
export const inflate = <E, B, R>(
  coding: Coding,
  pull: Pull.Pull<Chunks, E, void, R>,
  broken: B,
  onPiece: (bytes: number) => void
): Effect.Effect<Pull.Pull<Chunks, E | B>, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const decoder = yield* Effect.acquireRelease(
      Effect.sync(() => decoderOf(coding).on("error", () => undefined)),
      (decoder) => Effect.sync(() => void decoder.destroy())
    )
    yield* Effect.forkScoped(feed(decoder, pull, onPiece))
    return next<E, B>(decoder, broken)
  })
