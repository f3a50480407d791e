/** Statements that enforce the limits of a queue. They run in the transaction of the claim. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { quarantinePrefix } from "../jobRow.ts"
import type { Tables } from "../tables.ts"

/** Number of jobs that may be claimed now. */
export interface Allowance {
  readonly jobs: number
  /** Time until the rate allows the next job; 0 when the rate is not exceeded. */
  readonly waitMillis: number
}

export interface LimitStatements {
  /**
   * Locks the settings of the queue, so that no other worker counts concurrently, and returns the remaining allowance. Jobs
   * of an expired lease count until it is reaped: the limit is never exceeded, and for a second it may be too low.
   */
  readonly allowance: (tenantId: string, queue: string, now: Date) => Effect.Effect<Allowance, SqlError>
  /** Charges the claimed jobs to the rate. */
  readonly pay: (tenantId: string, queue: string, jobs: number, now: Date) => Effect.Effect<void, SqlError>
}

interface Limits {
  readonly concurrencyMax: number | null
  readonly rateMax: number | null
  readonly ratePeriodMillis: number | null
  readonly paidForMillis: number
}

export const make = (sql: SqlClient.SqlClient, t: Tables): LimitStatements => {
  const definition = sql.literal(t.definition)
  const lease = sql.literal(t.lease)

  const allowance: LimitStatements["allowance"] = Effect.fnUntraced(function* (tenantId, queue, now) {
    const [limits] = yield* sql<Limits>`
      SELECT concurrency_max AS "concurrencyMax", rate_max AS "rateMax", rate_period_millis AS "ratePeriodMillis",
             (1000 * extract(epoch FROM greatest(coalesce(rate_paid_until, ${now}), ${now}) - ${now}::timestamptz))::float8
               AS "paidForMillis"
        FROM ${definition}
       WHERE tenant_id = ${tenantId} AND queue = ${queue}
         FOR UPDATE
    `
    if (limits === undefined) return { jobs: Number.MAX_SAFE_INTEGER, waitMillis: 0 }
    const { concurrencyMax, paidForMillis, rateMax, ratePeriodMillis } = limits
    let jobs = Number.MAX_SAFE_INTEGER
    let waitMillis = 0
    if (concurrencyMax !== null) {
      // A separate statement: its snapshot is later than the lock, and includes the leases of the last claim.
      const [leased] = yield* sql<{ readonly count: number }>`
        SELECT coalesce(sum(jobs_count - cardinality(done)), 0)::int AS count
          FROM ${lease}
         WHERE tenant_id = ${tenantId} AND queue IN (${queue}, ${quarantinePrefix + queue})
      `
      jobs = Math.max(0, concurrencyMax - (leased?.count ?? 0))
    }
    if (rateMax !== null && ratePeriodMillis !== null) {
      // GCRA (ITU-T I.371), with a burst of one period.
      const intervalMillis = ratePeriodMillis / rateMax
      const byRate = Math.floor((ratePeriodMillis - paidForMillis) / intervalMillis + 1e-6)
      if (byRate < 1) waitMillis = Math.max(1, paidForMillis + intervalMillis - ratePeriodMillis)
      jobs = Math.min(jobs, Math.max(0, byRate))
    }
    return { jobs, waitMillis }
  })

  const pay: LimitStatements["pay"] = (tenantId, queue, jobs, now) =>
    Effect.asVoid(sql`
      UPDATE ${definition}
         SET rate_paid_until = greatest(coalesce(rate_paid_until, ${now}), ${now})
                               + ${jobs}::int * (rate_period_millis::float8 / rate_max) * interval '1 millisecond'
       WHERE tenant_id = ${tenantId} AND queue = ${queue} AND rate_max IS NOT NULL
    `)

  return { allowance, pay }
}
