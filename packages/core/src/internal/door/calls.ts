/** Runs the calls of a door as promises. */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { isSqlError } from "effect/sql/SqlError"
import type * as Semaphore from "effect/Semaphore"
import * as Schema from "effect/Schema"
import * as CallError from "../../CallError.ts"
import { lineOf } from "../../InputErrors.ts"
import { toPlain } from "./values.ts"

/** An effect of ours. The services that it requires are in the context of its place: the door has built them all. */
export const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> => Effect.isEffect(value)

/** The calls of a connection: those in flight, and whether it takes more. */
export interface Calls {
  isClosed: boolean
  readonly fibers: Set<Fiber.Fiber<unknown, unknown>>
}

/** The calls of one transaction. Its connection is one, so its calls take turns. */
export interface TransactionCalls {
  isEnded: boolean
  readonly turn: Semaphore.Semaphore
  readonly running: Map<Promise<unknown>, string>
}

/** Where a call runs, and under which limits. */
export interface Place {
  readonly calls: Calls
  readonly context: Context.Context<never>
  readonly signal: AbortSignal | undefined
  readonly timeout: number | undefined
  readonly transaction: TransactionCalls | undefined
}

/** The stack at the line of the caller. */
export interface Site {
  readonly stack?: string
}

/** Returns the stack without the frames of `above` and those that it calls. */
export const siteOf = (above: (...args: ReadonlyArray<never>) => unknown): Site => {
  const site: Site = {}
  Error.captureStackTrace(site, above)
  return site
}

/** An error that the function of a transaction threw. It is the caller's and passes untouched. */
export class Thrown {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

/** A problem with entries by field, whose message is the title alone. A console prints the paths as `[Array]`. */
const hasEntries = Schema.is(
  Schema.Struct({
    title: Schema.String,
    errors: Schema.NonEmptyArray(
      Schema.Struct({
        path: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
        message: Schema.String
      })
    )
  })
)

const messageOf = (error: Error): string =>
  hasEntries(error) ? `${error.message}: ${lineOf(error.errors)}` : error.message

const inspectHook = Symbol.for("nodejs.util.inspect.custom")

/**
 * Puts the caller's stack under the header of the error. Masks the hook through which an error would print as a bare
 * object, without name and stack.
 */
export const atSite = (error: unknown, site: Site): unknown => {
  if (!(error instanceof Error) || !Object.isExtensible(error)) return error
  const frames = site.stack?.indexOf("\n    at ") ?? -1
  const message = messageOf(error)
  const header = message === "" ? error.name : `${error.name}: ${message}`
  Object.defineProperties(error, {
    message: { value: message, configurable: true, writable: true },
    stack: {
      value: header + (frames === -1 ? "" : (site.stack ?? "").slice(frames)),
      configurable: true,
      writable: true
    },
    [inspectHook]: { value: undefined, configurable: true }
  })
  return error
}

/** Marks an error after which the caller does not know whether the call was done. */
const asUnknown = (error: unknown): unknown => {
  if (error instanceof Error && Object.isExtensible(error) && !("outcome" in error)) {
    Object.defineProperty(error, "outcome", { value: "unknown", enumerable: true, configurable: true })
  }
  return error
}

const isConnectionLost = (error: unknown): boolean =>
  isSqlError(error) && error.reason._tag === "ConnectionError"

const failureOf = (place: Place, method: string, site: Site, cause: Cause.Cause<unknown>): unknown => {
  const failed = cause.reasons.find(Cause.isFailReason)
  if (failed !== undefined) {
    const { error } = failed
    if (error instanceof Thrown) return error.error
    return atSite(isConnectionLost(error) ? asUnknown(error) : error, site)
  }
  if (Cause.hasInterruptsOnly(cause)) {
    if (place.signal?.aborted === true) return asUnknown(place.signal.reason)
    return atSite(new CallError.ConnectionClosed({ method, outcome: "unknown" }), site)
  }
  return Cause.squash(cause)
}

const refusalOf = (
  place: Place,
  method: string
): CallError.ConnectionClosed | CallError.TransactionEnded | undefined => {
  if (place.transaction === undefined) {
    return place.calls.isClosed ? new CallError.ConnectionClosed({ method, outcome: "none" }) : undefined
  }
  return place.transaction.isEnded ? new CallError.TransactionEnded({ method }) : undefined
}

/** Limits an effect to the time and the turn of its place. */
const limited = <A, E>(
  place: Place,
  method: string,
  effect: Effect.Effect<A, E>
): Effect.Effect<A, E | CallError.DeadlineExceeded> => {
  const inTurn = place.transaction === undefined ? effect : place.transaction.turn.withPermit(effect)
  const millis = place.timeout
  return millis === undefined
    ? inTurn
    : Effect.timeoutOrElse(inTurn, {
        duration: millis,
        orElse: () => Effect.fail(new CallError.DeadlineExceeded({ method, millis, outcome: "unknown" }))
      })
}

/** Runs a call. Its errors have the stack of `site`. */
export const run = <A>(
  place: Place,
  method: string,
  site: Site,
  effect: Effect.Effect<A, unknown>
): Promise<A> => {
  const refusal = refusalOf(place, method)
  if (refusal !== undefined) return Promise.reject(atSite(refusal, site))
  const { calls, signal, transaction } = place
  if (signal?.aborted === true) return Promise.reject(signal.reason)
  const call = new Promise<A>((resolve, reject) => {
    const fiber = Effect.runForkWith(place.context)(limited(place, method, effect))
    const abort = () => fiber.interruptUnsafe()
    calls.fibers.add(fiber)
    signal?.addEventListener("abort", abort, { once: true })
    fiber.addObserver((exit) => {
      calls.fibers.delete(fiber)
      signal?.removeEventListener("abort", abort)
      if (Exit.isSuccess(exit)) resolve(exit.value)
      else reject(failureOf(place, method, site, exit.cause))
    })
  })
  if (transaction !== undefined) {
    transaction.running.set(call, method)
    const remove = () => transaction.running.delete(call)
    call.then(remove, remove)
  }
  return call
}

/** Runs a call whose answer is data. */
export const runPlain = (
  place: Place,
  method: string,
  site: Site,
  effect: Effect.Effect<unknown, unknown>
): Promise<unknown> => run(place, method, site, Effect.map(effect, toPlain))
