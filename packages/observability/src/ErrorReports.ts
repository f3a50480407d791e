/**
 * Reports the errors of an Effect application: failures that reach `Effect.withErrorReporting` or the edge of an HTTP server, and
 * lines of the log at `Error` and `Fatal`.
 *
 * Reporting never fails and never waits. Events wait in a bounded queue, and a stop sends what is left. The fiber that sends
 * has neither reporter nor reporting logger, so that reporting is never reported.
 *
 * @since 0.1.0
 */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ErrorReporter from "effect/ErrorReporter"
import type * as Fiber from "effect/Fiber"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpBody from "effect/http/HttpBody"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import type * as Schema from "effect/Schema"
import { randomUUID } from "node:crypto"
import { ErrorIntake } from "./ErrorIntake.ts"
import { fieldOf, recordOf } from "./internal/boundedJson.ts"
import * as ErrorEvent from "./internal/errorEvent.ts"
import * as Metrics from "./internal/metrics.ts"
import * as SentryItems from "./internal/sentryItems.ts"
import { systemProjectId } from "./internal/systemProject.ts"
import * as Unreported from "./internal/unreported.ts"

/** Events that wait to be sent. The newest are dropped past it, and counted. */
const waitingMax = 200
/** Events per minute. A fault in every request fills neither the queue nor the disk. */
const perMinuteMax = 120
const minuteMillis = 60_000
const sendTimeout = "10 seconds"
/** Of the ten seconds that a stop has. */
const flushTimeout = "2 seconds"
const sendAttempts = 3

/**
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** For example `shop@2.10.0`. */
  readonly release?: string
  /** Tags of every event. */
  readonly tags?: Readonly<Record<string, string>>
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Details {
  /** @default "error" */
  readonly level?: "error" | "fatal"
  /** The circumstances, such as the line of a log. */
  readonly message?: string
  readonly tags?: Readonly<Record<string, string>>
  readonly extra?: Readonly<Record<string, unknown>>
}

type Event = Readonly<Record<string, Schema.Json>>

/**
 * Queues errors to be reported.
 *
 * @category services
 * @since 0.1.0
 */
export class ErrorReports extends Context.Service<
  ErrorReports,
  {
    /** Queues an error. Never throws. */
    readonly capture: (error: unknown, details?: Details) => void
  }
>()("@hypermarket/observability/ErrorReports") {}

const lost = (reason: "queue-full" | "rate" | "not-sent" | "unreadable") =>
  Metric.withAttributes(Metrics.reportsLostTotal, { reason }).updateUnsafe(1, Context.empty())

/** The queue and the fiber that empties it. */
const make = Effect.fnUntraced(function* (
  options: Options,
  send: (event: Event) => Effect.Effect<void, unknown>
) {
  const clock = yield* Clock.Clock
  const queue = yield* Queue.dropping<Event>(waitingMax)
  const captured = new WeakSet<object>()
  let windowMillis = 0
  let inWindow = 0
  let waiting = 0
  let isStopped = false

  const sendOne = (event: Event) =>
    send(event).pipe(
      Effect.timeout(sendTimeout),
      Effect.retry({ times: sendAttempts - 1, schedule: Schedule.exponential(Duration.millis(500)) }),
      Effect.catchCause(() => Effect.sync(() => lost("not-sent"))),
      Effect.ensuring(
        Effect.sync(() => {
          waiting--
        })
      )
    )
  yield* Queue.take(queue).pipe(
    Effect.flatMap(sendOne),
    Effect.forever,
    Effect.provideService(Unreported.Unreported, true),
    Effect.forkScoped
  )
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      isStopped = true
      return waiting
    }).pipe(
      Effect.repeat({ until: (left) => left === 0, schedule: Schedule.spaced("20 millis") }),
      Effect.timeoutOption(flushTimeout)
    )
  )

  const offer = (error: unknown, { extra, level = "error", message, tags }: Details) => {
    if (isStopped) return
    if (typeof error === "object" && error !== null) {
      if (captured.has(error)) return
      captured.add(error)
    }
    const atMillis = clock.currentTimeMillisUnsafe()
    if (atMillis - windowMillis >= minuteMillis) {
      windowMillis = atMillis
      inWindow = 0
    }
    inWindow++
    if (inWindow > perMinuteMax) return lost("rate")
    const event = ErrorEvent.make(
      { error, level, message, tags: { ...options.tags, ...tags }, extra },
      { eventId: randomUUID().replaceAll("-", ""), atMillis, release: options.release }
    )
    if (!Queue.offerUnsafe(queue, event)) return lost("queue-full")
    waiting++
  }

  return ErrorReports.of({
    capture: (error, details = {}) => {
      try {
        offer(error, details)
      } catch {
        // The details are those of the caller: reading them may run its code.
        lost("unreadable")
      }
    }
  })
})

const encoder = new TextEncoder()

interface Target {
  readonly url: string
  readonly key: string
}

/** A DSN is `https://<key>@<host>/sentry/<project>`. */
const targetOf = (dsn: string): Target | undefined => {
  const url = URL.parse(dsn)
  const [, path = "", project] = /^(.*)\/(\d+)$/.exec(url?.pathname ?? "") ?? []
  return url === null || url.username === "" || project === undefined
    ? undefined
    : { url: `${url.origin}${path}/api/${project}/envelope/`, key: url.username }
}

/**
 * Reports to the project of a DSN over HTTP. An empty DSN reports nothing. Dies when the DSN has no key or no project.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDsn = (
  options: Options & { readonly dsn: string }
): Layer.Layer<ErrorReports, never, HttpClient.HttpClient> =>
  Layer.effect(
    ErrorReports,
    Effect.gen(function* () {
      if (options.dsn === "") return ErrorReports.of({ capture: () => undefined })
      const target = targetOf(options.dsn)
      if (target === undefined) {
        return yield* Effect.die(new TypeError("A DSN is https://<key>@<host>/sentry/<project>"))
      }
      const client = yield* HttpClient.HttpClient
      return yield* make(options, (event) =>
        Effect.gen(function* () {
          const header = {
            event_id: event["event_id"] ?? "",
            sent_at: yield* Effect.map(Now.now, (now) => now.toISOString())
          }
          const lines = [header, { type: "event" }, event].map((line) => JSON.stringify(line))
          const response = yield* client.execute(
            HttpClientRequest.post(target.url).pipe(
              HttpClientRequest.setHeader(
                "x-sentry-auth",
                `Sentry sentry_version=7, sentry_key=${target.key}`
              ),
              HttpClientRequest.setBody(
                HttpBody.uint8Array(encoder.encode(lines.join("\n")), "application/x-sentry-envelope")
              )
            )
          )
          // Anything else that is refused is refused again.
          if (response.status === 429 || response.status >= 500) return yield* Effect.fail(response.status)
          if (response.status >= 400) lost("not-sent")
        })
      )
    })
  )

/**
 * Reports to the project of the installation, `_system`, in this process: through the intake and its spool, without a DSN and
 * without HTTP. It goes on while the database is unavailable when there is a spool.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSystem = (options: Options): Layer.Layer<ErrorReports, never, ErrorIntake> =>
  Layer.effect(
    ErrorReports,
    Effect.gen(function* () {
      const intake = yield* ErrorIntake
      return yield* make(options, (event) =>
        Effect.gen(function* () {
          const now = yield* Now.now
          const { submission } = yield* SentryItems.read(
            {
              header: {},
              items: [{ type: "event", header: {}, payload: encoder.encode(JSON.stringify(event)) }]
            },
            {
              tenantId: Tenant.system,
              projectId: systemProjectId,
              receivedAtMillis: now.getTime(),
              keepsAddresses: false,
              clientAddress: "",
              rules: [],
              newEventId: yield* Identifier.next
            }
          )
          yield* intake.submit(submission)
        })
      )
    })
  )

const isUnreported = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.getRef(Unreported.Unreported)

/** A refusal that the caller's own input has earned is no error of the application. */
const isRefusal = (error: unknown): boolean => {
  const status = fieldOf(error, "status")
  return typeof status === "number" && status < 500
}

/** A proxy may throw when it is asked. */
const isIgnored = (error: unknown): boolean => {
  try {
    return ErrorReporter.isIgnored(error)
  } catch {
    return false
  }
}

/** The errors of a cause, without interruptions. */
const errorsOf = (cause: Cause.Cause<unknown>): ReadonlyArray<unknown> =>
  cause.reasons.flatMap((reason): ReadonlyArray<unknown> => {
    if (reason._tag === "Interrupt") return []
    const error = reason._tag === "Fail" ? reason.error : reason.defect
    return isIgnored(error) || (reason._tag === "Fail" && isRefusal(error)) ? [] : [error]
  })

const reporterOf = ({ capture }: ErrorReports["Service"]): ErrorReporter.ErrorReporter => ({
  [ErrorReporter.TypeId]: ErrorReporter.TypeId,
  report: ({ cause, fiber }) => {
    if (isUnreported(fiber)) return
    for (const error of errorsOf(cause)) capture(error)
  }
})

/** Arguments of one line of the log that are read. */
const partsMax = 20

const messageOf = (part: unknown): string => (typeof part === "string" ? part : "")

const loggerOf = ({ capture }: ErrorReports["Service"]) =>
  Logger.make<unknown, void>(({ cause, fiber, logLevel, message }) => {
    if (LogLevel.isLessThan(logLevel, "Error") || isUnreported(fiber)) return
    const parts = Array.isArray(message) ? message : [message]
    const text = parts
      .slice(0, partsMax)
      .map(messageOf)
      .filter((part) => part !== "")
      .join(" ")
    const extra = Object.assign({}, ...parts.slice(0, partsMax).map(recordOf))
    const level = logLevel === "Fatal" ? "fatal" : "error"
    const errors = errorsOf(cause)
    if (errors.length === 0 && cause.reasons.length === 0) capture(undefined, { level, message: text, extra })
    for (const error of errors) capture(error, { level, message: text, extra })
  })

/**
 * Reports what `Effect.withErrorReporting`, HTTP servers and the log at `Error` and `Fatal` bring, beside the reporters and
 * loggers that there are. Interruptions, failures marked with `ErrorReporter.ignore` and problems below 500 are left out.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerReporting: Layer.Layer<never, never, ErrorReports> = Layer.unwrap(
  Effect.map(ErrorReports, (reports) =>
    Layer.merge(
      ErrorReporter.layer([reporterOf(reports)], { mergeWithExisting: true }),
      Logger.layer([loggerOf(reports)], { mergeWithExisting: true })
    )
  )
)

/**
 * Reports the errors of a plain Node application to the project of a DSN. `close` sends what waits.
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = (
  options: Options & { readonly dsn: string }
): {
  readonly captureException: (error: unknown, details?: Details) => void
  readonly close: () => Promise<void>
} => {
  const runtime = ManagedRuntime.make(layerDsn(options).pipe(Layer.provide(FetchHttpClient.layer)))
  const { capture } = runtime.runSync(ErrorReports)
  return { captureException: capture, close: () => runtime.dispose() }
}
