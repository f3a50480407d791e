/** Measures accounts: their quota, what is used and held of it, and the rest. */
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { QuotaFeature } from "../QuotaFeature.ts"
import { periodOf } from "./quotaPeriod.ts"
import * as Statements from "./quotaStatements.ts"

export const toDateTime = (date: Date | undefined) =>
  date === undefined ? null : DateTime.fromDateUnsafe(date)

export const make = (sql: SqlClient.SqlClient) => {
  /** Reads several accounts in one snapshot, each in its period. */
  const measure = Effect.fnUntraced(function* (
    items: ReadonlyArray<{
      readonly feature: QuotaFeature
      readonly subject: string | null
      readonly at: Date
    }>
  ) {
    const tenant = yield* Tenant
    const now = yield* Now.now
    const questions = items.map(({ at, feature, subject }) => {
      const period = periodOf(feature, at)
      // Grants of a past period are judged at its end, of a coming one at its beginning.
      const judgedAt =
        period.end !== undefined && period.end <= now
          ? new Date(period.end.getTime() - 1)
          : period.start > now
            ? period.start
            : now
      return {
        tenantId: tenant.id,
        feature: feature.feature,
        subject: subject ?? "",
        period,
        at: judgedAt
      }
    })
    const rows = yield* Statements.measure(sql, questions, now)
    return rows.flatMap(({ granted, held, n, quota, used, value }) => {
      const item = items[n]
      const question = questions[n]
      if (item === undefined || question === undefined) return []
      const { feature, subject } = item
      return [
        {
          feature: feature.feature,
          subject,
          kind: feature.kind,
          granted,
          value: value ?? null,
          periodStart: feature.period === null ? null : toDateTime(question.period.start),
          periodEnd: toDateTime(question.period.end),
          quota,
          used,
          held,
          remaining: Math.max(0, quota - used - held),
          overage: Math.max(0, used + held - quota)
        }
      ]
    })
  })

  return { measure }
}
