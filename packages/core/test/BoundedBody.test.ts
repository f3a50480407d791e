import { assert, describe, it } from "@effect/vitest"
import * as BoundedBody from "@hypermarket/core/BoundedBody"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { Deferred, Effect, Fiber, Stream } from "effect"
import { Headers, HttpServerRequest } from "effect/http"
import { TestClock } from "effect/testing"
import * as Zlib from "node:zlib"

type Source = Parameters<typeof BoundedBody.read>[0]

const mebibyte = 1024 * 1024

const bounds: BoundedBody.Bounds = { sentMax: 20 * mebibyte, inflatedMax: 100 * mebibyte, minRate: 1_024 }

const compressions: ReadonlyArray<readonly [coding: string, compress: (bytes: Buffer) => Buffer]> = [
  ["gzip", (bytes) => Zlib.gzipSync(bytes)],
  ["deflate", (bytes) => Zlib.deflateSync(bytes)],
  ["br", (bytes) => Zlib.brotliCompressSync(bytes, { params: { [Zlib.constants.BROTLI_PARAM_QUALITY]: 4 } })],
  ["zstd", (bytes) => Zlib.zstdCompressSync(bytes)]
]

const piecesOf = (bytes: Uint8Array, length: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.byteLength / length) }, (_, index) =>
    Uint8Array.from(bytes.subarray(index * length, (index + 1) * length))
  )

const source = (stream: Source["stream"], headers: Record<string, string> = {}): Source => ({
  headers: Headers.fromInput(headers),
  stream
})

const sending = (bytes: Uint8Array, headers: Record<string, string> = {}, pieceLength = 1_000) =>
  source(Stream.fromIterable(piecesOf(bytes, pieceLength)), headers)

/** Text that compresses to about a third. */
const text = Buffer.from(
  Array.from({ length: 20_000 }, (_, index) => `${(index * 2_654_435_761) % 4_294_967_296};`).join("")
)

/** Bytes that compress to between a thirtieth and a fiftieth. */
const compressible = (length: number): Buffer => {
  const bytes = Buffer.alloc(length)
  let state = 12_345
  for (let at = 0; at < length; at += 256) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    bytes.writeUInt32LE(state, at)
  }
  return bytes
}

const collected = (request: Source, given: BoundedBody.Bounds = bounds) =>
  Effect.scoped(BoundedBody.collect(request, given))

describe("BoundedBody", () => {
  it.effect("returns the body as it was, sent plain or compressed, however it is cut", () =>
    Effect.gen(function* () {
      for (const pieceLength of [97, text.byteLength]) {
        assert.isTrue(text.equals(yield* collected(sending(text, {}, pieceLength))))
        for (const [coding, compress] of compressions) {
          const body = yield* collected(sending(compress(text), { "content-encoding": coding }, pieceLength))
          assert.isTrue(text.equals(body), `${coding} in pieces of ${pieceLength}`)
        }
      }
      assert.strictEqual((yield* collected(sending(new Uint8Array(0)))).byteLength, 0)
      assert.isTrue(text.equals(yield* collected(sending(text, { "content-encoding": "identity" }))))
    })
  )

  it.effect("returns a body that has arrived as collect does, or refuses it for the same reason", () =>
    Effect.gen(function* () {
      const bodies = [
        Buffer.alloc(0),
        text,
        compressible(mebibyte),
        Buffer.alloc(200 * 1024),
        Buffer.alloc(256 * 1024),
        Buffer.alloc(256 * 1024 + 1),
        Buffer.alloc(99 * mebibyte)
      ]
      for (const inflatedMax of [150 * 1024, bounds.inflatedMax]) {
        for (const plain of bodies) {
          for (const [coding, compress] of [
            ["identity", (bytes: Buffer) => bytes] as const,
            ...compressions
          ]) {
            const whole = compress(plain)
            for (const sent of [whole, whole.subarray(0, -1), Buffer.from("broken")]) {
              const headers = { "content-encoding": coding }
              const budget = BoundedBody.makeBudget({ processBytesMax: 2 ** 30, tenantBytesMax: 2 ** 30 })
              const given = { ...bounds, inflatedMax }
              const expected = yield* Effect.result(collected(sending(sent, headers, mebibyte), given))
              const arrived = yield* BoundedBody.collectArrived(
                { headers: Headers.fromInput(headers) },
                new Uint8Array(sent),
                given
              ).pipe(
                Effect.tap((body) => Effect.sync(() => assert.isAtLeast(budget.held(), body.byteLength))),
                Effect.scoped,
                Effect.provideService(BoundedBody.Budget, budget),
                Effect.result
              )
              const where = `${coding} ${plain.byteLength} ${sent.byteLength} ${inflatedMax}`
              assert.strictEqual(arrived._tag, expected._tag, where)
              if (arrived._tag === "Failure" && expected._tag === "Failure") {
                assert.strictEqual(arrived.failure._tag, expected.failure._tag, where)
              } else if (arrived._tag === "Success" && expected._tag === "Success") {
                assert.isTrue(Buffer.from(arrived.success).equals(expected.success), where)
              }
              assert.strictEqual(budget.held(), 0)
            }
          }
        }
      }
    })
  )

  it.effect("stops a bomb at inflatedMax, and holds little memory until then", () =>
    Effect.gen(function* () {
      // Its ratio is allowed, so that its size refuses it.
      const bomb = compressible(64 * mebibyte)
      for (const [coding, compress] of compressions) {
        const budget = BoundedBody.makeBudget({
          processBytesMax: 256 * mebibyte,
          tenantBytesMax: 128 * mebibyte
        })
        let seenBytes = 0
        let heldBytesMax = 0
        const error = yield* Stream.runForEach(
          BoundedBody.read(sending(compress(bomb), { "content-encoding": coding }), {
            ...bounds,
            inflatedMax: 32 * mebibyte
          }),
          (chunk) =>
            Effect.sync(() => {
              seenBytes += chunk.byteLength
              heldBytesMax = Math.max(heldBytesMax, budget.held())
            })
        ).pipe(Effect.provideService(BoundedBody.Budget, budget), Effect.flip)
        assert.deepInclude(error, { _tag: "TooLarge", limit: "inflated", bytesMax: 32 * mebibyte }, coding)
        assert.isAtMost(seenBytes, 32 * mebibyte)
        assert.isAbove(heldBytesMax, 0)
        assert.isAtMost(heldBytesMax, 17 * mebibyte, coding)
        assert.strictEqual(budget.held(), 0)
      }
    })
  )

  it.effect("stops a bomb within its first two mebibytes, as 100 times as much came out as was read", () =>
    Effect.gen(function* () {
      for (const [coding, compress] of compressions) {
        const bomb = compress(Buffer.alloc(99 * mebibyte))
        // Sent at once, as a body that was read before, and in pieces.
        for (const pieceLength of [bomb.byteLength, 500]) {
          let seenBytes = 0
          const error = yield* Stream.runForEach(
            BoundedBody.read(sending(bomb, { "content-encoding": coding }, pieceLength), bounds),
            (chunk) =>
              Effect.sync(() => {
                seenBytes += chunk.byteLength
              })
          ).pipe(Effect.flip)
          assert.deepInclude(error, { _tag: "TooLarge", limit: "ratio" }, coding)
          assert.isAtMost(seenBytes, 2 * mebibyte, coding)
        }
      }
    })
  )

  it.effect("reads what compresses to a hundredth up to one mebibyte, and to a thirtieth at any size", () =>
    Effect.gen(function* () {
      const steady = compressible(8 * mebibyte)
      for (const [coding, compress] of compressions) {
        const headers = { "content-encoding": coding }
        const short = compress(Buffer.alloc(mebibyte, "[]"))
        assert.isAbove(mebibyte / short.byteLength, 100, coding)
        assert.strictEqual((yield* collected(sending(short, headers))).byteLength, mebibyte)
        const long = compress(steady)
        assert.isAbove(steady.byteLength / long.byteLength, 30, coding)
        assert.isTrue(steady.equals(yield* collected(sending(long, headers, long.byteLength))), coding)
      }
    })
  )

  it.effect(
    "refuses a body that is announced or sent larger than sentMax, the first without reading it",
    () =>
      Effect.gen(function* () {
        let pulls = 0
        const announced = source(Stream.fromEffect(Effect.sync(() => Uint8Array.of(++pulls))), {
          "content-length": "1001"
        })
        const given = { ...bounds, sentMax: 1_000 }
        assert.deepInclude(yield* Effect.flip(collected(announced, given)), {
          _tag: "TooLarge",
          limit: "sent"
        })
        assert.strictEqual(pulls, 0)
        const longer = sending(Buffer.alloc(1_001), {}, 100)
        assert.deepInclude(yield* Effect.flip(collected(longer, given)), { _tag: "TooLarge", limit: "sent" })
        const hidden = sending(Zlib.gzipSync(text), { "content-encoding": "gzip" }, 100)
        assert.deepInclude(yield* Effect.flip(collected(hidden, given)), { _tag: "TooLarge", limit: "sent" })
        assert.strictEqual((yield* collected(sending(Buffer.alloc(1_000)), given)).byteLength, 1_000)
      })
  )

  it.effect("refuses codings it does not know, several of them, and data that is broken or ends early", () =>
    Effect.gen(function* () {
      for (const coding of ["compress", "gzip, gzip", "gzip, br", "gzip\u0000"]) {
        const error = yield* Effect.flip(collected(sending(text, { "content-encoding": coding })))
        assert.deepInclude(error, { _tag: "Broken", reason: "coding" }, coding)
      }
      for (const [coding, compress] of compressions) {
        const whole = compress(text)
        for (const bytes of [
          Buffer.from("not compressed at all"),
          whole.subarray(0, whole.byteLength >> 1)
        ]) {
          const error = yield* Effect.flip(collected(sending(bytes, { "content-encoding": coding })))
          assert.deepInclude(error, { _tag: "Broken", reason: "data" }, coding)
        }
      }
    })
  )

  it.effect("reports a connection that breaks off, also under a decoder", () =>
    Effect.gen(function* () {
      for (const headers of [{}, { "content-encoding": "gzip" }]) {
        const body = new ReadableStream<Uint8Array>({
          pull: (controller) => controller.error(new Error("reset"))
        })
        const request = HttpServerRequest.fromWeb(
          new Request("http://localhost/", { method: "POST", body, headers, duplex: "half" })
        )
        assert.deepInclude(yield* Effect.flip(collected(request)), { _tag: "Broken", reason: "connection" })
      }
    })
  )

  it.effect("refuses a sender under the rate for ten seconds, silent or dripping, plain or compressed", () =>
    Effect.gen(function* () {
      const drip = Stream.fromEffect(Effect.as(Effect.sleep("100 millis"), Uint8Array.of(1))).pipe(
        Stream.forever
      )
      const bytes = Uint8Array.from(Zlib.gzipSync(text).subarray(0, 5_000))
      const asked = yield* Deferred.make<void>()
      const silence = Stream.fromEffect(Effect.andThen(Deferred.succeed(asked, undefined), Effect.never))
      const silent = Stream.concat(Stream.succeed(bytes), silence)
      for (const request of [
        source(silent, { "content-encoding": "gzip" }),
        source(silent),
        source(drip),
        source(Stream.never)
      ]) {
        const reading = yield* Effect.forkChild(Effect.flip(collected(request)))
        // The decoder works outside of the moved time: it asks for the next bytes when it has done with the first.
        yield* Deferred.await(asked)
        yield* TestClock.adjust("9 seconds")
        assert.isUndefined(reading.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.deepInclude(yield* Fiber.join(reading), { _tag: "TooSlow", bytesPerSecondMin: 1_024 })
      }
    })
  )

  it.effect("reads a sender at the rate to its end, and one that waits for a slow consumer", () =>
    Effect.gen(function* () {
      const steady = Stream.fromEffect(Effect.as(Effect.sleep("1 second"), new Uint8Array(1_024))).pipe(
        Stream.forever,
        Stream.take(60)
      )
      const reading = yield* Effect.forkChild(collected(source(steady)))
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* Fiber.join(reading)).byteLength, 60 * 1_024)
      const slowly = yield* BoundedBody.read(sending(new Uint8Array(10), {}, 1), bounds).pipe(
        Stream.tap(() => Effect.sleep("1 minute")),
        Stream.runCount,
        Effect.forkChild
      )
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* Fiber.join(slowly), 10)
    })
  )

  it.effect(
    "refuses past the budget of the tenant and of the process, and gives back what ends or is cut off",
    () =>
      Effect.gen(function* () {
        const budget = yield* BoundedBody.Budget
        const acme = provide(TenantId.make("acme"))
        const zeta = provide(TenantId.make("zeta"))
        const body = () => sending(new Uint8Array(1_500))
        const release = yield* Deferred.make<void>()
        const held = yield* Deferred.make<void>()
        const holding = yield* BoundedBody.read(body(), bounds).pipe(
          Stream.runForEach(() => Effect.andThen(Deferred.succeed(held, undefined), Deferred.await(release))),
          acme,
          Effect.forkChild
        )
        yield* Deferred.await(held)
        assert.strictEqual(budget.held(), 1_500)
        assert.deepInclude(yield* Effect.flip(collected(body()).pipe(acme)), {
          _tag: "BudgetExceeded",
          budget: "tenant"
        })
        const other = yield* Deferred.make<void>()
        const cut = yield* BoundedBody.read(sending(new Uint8Array(1_400)), bounds).pipe(
          Stream.runForEach(() => Effect.andThen(Deferred.succeed(other, undefined), Effect.never)),
          zeta,
          Effect.forkChild
        )
        yield* Deferred.await(other)
        assert.deepInclude(yield* Effect.flip(collected(body())), {
          _tag: "BudgetExceeded",
          budget: "process"
        })
        yield* Fiber.interrupt(cut)
        yield* Deferred.succeed(release, undefined)
        yield* Fiber.join(holding)
        assert.strictEqual(budget.held(), 0)
        assert.strictEqual((yield* collected(sending(new Uint8Array(900))).pipe(acme)).byteLength, 900)
        assert.strictEqual(budget.held(), 0)
      }).pipe(
        Effect.provideService(
          BoundedBody.Budget,
          BoundedBody.makeBudget({ processBytesMax: 3_000, tenantBytesMax: 2_000 })
        )
      )
  )
})
