/** The statements on usage that happened: records and facts. */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { keyKeptMillis, type Account } from "./quotaStatements.ts"

/** Usage that happened, to be counted once per key. */
export interface Entry {
  readonly account: Account
  readonly key: string
  /** Identifies the request, see {@link recordFingerprint}. */
  readonly request: string
  readonly amount: number
  readonly occurredAt: Date
}

/** Identifies usage among the requests of one key. */
export const recordFingerprint = (feature: string, subject: string, amount: number): string =>
  JSON.stringify(["record", feature, subject, amount])

/** Appends the usage whose keys were not used before. Each key is named once. */
export const append = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  tenantId: string,
  entries: ReadonlyArray<Entry>,
  now: Date
) {
  const wanted = yield* Effect.forEach(entries, ({ account, amount, key, occurredAt, request }) =>
    Effect.map(Identifier.next, (id) => ({
      id,
      key,
      request,
      feature: account.feature,
      subject: account.subject,
      start: account.period.start.toISOString(),
      end: account.period.end?.toISOString() ?? null,
      amount: String(amount),
      occurred: occurredAt.toISOString(),
      // Usage may be ahead of the clock by a day: its key outlives the age at which a fact is refused.
      expires: new Date(Math.max(now.getTime(), occurredAt.getTime()) + keyKeptMillis).toISOString()
    }))
  )
  yield* sql`
    WITH wanted AS MATERIALIZED (
      SELECT *
        FROM json_to_recordset(${JSON.stringify(wanted)}::text::json)
               AS w (id uuid, key text, request text, feature text, subject text, start timestamptz, "end" timestamptz,
                     amount bigint, occurred timestamptz, expires timestamptz)
    ),
    -- In the order of the keys: two batches with the same keys wait for each other in one order.
    keyed AS (
      INSERT INTO hm_quota_key (tenant_id, key, request, result_id, expires_at)
      SELECT ${tenantId}, key, request, id, expires
        FROM wanted
       ORDER BY key
          ON CONFLICT DO NOTHING
      RETURNING result_id
    ),
    changed AS (
      INSERT INTO hm_quota_delta (tenant_id, feature, subject, period_start, delta_id, period_end, used, held)
      SELECT ${tenantId}, w.feature, w.subject, w.start, w.id, w."end", w.amount, 0
        FROM keyed k
        JOIN wanted w
          ON w.id = k.result_id
    )
    INSERT INTO hm_quota_ledger (tenant_id, recorded_at, entry_id, feature, subject, period_start, kind, amount, occurred_at)
    SELECT ${tenantId}, ${now}, w.id, w.feature, w.subject, w.start, 'record', w.amount, w.occurred
      FROM keyed k
      JOIN wanted w
        ON w.id = k.result_id
  `
})

/** The request that each key was used with. */
export const usedKeys = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  tenantId: string,
  keys: ReadonlyArray<string>
) {
  const rows = yield* sql<{ readonly key: string; readonly request: string }>`
    SELECT k.key, k.request
      FROM json_array_elements_text(${JSON.stringify(keys)}::text::json) AS w (key)
     CROSS JOIN LATERAL (
           SELECT key, request
             FROM hm_quota_key
            WHERE tenant_id = ${tenantId} AND key = w.key
           ) k
  `
  return new Map(rows.map(({ key, request }) => [key, request]))
})
