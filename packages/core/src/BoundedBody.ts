/**
 * Bodies of requests as a stream with bounds: bytes sent, bytes after decompression, the sender's rate, and the memory that
 * all bodies of a process and of a tenant hold together.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Option from "effect/Option"
import type * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Tenant from "./Tenant.ts"
import * as BudgetCount from "./internal/body/budget.ts"
import * as Inflate from "./internal/body/inflate.ts"

/**
 * Counts the memory that bodies hold.
 *
 * @category models
 * @since 0.1.0
 */
export type BodyBudget = BudgetCount.BodyBudget

/**
 * A budget of these sizes, in bytes.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeBudget: (options: {
  readonly processBytesMax: number
  readonly tenantBytesMax: number
}) => BodyBudget = BudgetCount.make

/** Half of what an API process of 512 MiB has; past it a body is refused with 429. */
const processBytesMax = 256 * 1024 * 1024
/** One tenant leaves as much to all others. */
const tenantBytesMax = 128 * 1024 * 1024

/**
 * The budget of the process.
 *
 * @category services
 * @since 0.1.0
 */
export const Budget = Context.Reference<BodyBudget>("@hypermarket/core/BoundedBody/Budget", {
  defaultValue: () => makeBudget({ processBytesMax, tenantBytesMax })
})

/**
 * `sent`: more bytes arrived, or were announced, than the endpoint accepts. `inflated`: more came out of decompression.
 * `ratio`: more than `bytesMax` came out of those bytes that had been read. That is 100 times as many, and never under 1 MiB.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooLarge extends HttpApiError.Problem<TooLarge>()(
  "TooLarge",
  {
    type: "urn:hypermarket:problem:core:payload-too-large",
    status: 413,
    title: "The body is larger than this endpoint accepts"
  },
  { limit: Schema.Literals(["sent", "inflated", "ratio"]), bytesMax: Schema.Int }
) {}

/**
 * The sender kept less than the endpoint's rate for ten seconds.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooSlow extends HttpApiError.Problem<TooSlow>()(
  "TooSlow",
  {
    type: "urn:hypermarket:problem:core:body-too-slow",
    status: 408,
    title: "The body arrives too slowly"
  },
  { bytesPerSecondMin: Schema.Number }
) {}

/**
 * `coding`: `Content-Encoding` is not one of gzip, deflate, br, zstd, or names several. `data`: the bytes are not in that
 * coding, or end early. `connection`: the sender went away.
 *
 * @category errors
 * @since 0.1.0
 */
export class Broken extends HttpApiError.Problem<Broken>()(
  "Broken",
  {
    type: "urn:hypermarket:problem:core:body-broken",
    status: 400,
    title: "The body cannot be read"
  },
  { reason: Schema.Literals(["coding", "data", "connection"]) }
) {}

/**
 * The bodies that are being read hold as much memory as they may.
 *
 * @category errors
 * @since 0.1.0
 */
export class BudgetExceeded extends HttpApiError.Problem<BudgetExceeded>()(
  "BudgetExceeded",
  {
    type: "urn:hypermarket:problem:core:body-budget-exceeded",
    status: 429,
    title: "Too many large bodies are being read; try again"
  },
  { budget: Schema.Literals(["process", "tenant"]) }
) {}

/**
 * The errors an endpoint declares.
 *
 * @category errors
 * @since 0.1.0
 */
export const errors = [TooLarge, TooSlow, Broken, BudgetExceeded] as const

/**
 * @category errors
 * @since 0.1.0
 */
export type BodyRefused = TooLarge | TooSlow | Broken | BudgetExceeded

/**
 * @category models
 * @since 0.1.0
 */
export interface Bounds {
  /** Bytes on the wire. */
  readonly sentMax: number
  /** Bytes after decompression; of a body that is not compressed, too. */
  readonly inflatedMax: number
  /** Bytes per second on the wire, over ten seconds of waiting for the sender. */
  readonly minRate: number
}

/**
 * The time over which a sender's rate is measured. One lost packet costs less; a thousand slow senders are gone after it.
 */
const rateWindowMillis = 10_000

/**
 * Bytes out of a decoder per byte that went in. JSON of telemetry compresses to between a fifth and a thirtieth, and a
 * bomb to a thousandth. A body past it is refused with 413, so that who wants much inflated has to send a hundredth of it.
 */
const inflationRatioMax = 100
/** The ratio is not looked at up to here: a short text that repeats itself costs a few milliseconds. */
const inflatedFreeBytes = 1024 * 1024

/** A body that inflates to no more takes a millisecond, less than the stream and the fibers that would inflate it. */
const atOnceBytesMax = 256 * 1024

type Chunks = Arr.NonEmptyReadonlyArray<Uint8Array>

const bytesOf = (chunks: Chunks): number => chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)

/** Counts what arrives. The time in which the consumer works does not count against the sender. */
const bounded = <E>(
  pull: Pull.Pull<Chunks, E>,
  bounds: Bounds,
  clock: Clock.Clock
): Pull.Pull<Chunks, E | TooLarge | TooSlow> => {
  // Made when it is needed: an error reads the stack.
  const tooSlow = Effect.suspend(() => Effect.fail(new TooSlow({ bytesPerSecondMin: bounds.minRate })))
  const windowBytesMin = (bounds.minRate * rateWindowMillis) / 1_000
  let sentBytes = 0
  let windowBytes = 0
  let waitedMillis = 0
  return Effect.suspend(() => {
    const startedAtMillis = clock.currentTimeMillisUnsafe()
    // A window that has its bytes may end in silence; the next one then has to be silent to its end.
    const patienceMillis = (windowBytes < windowBytesMin ? 1 : 2) * rateWindowMillis - waitedMillis
    return pull.pipe(
      Effect.timeoutOrElse({
        duration: bounds.minRate > 0 ? Math.max(patienceMillis, 0) : Duration.infinity,
        orElse: () => tooSlow
      }),
      Effect.flatMap((chunks): Effect.Effect<Chunks, TooLarge | TooSlow> => {
        const bytes = bytesOf(chunks)
        waitedMillis += clock.currentTimeMillisUnsafe() - startedAtMillis
        sentBytes += bytes
        windowBytes += bytes
        if (sentBytes > bounds.sentMax) {
          return Effect.fail(new TooLarge({ limit: "sent", bytesMax: bounds.sentMax }))
        }
        if (waitedMillis >= rateWindowMillis) {
          if (windowBytes < windowBytesMin) return tooSlow
          waitedMillis = 0
          windowBytes = 0
        }
        return Effect.succeed(chunks)
      })
    )
  })
}

/** Counts what goes to the consumer, and holds the memory of it until the consumer asks for more. */
const budgeted = <E>(
  pull: Pull.Pull<Chunks, E>,
  bounds: Bounds,
  decoder: { readonly windowBytesMax: number; readonly inflatableBytes: () => number },
  budget: BodyBudget,
  tenantId: string | undefined
): Effect.Effect<Pull.Pull<Chunks, E | TooLarge | BudgetExceeded>, never, Scope.Scope> => {
  let inflatedBytes = 0
  let heldBytes = 0
  const hold = (bytes: number): "process" | "tenant" | undefined => {
    const exhausted = bytes > heldBytes ? budget.take(tenantId, bytes - heldBytes) : undefined
    if (exhausted !== undefined) return exhausted
    if (bytes < heldBytes) budget.give(tenantId, heldBytes - bytes)
    heldBytes = bytes
    return undefined
  }
  const counted = Effect.flatMap(pull, (chunks): Effect.Effect<Chunks, TooLarge | BudgetExceeded> => {
    const bytes = bytesOf(chunks)
    inflatedBytes += bytes
    if (inflatedBytes > bounds.inflatedMax) {
      return Effect.fail(new TooLarge({ limit: "inflated", bytesMax: bounds.inflatedMax }))
    }
    const inflatableBytes = decoder.inflatableBytes()
    if (inflatedBytes > inflatableBytes) {
      return Effect.fail(new TooLarge({ limit: "ratio", bytesMax: inflatableBytes }))
    }
    const exhausted = hold(bytes + Math.min(inflatedBytes, decoder.windowBytesMax))
    return exhausted === undefined
      ? Effect.succeed(chunks)
      : Effect.fail(new BudgetExceeded({ budget: exhausted }))
  })
  return Effect.as(
    Effect.addFinalizer(() => Effect.sync(() => void hold(0))),
    counted
  )
}

const noDecoder = { windowBytesMax: 0, inflatableBytes: () => Infinity }

const connectionBroken = new Broken({ reason: "connection" })
const dataBroken = new Broken({ reason: "data" })

/**
 * Returns the body, inflated from gzip, deflate, br or zstd, chunk by chunk. Nothing is read before the stream is pulled, and
 * no more than two chunks ahead of the consumer. A chunk counts against the {@link Budget} of the process, and of the tenant
 * when there is one in the context, until the next is pulled. Work on the body item by item, or use {@link collect}.
 *
 * @category combinators
 * @since 0.1.0
 */
export const read = (
  request: Pick<HttpServerRequest, "headers" | "stream">,
  bounds: Bounds
): Stream.Stream<Uint8Array, BodyRefused> => {
  const announcedBytes = Number(request.headers["content-length"] ?? 0)
  if (announcedBytes > bounds.sentMax) {
    return Stream.fail(new TooLarge({ limit: "sent", bytesMax: bounds.sentMax }))
  }
  const coding = Inflate.codingOf(request.headers["content-encoding"])
  if (coding === "unsupported") return Stream.fail(new Broken({ reason: "coding" }))
  const source = Stream.mapError(request.stream, () => connectionBroken)
  return Stream.transformPull(source, (pull, scope) =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const budget = yield* Budget
      const tenant = yield* Effect.serviceOption(Tenant.Tenant)
      const tenantId = Option.getOrUndefined(tenant)?.id
      const sent = bounded(pull, bounds, clock)
      if (coding === "none") return yield* budgeted(sent, bounds, noDecoder, budget, tenantId)
      let readBytes = 0
      const inflated = yield* Inflate.inflate(coding, sent, dataBroken, (bytes) => {
        readBytes += bytes
      })
      const decoder = {
        windowBytesMax: Inflate.windowBytesMax[coding],
        inflatableBytes: () => Math.max(inflatedFreeBytes, inflationRatioMax * readBytes)
      }
      return yield* budgeted(inflated, bounds, decoder, budget, tenantId)
    }).pipe(Scope.provide(scope))
  )
}

/**
 * Returns the whole body, which counts against the {@link Budget} until the scope closes: for a body that is parsed at once.
 *
 * @category combinators
 * @since 0.1.0
 */
export const collect = (
  request: Pick<HttpServerRequest, "headers" | "stream">,
  bounds: Bounds
): Effect.Effect<Uint8Array, BodyRefused, Scope.Scope> =>
  Effect.gen(function* () {
    const budget = yield* Budget
    const tenant = yield* Effect.serviceOption(Tenant.Tenant)
    const tenantId = Option.getOrUndefined(tenant)?.id
    const chunks: Array<Uint8Array> = []
    let heldBytes = 0
    yield* Effect.addFinalizer(() => Effect.sync(() => budget.give(tenantId, heldBytes)))
    yield* Stream.runForEach(read(request, bounds), (chunk) => {
      const exhausted = budget.take(tenantId, chunk.byteLength)
      if (exhausted !== undefined) return Effect.fail(new BudgetExceeded({ budget: exhausted }))
      heldBytes += chunk.byteLength
      chunks.push(chunk)
      return Effect.void
    })
    return new Uint8Array(Buffer.concat(chunks))
  })

/**
 * Returns the whole of a body that has arrived, as {@link collect} does, but for the rate of its sender. A small one is inflated
 * without a stream.
 *
 * @category combinators
 * @since 0.1.0
 */
export const collectArrived = (
  request: Pick<HttpServerRequest, "headers">,
  sent: Uint8Array,
  bounds: Omit<Bounds, "minRate">
): Effect.Effect<Uint8Array, BodyRefused, Scope.Scope> => {
  const coding = Inflate.codingOf(request.headers["content-encoding"])
  const isSmall = sent.byteLength <= Math.min(atOnceBytesMax, bounds.sentMax, bounds.inflatedMax)
  const body = !isSmall
    ? "large"
    : coding === "none"
      ? sent
      : coding === "gzip" || coding === "deflate"
        ? Inflate.inflateAtOnce(coding, sent, Math.min(atOnceBytesMax, bounds.inflatedMax))
        : "large"
  if (body === "broken") return Effect.fail(dataBroken)
  if (body === "large") {
    return collect({ headers: request.headers, stream: Stream.make(sent) }, { ...bounds, minRate: 0 })
  }
  return Effect.gen(function* () {
    const budget = yield* Budget
    const tenantId = Option.getOrUndefined(yield* Effect.serviceOption(Tenant.Tenant))?.id
    // Noted here: bytes that are moved to a thread have no length afterwards.
    const { byteLength } = body
    const exhausted = budget.take(tenantId, byteLength)
    if (exhausted !== undefined) return yield* new BudgetExceeded({ budget: exhausted })
    yield* Effect.addFinalizer(() => Effect.sync(() => budget.give(tenantId, byteLength)))
    return body
  })
}
