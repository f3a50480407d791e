/** The statements that make and settle reservations. */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { keyKeptMillis, type Account } from "./quotaStatements.ts"

/** A reservation that fits its balance. */
export interface Granted {
  readonly reservationId: string
  readonly key: string
  /** Identifies the request: another one with the same key is refused. */
  readonly request: string
  readonly amount: number
  readonly expiresAt: Date
}

/**
 * Writes reservations, and returns the ids of those whose keys no other transaction has used meanwhile. The caller holds the balance
 * and names each key once.
 */
export const reserve = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  account: Account,
  isSlot: boolean,
  now: Date,
  granted: ReadonlyArray<Granted>
) {
  const { feature, period, subject, tenantId } = account
  const wanted = yield* Effect.forEach(granted, ({ amount, expiresAt, key, request, reservationId }) =>
    Effect.map(Identifier.next, (entry) => ({
      id: reservationId,
      entry,
      key,
      request,
      amount: String(amount),
      expires: expiresAt.toISOString()
    }))
  )
  const rows = yield* sql<{ readonly reservationId: string }>`
    WITH wanted AS MATERIALIZED (
      SELECT *
        FROM json_to_recordset(${JSON.stringify(wanted)}::text::json)
               AS w (id uuid, entry uuid, key text, request text, amount bigint, expires timestamptz)
    ),
    -- In the order of the keys: two batches with the same keys wait for each other in one order.
    keyed AS (
      INSERT INTO hm_quota_key (tenant_id, key, request, result_id, expires_at)
      SELECT ${tenantId}, key, request, id, ${new Date(now.getTime() + keyKeptMillis)}
        FROM wanted
       ORDER BY key
          ON CONFLICT DO NOTHING
      RETURNING result_id
    ),
    reserved AS (
      INSERT INTO hm_quota_reservation (tenant_id, reservation_id, feature, subject, period_start, period_end, slot, amount,
                                        status, expires_at, recorded_at)
      SELECT ${tenantId}, w.id, ${feature}, ${subject}, ${period.start}, ${period.end ?? null}, ${isSlot}::boolean, w.amount,
             'open', w.expires, ${now}
        FROM keyed k
        JOIN wanted w
          ON w.id = k.result_id
      RETURNING reservation_id, amount
    ),
    logged AS (
      INSERT INTO hm_quota_ledger (tenant_id, recorded_at, entry_id, feature, subject, period_start, kind, amount,
                                   reservation_id, occurred_at)
      SELECT ${tenantId}, ${now}, w.entry, ${feature}, ${subject}, ${period.start}, 'reserve', w.amount, w.id, ${now}
        FROM keyed k
        JOIN wanted w
          ON w.id = k.result_id
    ),
    balanced AS (
      UPDATE hm_tenant_quota
         SET held = held + (SELECT coalesce(sum(amount), 0) FROM reserved)::bigint
       WHERE tenant_id = ${tenantId} AND feature = ${feature} AND subject = ${subject}
         AND period_start = ${period.start}
    )
    SELECT reservation_id::text AS "reservationId"
      FROM reserved
  `
  return new Set(rows.map(({ reservationId }) => reservationId))
})

/** How a reservation is settled. */
export interface Settlement {
  readonly reservationId: string
  readonly status: "committed" | "released"
  /** All that is reserved when it is undefined. */
  readonly amount: number | undefined
}

/**
 * Settles open reservations, each of which is named once, appends to the ledger, and returns the rows of those that it settled.
 * Touches no balance. With `skipsLocked` it leaves out what another transaction holds, and does not wait for it.
 */
export const settle = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  tenantId: string,
  columns: (alias: string) => string,
  settlements: ReadonlyArray<Settlement>,
  now: Date,
  options: { readonly skipsLocked: boolean }
) {
  const wanted = yield* Effect.forEach(settlements, ({ amount, reservationId, status }) =>
    Effect.map(Identifier.next, (entry) => ({
      id: reservationId,
      entry,
      status,
      amount: amount === undefined ? null : String(amount)
    }))
  )
  return yield* sql`
    WITH wanted AS MATERIALIZED (
      SELECT *
        FROM json_to_recordset(${JSON.stringify(wanted)}::text::json)
               AS w (id uuid, entry uuid, status text, amount bigint)
    ),
    -- In the order of their ids: two batches with the same reservations wait for each other in one order.
    locked AS MATERIALIZED (
      SELECT w.*
        FROM (
             SELECT *
               FROM wanted
              ORDER BY id
             ) w
       CROSS JOIN LATERAL (
             SELECT 1
               FROM hm_quota_reservation r
              WHERE r.tenant_id = ${tenantId} AND r.reservation_id = w.id
                AND r.status = 'open'
                AND r.expires_at > ${now}
                AND NOT (r.slot AND w.status = 'committed')
                AND r.amount >= coalesce(w.amount, r.amount)
                FOR UPDATE ${sql.literal(options.skipsLocked ? "SKIP LOCKED" : "")}
             ) r
    ),
    settled AS (
      UPDATE hm_quota_reservation r
         SET status = l.status,
             committed = CASE WHEN l.status = 'committed' THEN coalesce(l.amount, r.amount) END,
             settled_at = ${now}
        FROM locked l
       WHERE r.tenant_id = ${tenantId} AND r.reservation_id = l.id
      RETURNING r.*, l.entry
    ),
    changed AS (
      INSERT INTO hm_quota_delta (tenant_id, feature, subject, period_start, delta_id, period_end, used, held)
      SELECT tenant_id, feature, subject, period_start, entry, period_end, coalesce(committed, 0), -amount
        FROM settled
    ),
    logged AS (
      INSERT INTO hm_quota_ledger (tenant_id, recorded_at, entry_id, feature, subject, period_start, kind, amount,
                                   reservation_id, occurred_at)
      SELECT tenant_id, ${now}, entry, feature, subject, period_start,
             CASE WHEN status = 'committed' THEN 'commit' ELSE 'release' END, coalesce(committed, amount), reservation_id, ${now}
        FROM settled
    )
    SELECT ${sql.literal(columns("s"))}
      FROM settled s
  `
})
