/** Begins and ends the attempts of a tenant: those that begin or end together share their statements. */
import * as GroupCommit from "@hypermarket/core/GroupCommit"
import * as Outbox from "@hypermarket/core/Outbox"
import { SecretLost, Secrets, type SecretsNotConfigured } from "@hypermarket/core/Secrets"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as AttemptStatements from "./webhookAttemptStatements.ts"
import { makeDispatcher } from "./webhookDispatch.ts"
import type { Outcome } from "./webhookOutcome.ts"
import * as WebhookSchedule from "./webhookSchedule.ts"
import * as WebhookSignature from "./webhookSignature.ts"
import * as Statements from "./webhookStatements.ts"

export type { AttemptJob } from "./webhookAttemptStatements.ts"

/** An attempt that has begun, with the open secrets of its endpoint. */
export interface Begun extends AttemptStatements.Begun {
  readonly opened: Result.Result<ReadonlyArray<string>, SecretLost | SecretsNotConfigured | SqlError>
}

/** An attempt that has its outcome. */
export interface Ended extends AttemptStatements.Ended {
  readonly endpointId: string
  readonly outcome: Outcome
}

const keyOf = ({ deliveryId, dispatchId }: AttemptStatements.AttemptJob) => `${deliveryId} ${dispatchId}`

/** Makes the function that begins an attempt. Undefined when another job has the delivery. */
export const makeBegin = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const secrets = yield* Secrets

  /** Opens the secrets of several endpoints with one read of the tenant's key. */
  const openAll = Effect.fnUntraced(function* (begun: ReadonlyArray<AttemptStatements.Begun>) {
    const sealed = [...new Set(begun.flatMap((attempt) => attempt.secrets))]
    const results = yield* Effect.result(
      secrets.openAll(
        WebhookSignature.purpose,
        sealed.map((base64) => Buffer.from(base64, "base64"))
      )
    )
    if (Result.isFailure(results)) return () => Result.fail(results.failure)
    const opened = new Map(sealed.map((base64, index) => [base64, results.success[index]]))
    return (attempt: AttemptStatements.Begun) =>
      Result.all(
        attempt.secrets.map((base64) =>
          Result.map(
            opened.get(base64) ??
              Result.fail(new SecretLost({ purpose: WebhookSignature.purpose, reason: "unreadable" })),
            Redacted.value
          )
        )
      )
  })

  return yield* GroupCommit.make({
    sql,
    max: Statements.tenantConcurrency,
    run: Effect.fnUntraced(function* (
      attempts: ReadonlyArray<{ readonly job: AttemptStatements.AttemptJob; readonly at: Date }>
    ) {
      const tenant = yield* Tenant
      const rows = yield* AttemptStatements.begin(sql, tenant.id, attempts)
      const openedOf = yield* openAll(rows)
      const begun = new Map(
        rows.map((row): [string, Begun] => [keyOf(row), { ...row, opened: openedOf(row) }])
      )
      return attempts.map(({ job }) => ({ begun: begun.get(keyOf(job)) }))
    })
  })
})

/**
 * Makes the function that records how an attempt ended: the attempt, the delivery, the endpoint, and what follows. False
 * for one whose delivery another worker has taken over.
 */
export const makeEnd = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const outbox = yield* Outbox.Outbox
  const dispatch = yield* makeDispatcher

  /** Announces that an endpoint fails, or was disabled. The notice does not go to that endpoint. */
  const announce = Effect.fnUntraced(function* (endpointId: string, health: Statements.Health, now: Date) {
    if (!health.isDisabled && !health.isWarned) return
    const event = yield* Outbox.event({
      domain: "events",
      name: health.isDisabled ? "webhook.disabled" : "webhook.failing",
      subject: endpointId,
      time: now,
      data: {
        endpointId,
        reason: health.disabledReason,
        failingSince: health.failingSince?.toISOString() ?? null,
        lastError: health.lastError
      }
    })
    yield* outbox.publish([event])
  })

  const fail = Effect.fnUntraced(function* (tenantId: string, { endpointId, now, outcome }: Ended) {
    const [health] = yield* Statements.fail(sql, tenantId, endpointId, {
      error: outcome.error ?? "",
      isTimeout: outcome.kind === "timeout",
      isGone: outcome.status === 410,
      disableBefore: new Date(now.getTime() - WebhookSchedule.disableMillis),
      warnBefore: new Date(now.getTime() - WebhookSchedule.warnMillis),
      now
    })
    if (health !== undefined) yield* announce(endpointId, health, now)
  })

  /** Writes the health of the endpoints. The outcomes of one endpoint count in their order. */
  const recordHealth = Effect.fnUntraced(function* (tenantId: string, ended: ReadonlyArray<Ended>) {
    const byEndpoint = Map.groupBy(ended, ({ endpointId }) => endpointId)
    const failed = [...byEndpoint].filter(([, list]) => list.some(({ outcome }) => !outcome.isDelivered))
    const delivered = [...byEndpoint.keys()].filter((id) => !failed.some(([failedId]) => failedId === id))
    if (failed.length > 0) {
      yield* AttemptStatements.lockChanged(sql, tenantId, { failed: failed.map(([id]) => id), delivered })
    }
    if (delivered.length > 0) yield* AttemptStatements.recover(sql, tenantId, delivered)
    for (const [endpointId, list] of failed) {
      for (const attempt of list) {
        yield* attempt.outcome.isDelivered
          ? AttemptStatements.recover(sql, tenantId, [endpointId])
          : fail(tenantId, attempt)
      }
    }
    return [...byEndpoint.keys()]
  })

  const inTransaction = transactionOf(sql)
  return yield* GroupCommit.make({
    sql,
    max: Statements.tenantConcurrency,
    run: Effect.fnUntraced(function* (attempts: ReadonlyArray<Ended>) {
      const tenant = yield* Tenant
      return yield* inTransaction(
        Effect.gen(function* () {
          const counted = yield* AttemptStatements.end(sql, tenant.id, attempts)
          const ended = counted.flatMap(({ index }) => attempts[index] ?? [])
          if (ended.length === 0) return attempts.map(() => false)
          const endpointIds = yield* recordHealth(tenant.id, ended)
          const [more] = yield* AttemptStatements.isMoreDue(sql, tenant.id, {
            endpointIds,
            count: ended.length,
            now: new Date(Math.max(...ended.map(({ now }) => now.getTime())))
          })
          // The slots that are free now are given away with the same commit.
          if (more?.isDue === true) yield* dispatch
          const indexes = new Set(counted.map(({ index }) => index))
          return attempts.map((_attempt, index) => indexes.has(index))
        })
      )
    })
  })
})
