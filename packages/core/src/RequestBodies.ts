/**
 * Reads the body of a request before the request is worked on: within a bound, a budget and its own time. What is
 * read stays with the request, whose `text`, `json` and `arrayBuffer` wait for nothing afterwards.
 *
 * @since 0.1.0
 */
import * as ByteSize from "effect/ByteSize"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import type { Readable } from "node:stream"
import * as BodyBudget from "./BodyBudget.ts"
import { BodyTooLarge, BodyTooSlow } from "./RequestBody.ts"

/** A body of which no byte arrives for that long has stalled. */
const stall = "10 seconds"

/** 16 MiB in that time are 2.2 Mbit/s. A client that sends a byte now and then holds its place no longer. */
const arrivalMillis = 60_000

const hasBody = (request: HttpServerRequest): boolean => {
  const length = request.headers["content-length"]
  return length === undefined ? request.headers["transfer-encoding"] !== undefined : length !== "0"
}

/** A web request has no `node:stream` to ask. */
const isReadable = (source: object): source is Readable =>
  hasProperty(source, "pause") && typeof source.pause === "function"

const passed = Effect.succeed<() => void>(() => undefined)

/**
 * Reads the body and returns the function that gives its room in the budget back; call it when the request has ended.
 * Fails with {@link BodyTooLarge} or {@link BodyTooSlow} without closing the connection, so that the answer is sent.
 *
 * @category combinators
 * @since 0.1.0
 */
export const receive = (
  request: HttpServerRequest,
  options: { readonly bytesMax: number; readonly sender: BodyBudget.Sender }
): Effect.Effect<() => void, BodyTooLarge | BodyTooSlow> => {
  if (!hasBody(request)) return passed
  if (Number(request.headers["content-length"] ?? 0) > options.bytesMax)
    return Effect.fail(new BodyTooLarge())
  return read(request, options.bytesMax, options.sender)
}

const read = Effect.fnUntraced(function* (
  request: HttpServerRequest,
  bytesMax: number,
  sender: BodyBudget.Sender
) {
  const budget = yield* BodyBudget.Current
  const clock = yield* Clock.Clock
  const startedAtMillis = clock.currentTimeMillisUnsafe()
  const ended = yield* Deferred.make<never, BodyTooSlow>()
  const end = () => Deferred.doneUnsafe(ended, Effect.fail(new BodyTooSlow()))
  const body = budget.open(sender, startedAtMillis, end)
  const source = isReadable(request.source) ? request.source : undefined
  let received = 0
  const count = (chunk: Uint8Array) => {
    received += chunk.length
    body.received(chunk.length, clock.currentTimeMillisUnsafe())
  }
  // Interrupting it would close the connection before the answer.
  const fiber = yield* request.arrayBuffer.pipe(
    Effect.provideService(MaxBodySize, ByteSize.bytes(bytesMax)),
    Effect.forkDetach({ startImmediately: true })
  )
  source?.on("data", count)
  const whole = Effect.matchEffect(Fiber.join(fiber), {
    onFailure: ({ reason }) =>
      reason._tag === "RequestParseError" && reason.reason === "BodyTooLarge"
        ? Effect.fail(new BodyTooLarge())
        : Effect.interrupt,
    onSuccess: () => Effect.void
  })
  const stalled = Effect.gen(function* () {
    let before = -1
    while (before < received && clock.currentTimeMillisUnsafe() - startedAtMillis < arrivalMillis) {
      before = received
      const room = yield* Effect.timeoutOption(Deferred.await(ended), stall)
      if (Option.isSome(room)) break
    }
    return yield* new BodyTooSlow()
  })
  return yield* Effect.raceFirst(whole, stalled).pipe(
    Effect.tap(() => Effect.sync(body.complete)),
    Effect.as(body.release),
    Effect.onExit((exit) =>
      Effect.sync(() => {
        source?.off("data", count)
        if (exit._tag === "Success") return
        body.release()
        // What still arrives waits outside until the connection is closed.
        source?.pause()
      })
    )
  )
})
