/**
 * Sends the deliveries of webhooks: chooses what is due, posts it signed, and records the outcome. Run by the worker.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import {
  type OutboundAnswer,
  type OutboundFailed,
  OutboundHttp,
  type OutboundRefused
} from "@hypermarket/core/OutboundHttp"
import type { SecretLost, Secrets, SecretsNotConfigured } from "@hypermarket/core/Secrets"
import * as Storage from "@hypermarket/core/Storage"
import { type AllTenants, Tenant } from "@hypermarket/core/Tenant"
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import type * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Attempts from "./internal/webhookAttempts.ts"
import { bodyOf } from "./internal/webhookBody.ts"
import { makeDispatcher } from "./internal/webhookDispatch.ts"
import * as WebhookHold from "./internal/webhookHold.ts"
import * as Outcome from "./internal/webhookOutcome.ts"
import * as WebhookSchedule from "./internal/webhookSchedule.ts"
import * as WebhookSignature from "./internal/webhookSignature.ts"
import * as Statements from "./internal/webhookStatements.ts"

/** From the look-up of the name to the last byte of the answer. */
const deadline = "15 seconds"

/** Bytes of an answer that are read, so that a receiver that answers in pieces has its connection closed in order. */
const answerBytesMax = 64 * 1024

const attemptsTotal = Metric.counter("hm_events_webhook_attempts_total", {
  description: "Attempts of webhook deliveries, by outcome",
  incremental: true
})

const attemptSeconds = Metric.histogram("hm_events_webhook_attempt_seconds", {
  description: "Duration of attempts of webhook deliveries",
  boundaries: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15]
})

const Payload = Schema.Struct({ deliveryId: Schema.String, dispatchId: Schema.String })
const decodePayload = Schema.decodeUnknownEffect(Payload)

/**
 * A restart of the server is outlasted. Without its outcome a delivery that was answered is sent again, a minute later. The
 * deadline of the job leaves 15 s beside the request.
 */
const outage = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(
  Schedule.upTo({ duration: "10 seconds" })
)

const outlastOutage = <A, R>(self: Effect.Effect<A, SqlError, R>): Effect.Effect<A, SqlError, R> =>
  Effect.retry(self, { while: Storage.isRetryable, schedule: outage })

/** A round of the sweep ends before the next one is due. */
const sweepLimit = "4 seconds"

/**
 * Sends deliveries. Calls of several workers never send one delivery at the same time.
 *
 * @category services
 * @since 0.1.0
 */
export class WebhookSender extends Context.Service<
  WebhookSender,
  {
    /** Enqueues an attempt for each due delivery that has a free slot. Returns the count. */
    readonly dispatch: Effect.Effect<number, SqlError, Tenant>
    /** Makes the attempt that a job names. Nothing is sent when the delivery has another job by now. */
    readonly attempt: (payload: unknown) => Effect.Effect<void, Schema.SchemaError | SqlError, Tenant>
    /** Returns attempts whose worker was lost to the schedule, and dispatches what is due, for every tenant. */
    readonly sweep: Effect.Effect<void, SqlError, AllTenants>
    /**
     * Ends deliveries that were held for 30 days, or of which an endpoint has more than 100,000. Deletes deliveries 30 days
     * after their end, and messages that no delivery needs.
     */
    readonly prune: Effect.Effect<void, SqlError, AllTenants>
  }
>()("@hypermarket/events/WebhookSender") {
  static readonly layer: Layer.Layer<
    WebhookSender,
    never,
    SqlClient.SqlClient | Wakeup | Secrets | OutboundHttp
  > = Layer.effect(
    WebhookSender,
    Effect.suspend(() => make)
  )
}

const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const http = yield* OutboundHttp
  const dispatcher = yield* makeDispatcher
  const begin = yield* Attempts.makeBegin
  const end = yield* Attempts.makeEnd

  const dispatch = Effect.withSpan(dispatcher, "WebhookSender.dispatch")

  const send = Effect.fnUntraced(function* (
    begun: Attempts.Begun,
    at: Date
  ): Effect.fn.Return<
    Result.Result<OutboundAnswer, OutboundRefused | OutboundFailed>,
    SecretLost | SecretsNotConfigured | SqlError
  > {
    const { messageId, url } = begun
    const { body, contentType } = bodyOf(begun, begun.format)
    const opened = yield* Effect.fromResult(begun.opened)
    const signed = WebhookSignature.headersOf({ messageId, at, body, secrets: opened })
    return yield* Effect.result(
      http.send({
        method: "POST",
        url,
        headers: {
          "content-type": contentType,
          "user-agent": "hypermarket-webhooks",
          ...signed
        },
        body: new TextEncoder().encode(body),
        deadline,
        answerMax: answerBytesMax
      })
    )
  })

  /** Records how an attempt ended, in one transaction with others that end now. */
  const finish = Effect.fnUntraced(function* (
    job: typeof Payload.Type,
    begun: Attempts.Begun,
    outcome: Outcome.Outcome,
    times: { readonly startedAt: Date; readonly durationMillis: number }
  ) {
    const now = yield* Now.now
    const attempts = begun.attempts + (outcome.isDelivered ? 0 : 1)
    const wait = outcome.isDelivered
      ? undefined
      : WebhookSchedule.waitMillis({
          attempts,
          status: outcome.status,
          retryAfter: outcome.retryAfterMillis,
          chance: yield* Random.next
        })
    yield* end({
      job,
      endpointId: begun.endpointId,
      outcome,
      state: outcome.isDelivered ? "delivered" : wait === undefined ? "dead" : "waiting",
      attempts,
      nextAt: new Date(now.getTime() + (wait ?? 0)),
      number: begun.sends,
      attemptedAt: times.startedAt,
      durationMillis: times.durationMillis,
      status: outcome.status ?? null,
      error: outcome.error ?? null,
      answer: outcome.answer,
      now
    })
  })

  const attempt = Effect.fn("WebhookSender.attempt")(function* (payload: unknown) {
    const tenant = yield* Tenant
    const job = yield* decodePayload(payload)
    const startedAt = yield* Now.now
    const { begun } = yield* outlastOutage(begin({ job, at: startedAt }))
    if (begun === undefined) {
      yield* Statements.release(sql, tenant.id, job)
      return
    }
    const clockBefore = yield* Clock.currentTimeMillis
    const outcome = yield* send(begun, startedAt).pipe(
      Effect.flatMap((answer) => Effect.map(Now.now, (now) => Outcome.of(answer, now))),
      // Without its secret nothing is sent; the endpoint shows why, and the schedule goes on.
      Effect.catchTags({
        SecretLost: () => Effect.succeed(Outcome.secretUnavailable),
        SecretsNotConfigured: () => Effect.succeed(Outcome.secretUnavailable)
      })
    )
    const durationMillis = Math.max(0, (yield* Clock.currentTimeMillis) - clockBefore)
    yield* Metric.update(Metric.withAttributes(attemptsTotal, { outcome: outcome.kind }), 1)
    yield* Metric.update(attemptSeconds, durationMillis / 1_000)
    yield* outlastOutage(finish(job, begun, outcome, { startedAt, durationMillis }))
  })

  const sweep = Effect.gen(function* () {
    const now = yield* Now.now
    yield* EachTenant.run({
      loop: "events.webhook.sweep",
      items: yield* Statements.dueTenants(sql, now),
      limit: sweepLimit,
      turn: Effect.fnUntraced(function* ({ tenantId }) {
        const lost = yield* Statements.reclaim(sql, tenantId, now, WebhookSchedule.attemptsMax)
        if (lost.length > 0) {
          yield* Metric.update(Metric.withAttributes(attemptsTotal, { outcome: "lost" }), lost.length)
        }
        return { count: yield* dispatch, hasMore: false }
      })
    }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
  }).pipe(Effect.withSpan("WebhookSender.sweep"))

  const prune = Effect.gen(function* () {
    const now = yield* Now.now
    yield* WebhookHold.end(sql, now)
    const before = new Date(now.getTime() - Statements.keepMillis)
    yield* Statements.pruneDeliveries(sql, before).pipe(
      Effect.repeat({ while: (rows) => rows.length >= Statements.pruneMax })
    )
    yield* Statements.pruneMessages(sql, before).pipe(
      Effect.repeat({ while: (rows) => rows.length >= Statements.pruneMax })
    )
  }).pipe(Effect.withSpan("WebhookSender.prune"))

  return WebhookSender.of({ dispatch, attempt, sweep, prune })
})
