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

/**
 * What is known of the request at hand. `tenantId` is filled in by authorization.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestFacts {
  readonly requestId: string
  readonly method: string
  readonly path: string
  readonly startedAtMillis: number
  tenantId: string | undefined
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
  path: pathOnly(url),
  startedAtMillis,
  tenantId: undefined
})

const format = (request: RequestFacts, status: number, endedAtMillis: number): string =>
  `{"timestamp":"${new Date(endedAtMillis).toISOString()}","level":"INFO","message":"request","request_id":"${request.requestId}",` +
  `"tenant_id":${request.tenantId === undefined ? "null" : `"${request.tenantId}"`},"method":"${request.method}",` +
  `"path":${JSON.stringify(request.path)},"status":${status},"duration_ms":${endedAtMillis - request.startedAtMillis}}\n`

/**
 * Writes to standard error, which leaves standard output to results.
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
      if (process.stderr.writableLength > waitingBytesMax) {
        dropped += waiting.split("\n").length - 1
      } else {
        if (dropped > 0)
          waiting = `{"level":"WARN","message":"access log lines dropped","count":${dropped}}\n${waiting}`
        dropped = 0
        process.stderr.write(waiting)
      }
      waiting = ""
    })
    yield* Effect.addFinalizer(() => flush)
    yield* flush.pipe(Effect.repeat(Schedule.spaced(flushInterval)), Effect.forkScoped)
    return {
      record: (request, status, endedAtMillis) => {
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
