/** Counts denials in memory and writes them by the minute: a denied check writes nothing. */
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as SqlClient from "effect/sql/SqlClient"

interface Count {
  readonly tenant: string
  readonly policy: string
  denied: number
  shadowed: number
}

export interface DenialLog {
  readonly denied: (owner: string, policy: string) => void
  readonly shadowed: (owner: string, policy: string) => void
}

/** One row per policy and minute, however many were denied. */
const interval = "60 seconds"

const minuteMillis = 60_000

/** Starts the writer of a process. It writes once more when the scope closes. */
export const make = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  const counts = new Map<string, Count>()
  const countOf = (tenant: string, policy: string): Count => {
    const key = `${tenant}\n${policy}`
    const existing = counts.get(key)
    if (existing !== undefined) return existing
    const fresh = { tenant, policy, denied: 0, shadowed: 0 }
    counts.set(key, fresh)
    return fresh
  }

  const write = Effect.gen(function* () {
    if (counts.size === 0) return
    const rows = Array.from(counts.entries())
      .toSorted(([left], [right]) => (left < right ? -1 : 1))
      .map(([, count]) => count)
    counts.clear()
    const now = yield* Now.now
    const minute = new Date(Math.floor(now.getTime() / minuteMillis) * minuteMillis)
    yield* sql`
      INSERT INTO hm_rate_denial AS d (tenant_id, policy, minute, denied, shadowed)
      SELECT r.tenant, r.policy, ${minute}, r.denied, r.shadowed
        FROM json_to_recordset(${JSON.stringify(rows)}::text::json)
               AS r (tenant text, policy text, denied bigint, shadowed bigint)
          ON CONFLICT (tenant_id, policy, minute)
          DO UPDATE SET denied = d.denied + excluded.denied,
                        shadowed = d.shadowed + excluded.shadowed
    `
  }).pipe(Effect.catchCause((cause) => Effect.logWarning("Counts of denials were lost", cause)))

  yield* Effect.addFinalizer(() => write)
  yield* Effect.forkScoped(Effect.repeat(write, Schedule.spaced(interval)))

  const log: DenialLog = {
    denied: (owner, policy) => {
      countOf(owner, policy).denied++
    },
    shadowed: (owner, policy) => {
      countOf(owner, policy).shadowed++
    }
  }
  return log
})
