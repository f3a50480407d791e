/** The events of thresholds: one per threshold, period and limit. */
import * as Outbox from "@hypermarket/core/Outbox"
import * as Effect from "effect/Effect"
import type { Account, Outcome } from "./quotaStatements.ts"

/** Makes the events of the thresholds that a fold has reached. */
export const thresholdEvents = (account: Account, outcome: Outcome, now: Date) =>
  Effect.forEach(outcome.reached, (percent) =>
    Outbox.event({
      domain: "quotas",
      name: "threshold.reached",
      subject: account.feature,
      time: now,
      data: {
        feature: account.feature,
        subject: account.subject === "" ? null : account.subject,
        percent,
        quota: outcome.quota,
        used: outcome.used,
        periodStart: account.period.start.toISOString(),
        periodEnd: account.period.end?.toISOString() ?? null
      }
    })
  )
