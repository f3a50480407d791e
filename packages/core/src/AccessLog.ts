/**
 * One line of JSON for every request, and the facts of the request at hand that other log lines carry.
 *
 * Lines are gathered and written a few times a second: a write for each request costs more than the request's own
 * routing. What is gathered is written before the process ends.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as StandardError from "./StandardError.ts"

/**
 * Why a request was answered 503.
 *
 * @category models
 * @since 0.1.0
 */
export type UnavailableReason =
  | "unreachable"
  | "shutting-down"
  | "read-only"
  | "disk-full"
  | "connections"
  | "resources"
  | "lock"
  | "conflict"
  | "deadline"
  | "gate"
  | "overloaded"
  | "stopping"
  | "other"

/**
 * The reason, with the SQLSTATE and message of the statement that failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Unavailable {
  readonly reason: UnavailableReason
  readonly state?: string | undefined
  readonly message?: string | undefined
}

/**
 * Facts about the current request. Authorization sets `tenantId`; the failure of a statement sets `unavailable`.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestFacts {
  readonly requestId: string
  readonly method: string
  /** Without its query and without keys. */
  path: string
  /** The template of the route that answers; undefined when there is none. */
  route: string | undefined
  readonly startedAtMillis: number
  tenantId: string | undefined
  unavailable: Unavailable | undefined
}

/**
 * @category services
 * @since 0.1.0
 */
export const CurrentRequest = Context.Reference<RequestFacts | undefined>(
  "@hypermarket/core/CurrentRequest",
  {
    defaultValue: () => undefined
  }
)

/**
 * Notes whose request it is.
 *
 * @category combinators
 * @since 0.1.0
 */
export const noteTenant = (tenantId: string): Effect.Effect<void> =>
  Effect.map(CurrentRequest, (request) => {
    if (request !== undefined) request.tenantId = tenantId
  })

/**
 * Notes why the request cannot be answered now.
 *
 * @category combinators
 * @since 0.1.0
 */
export const noteUnavailable = (unavailable: Unavailable): Effect.Effect<void> =>
  Effect.map(CurrentRequest, (request) => {
    if (request !== undefined) request.unavailable = unavailable
  })

/**
 * @category services
 * @since 0.1.0
 */
export class AccessLog extends Context.Service<
  AccessLog,
  {
    readonly record: (request: RequestFacts, status: number, endedAtMillis: number) => void
  }
>()("@hypermarket/core/AccessLog") {}

const flushInterval = "200 millis"
/** A reader of our log that stops reading must not fill our memory: past this many waiting bytes lines are dropped. */
const waitingBytesMax = 8 * 1024 * 1024

/** Query strings and fragments never reach the log: they may carry keys and personal data. */
const pathOnly = (url: string): string => {
  const end = url.search(/[?#]/)
  return end === -1 ? url : url.slice(0, end)
}

const keyText = /hm_([0-9a-f]{32})_[A-Za-z0-9]+/g
const keyIdText = /^hm_[0-9a-f]{32}$/

/**
 * Cuts every key in a text to its id, which names it in the log and opens nothing.
 *
 * @category redaction
 * @since 0.1.0
 */
export const withoutKeys = (text: string): string =>
  text.includes("hm_") ? text.replaceAll(keyText, "hm_$1") : text

/**
 * The parameters of routes that are secret (keys, tokens), by the route's template: a route that has such parameters in
 * its path adds them. In log and problem they are the key's id, or `…`.
 *
 * @category redaction
 * @since 0.1.0
 */
export const SecretParameters = Context.Reference<Map<string, ReadonlyArray<string>>>(
  "@hypermarket/core/AccessLog/SecretParameters",
  { defaultValue: () => new Map() }
)

/**
 * Writes a path for the log: secret parameters as the id of their key, or as `…`.
 *
 * @category redaction
 * @since 0.1.0
 */
export const pathOf = (path: string, template: string, secret: ReadonlyArray<string>): string => {
  if (secret.length === 0) return withoutKeys(path)
  const names = template.split("/")
  return path
    .split("/")
    .map((segment, index) => {
      // The facts of a request have the keys of its path cut to their ids already.
      const shown = withoutKeys(segment)
      if (!secret.some((name) => names[index]?.startsWith(`:${name}`))) return shown
      return keyIdText.test(shown) ? shown : "…"
    })
    .join("/")
}

/**
 * The facts of a new request.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeFacts = (
  requestId: string,
  method: string,
  url: string,
  startedAtMillis: number
): RequestFacts => ({
  requestId,
  method,
  path: withoutKeys(pathOnly(url)),
  route: undefined,
  startedAtMillis,
  tenantId: undefined,
  unavailable: undefined
})

const format = (request: RequestFacts, status: number, endedAtMillis: number): string =>
  `{"timestamp":"${new Date(endedAtMillis).toISOString()}","level":"INFO","message":"request","request_id":"${request.requestId}",` +
  `"tenant_id":${request.tenantId === undefined ? "null" : `"${request.tenantId}"`},"method":"${request.method}",` +
  `"path":${JSON.stringify(request.path)},"route":${JSON.stringify(request.route ?? null)},"status":${status},"duration_ms":${endedAtMillis - request.startedAtMillis}` +
  `${status === 503 && request.unavailable !== undefined ? `,"reason":"${request.unavailable.reason}"` : ""}}\n`

/** Routes that a supervisor asks for every few seconds. */
const probes: ReadonlySet<string> = new Set(["/health/live", "/health/ready", "/metrics"])

const isAnsweredProbe = ({ path }: RequestFacts, status: number): boolean => status < 300 && probes.has(path)

/**
 * Writes to standard error, which leaves standard output to results. Probes and scrapes leave a line only when they are
 * answered with a failure.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<AccessLog> = Layer.effect(
  AccessLog,
  Effect.gen(function* () {
    let waiting = ""
    let dropped = 0
    const flush = Effect.sync(() => {
      if (waiting === "") return
      if (StandardError.waitingBytes() > waitingBytesMax) {
        dropped += waiting.split("\n").length - 1
      } else {
        if (dropped > 0)
          waiting = `{"timestamp":"${new Date().toISOString()}","level":"WARN","message":"Access log lines dropped","count":${dropped}}\n${waiting}`
        dropped = 0
        StandardError.write(waiting)
      }
      waiting = ""
    })
    yield* Effect.addFinalizer(() => flush)
    yield* flush.pipe(Effect.repeat(Schedule.spaced(flushInterval)), Effect.forkScoped)
    return {
      record: (request, status, endedAtMillis) => {
        if (isAnsweredProbe(request, status)) return
        waiting += format(request, status, endedAtMillis)
      }
    }
  })
)

/**
 * Keeps nothing: for tests and for processes that stand behind a proxy which logs already.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDiscard: Layer.Layer<AccessLog> = Layer.succeed(AccessLog, { record: () => undefined })
