/** The change that the outcome of an attempt makes to its message. */
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { SendOutcome } from "../MailProvider.ts"
import type { NotificationSuppressions } from "../NotificationSuppressions.ts"
import type * as Composition from "./composition.ts"
import type * as Statements from "./deliveryStatements.ts"

/** Doubles from half a minute to an hour: some six hours in all. */
const backoffBaseMillis = 30_000
const backoffMaxMillis = 3_600_000

const backoff = (attempts: number, now: Date): Date =>
  new Date(now.getTime() + Math.min(backoffMaxMillis, backoffBaseMillis * 2 ** Math.max(0, attempts - 1)))

const outcomes = Metric.counter("hm_notifications_messages_total", {
  description: "Messages by channel and outcome of the attempt",
  incremental: true
})

const uncertainTotal = Metric.counter("hm_notifications_uncertain_total", {
  description: "Attempts whose outcome is unknown",
  incremental: true
})

/** Counts changes in the metrics. */
export const count = (changes: ReadonlyArray<Statements.Change>) =>
  Effect.forEach(
    changes,
    ({ reason, state }) =>
      Effect.andThen(
        Metric.update(Metric.withAttributes(outcomes, { channel: "email", state }), 1),
        reason === "outcome-unknown" ? Metric.update(uncertainTotal, 1) : Effect.void
      ),
    { discard: true }
  )

export const make = (suppressions: NotificationSuppressions["Service"], attemptsMax: number) => {
  /** Suppresses the address of a mailbox that does not exist. */
  const changeOf = Effect.fnUntraced(function* (ready: Composition.Ready, outcome: SendOutcome) {
    const now = yield* Now.now
    const id = ready.row.notificationId
    const attempts = ready.row.attempts + 1
    const isLast = attempts >= attemptsMax
    const again = (reason: string): Statements.Change =>
      isLast
        ? { id, state: "dead", reason, dueAt: null }
        : { id, state: "retry", reason, dueAt: backoff(attempts, now) }
    switch (outcome._tag) {
      case "accepted":
        return {
          id,
          state: "accepted",
          reason: null,
          dueAt: null,
          providerMessageId: outcome.detail
        } as const
      case "bounced":
        yield* suppressions.suppressReported([
          { address: ready.address, reason: "bounce", detail: outcome.detail }
        ])
        return { id, state: "bounced", reason: outcome.detail, dueAt: null } as const
      case "refused":
        return { id, state: "dead", reason: outcome.detail, dueAt: null } as const
      case "unsupported":
        return { id, state: "dead", reason: "address_unsupported", dueAt: null } as const
      case "deferred":
        return again(outcome.detail)
      case "unknown":
        if (ready.row.whenUnknown === "retry" && !isLast) {
          return { id, state: "retry", reason: "outcome-unknown", dueAt: backoff(attempts, now) } as const
        }
        return { id, state: "unknown", reason: "outcome-unknown", dueAt: null } as const
    }
  })

  return { changeOf }
}
