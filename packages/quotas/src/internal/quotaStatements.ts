/** The statements on balances, reservations and the ledger. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { QuotaFeature } from "../QuotaFeature.ts"
import { Json } from "./column.ts"
import * as QuotaAllowance from "./quotaAllowance.ts"
import type { Period } from "./quotaPeriod.ts"

/** One balance: a feature, a subject (empty for the tenant itself) and a period. */
export interface Account {
  readonly tenantId: string
  readonly feature: string
  readonly subject: string
  readonly period: Period
}

/** Deltas and expired reservations that one statement folds. The rest waits for the next one. */
const foldMax = 5_000

/** Longer than any client retries. */
export const keyKeptMillis = 35 * 24 * 60 * 60 * 1_000

/** The row `w` that the texts of `quotaAllowance` read. */
const accountRow = (sql: SqlClient.SqlClient, account: Account, now: Date) => sql`
  SELECT ${account.tenantId}::text AS tenant, ${account.feature}::text AS feature, ${account.subject}::text AS subject,
         ${account.period.start}::timestamptz AS start, ${account.period.end ?? null}::text::timestamptz AS "end",
         ${account.period.previous ?? null}::text::timestamptz AS previous, ${now}::timestamptz AS at
`

/**
 * Waits for the balance and holds it until the transaction ends. The first change after the period has begun decides what rolled
 * over into it.
 */
export const lockBalance = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  account: Account,
  now: Date
) {
  const lock = sql<{ readonly hasRolled: boolean }>`
    SELECT rolled IS NOT NULL AS "hasRolled"
      FROM hm_tenant_quota
     WHERE tenant_id = ${account.tenantId} AND feature = ${account.feature} AND subject = ${account.subject}
       AND period_start = ${account.period.start}
       FOR UPDATE
  `
  const locked = yield* lock
  if (locked.length === 0) {
    yield* sql`
      INSERT INTO hm_tenant_quota (tenant_id, feature, subject, period_start, period_end, updated_at)
      VALUES (${account.tenantId}, ${account.feature}, ${account.subject}, ${account.period.start},
              ${account.period.end ?? null}, ${now})
          ON CONFLICT DO NOTHING
    `
  }
  const [balance] = locked.length === 0 ? yield* lock : locked
  if (balance?.hasRolled !== false || account.period.start > now) return
  yield* sql`
    UPDATE hm_tenant_quota q
       SET rolled = (${sql.literal(QuotaAllowance.rolledOver)})
      FROM (${accountRow(sql, account, now)}) w
     WHERE q.tenant_id = w.tenant AND q.feature = w.feature AND q.subject = w.subject AND q.period_start = w.start
  `
})

const Outcome = Schema.fromJsonString(
  Schema.Struct({
    quota: Schema.Int,
    used: Schema.Int,
    held: Schema.Int,
    /** Of the keys that were asked about. */
    usedKeys: Schema.Array(Schema.String),
    reached: Schema.Array(Schema.Int)
  })
)
const decodeOutcome = Schema.decodeUnknownEffect(Outcome)

export type Outcome = typeof Outcome.Type

/**
 * Folds what was committed, released and recorded into the balance, and expires reservations. The caller holds the balance, so
 * that the snapshot of this statement sees it as its last holder left it.
 */
export const settle = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  account: Account,
  feature: Pick<QuotaFeature, "thresholds">,
  now: Date,
  keys: ReadonlyArray<string>
) {
  const { period, subject, tenantId } = account
  const [row] = yield* sql<{ readonly outcome: string }>`
    WITH folded AS (
      DELETE FROM hm_quota_delta
       WHERE (tenant_id, feature, subject, period_start, delta_id) IN (
             SELECT tenant_id, feature, subject, period_start, delta_id
               FROM hm_quota_delta
              WHERE tenant_id = ${tenantId} AND feature = ${account.feature} AND subject = ${subject}
                AND period_start = ${period.start}
              ORDER BY delta_id
              LIMIT ${foldMax}
                FOR UPDATE SKIP LOCKED
             )
      RETURNING used, held
    ),
    -- A reservation that is being committed is locked: it is not expired meanwhile.
    lapsing AS (
      SELECT reservation_id
        FROM hm_quota_reservation
       WHERE tenant_id = ${tenantId} AND feature = ${account.feature} AND subject = ${subject}
         AND period_start = ${period.start} AND status = 'open' AND expires_at <= ${now}
       ORDER BY expires_at
       LIMIT ${foldMax}
         FOR UPDATE SKIP LOCKED
    ),
    lapsed AS (
      UPDATE hm_quota_reservation r
         SET status = 'expired', settled_at = ${now}
        FROM lapsing l
       WHERE r.tenant_id = ${tenantId} AND r.reservation_id = l.reservation_id
      RETURNING r.reservation_id, r.amount
    ),
    w AS MATERIALIZED (${accountRow(sql, account, now)}),
    allowance AS MATERIALIZED (
      SELECT (${sql.literal(QuotaAllowance.quota("coalesce(q.rolled, 0)"))}) AS quota
        FROM w
        JOIN hm_tenant_quota q
          ON q.tenant_id = w.tenant AND q.feature = w.feature AND q.subject = w.subject AND q.period_start = w.start
    ),
    balance AS (
      SELECT coalesce(q.rolled, 0) AS rolled,
             (q.used + coalesce((SELECT sum(used) FROM folded), 0))::bigint AS used,
             (q.held + coalesce((SELECT sum(held) FROM folded), 0)
                     - coalesce((SELECT sum(amount) FROM lapsed), 0))::bigint AS held
        FROM hm_tenant_quota q
       WHERE q.tenant_id = ${tenantId} AND q.feature = ${account.feature} AND q.subject = ${subject}
         AND q.period_start = ${period.start}
    ),
    used_key AS (
      SELECT k.key
        FROM json_array_elements_text(${JSON.stringify(keys)}::text::json) AS n (key)
       CROSS JOIN LATERAL (
             SELECT key
               FROM hm_quota_key
              WHERE tenant_id = ${tenantId} AND key = n.key
             ) k
    ),
    logged AS (
      INSERT INTO hm_quota_ledger (tenant_id, recorded_at, entry_id, feature, subject, period_start, kind, amount,
                                   reservation_id, occurred_at)
      -- The id of a reservation is unique among its expiries.
      SELECT ${tenantId}, ${now}, reservation_id, ${account.feature}, ${subject}, ${period.start}, 'expire',
             amount, reservation_id, ${now}
        FROM lapsed
    ),
    balanced AS (
      UPDATE hm_tenant_quota q
         SET used = b.used,
             held = b.held,
             updated_at = ${now}
        FROM balance b
       WHERE q.tenant_id = ${tenantId} AND q.feature = ${account.feature} AND q.subject = ${subject}
         AND q.period_start = ${period.start}
    ),
    burnt AS (
      INSERT INTO hm_quota_burn AS kept (tenant_id, feature, subject, period_start, grant_id, burnt)
      SELECT w.tenant, w.feature, w.subject, w.start, o.grant_id, o.burnt
        FROM w
       CROSS JOIN balance b
       CROSS JOIN LATERAL (${sql.literal(QuotaAllowance.burntOfExpiring("b.used", "b.rolled"))}) o
          ON CONFLICT (tenant_id, feature, subject, period_start, grant_id)
          DO UPDATE SET burnt = excluded.burnt
              WHERE kept.burnt <> excluded.burnt
    ),
    -- The balance is held: no other transaction reaches a threshold of it at the same time.
    reached AS (
      INSERT INTO hm_quota_threshold (tenant_id, feature, subject, period_start, percent, quota, reached_at)
      SELECT ${tenantId}, ${account.feature}, ${subject}, ${period.start}, t.percent::int, a.quota, ${now}
        FROM balance b
       CROSS JOIN allowance a
       CROSS JOIN json_array_elements_text(${JSON.stringify(feature.thresholds)}::text::json) AS t (percent)
       WHERE a.quota > 0 AND b.used::numeric * 100 >= a.quota::numeric * t.percent::int
          ON CONFLICT DO NOTHING
      RETURNING percent
    )
    SELECT json_build_object(
             'quota', a.quota, 'used', b.used, 'held', b.held,
             'usedKeys', coalesce((SELECT json_agg(key) FROM used_key), '[]'),
             'reached', coalesce((SELECT json_agg(percent ORDER BY percent) FROM reached), '[]'))::text AS outcome
      FROM balance b
     CROSS JOIN allowance a
  `
  return yield* Effect.orDie(decodeOutcome(row?.outcome))
})

/** The request that a key was used with, and what it made. */
export const usedKey = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, tenantId: string, key: string) {
  const [row] = yield* sql<{ readonly request: string; readonly resultId: string }>`
    SELECT request, result_id::text AS "resultId"
      FROM hm_quota_key
     WHERE tenant_id = ${tenantId} AND key = ${key}
  `
  return row
})

const Measured = Schema.Array(
  Schema.Struct({
    n: Schema.Int,
    quota: Schema.Int,
    granted: Schema.Boolean,
    value: Schema.Json,
    used: Schema.Int,
    held: Schema.Int
  })
)
const decodeMeasured = Schema.decodeUnknownEffect(Json(Measured))

export interface Question extends Account {
  /** When grants are judged: now, or the end of a past period. */
  readonly at: Date
}

/** Reads accounts in one snapshot: balances, what is not folded yet, and reservations that have lapsed. */
export const measure = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  questions: ReadonlyArray<Question>,
  now: Date
) {
  const wanted = questions.map((question, n) => ({
    n,
    tenant: question.tenantId,
    feature: question.feature,
    subject: question.subject,
    start: question.period.start.toISOString(),
    end: question.period.end?.toISOString() ?? null,
    previous: question.period.start > now ? null : (question.period.previous?.toISOString() ?? null),
    at: question.at.toISOString()
  }))
  const [row] = yield* sql<{ readonly measured: unknown }>`
    SELECT json_agg(json_build_object(
             'n', w.n,
             'quota', (${sql.literal(QuotaAllowance.quota(`coalesce(q.rolled, (${QuotaAllowance.rolledOver}))`))}),
             'granted', g.granted, 'value', g.value,
             'used', coalesce(q.used, 0) + d.used,
             'held', greatest(0, coalesce(q.held, 0) + d.held - l.amount)) ORDER BY w.n)::text AS measured
      FROM json_to_recordset(${JSON.stringify(wanted)}::text::json)
             AS w (n int, tenant text, feature text, subject text, start timestamptz, "end" timestamptz, previous timestamptz,
                   at timestamptz)
      LEFT JOIN hm_tenant_quota q
        ON q.tenant_id = w.tenant AND q.feature = w.feature AND q.subject = w.subject AND q.period_start = w.start
     CROSS JOIN LATERAL (
           SELECT coalesce(sum(d.used), 0)::bigint AS used, coalesce(sum(d.held), 0)::bigint AS held
             FROM hm_quota_delta d
            WHERE d.tenant_id = w.tenant AND d.feature = w.feature AND d.subject = w.subject AND d.period_start = w.start
           ) d
     CROSS JOIN LATERAL (
           SELECT coalesce(sum(r.amount), 0)::bigint AS amount
             FROM hm_quota_reservation r
            WHERE r.tenant_id = w.tenant AND r.feature = w.feature AND r.subject = w.subject
              AND r.period_start = w.start AND r.status = 'open' AND r.expires_at <= ${now}
           ) l
     CROSS JOIN LATERAL (
           SELECT count(*) > 0 AS granted,
                  (array_agg(g.value ORDER BY g.source = 'override' DESC, g.source = 'grant' DESC,
                                              g.effective_at DESC, g.grant_id DESC))[1] AS value
             FROM hm_quota_grant g
            WHERE g.tenant_id = w.tenant AND g.feature = w.feature AND g.subject = w.subject
              AND g.effective_at <= w.at
              AND (g.expires_at IS NULL OR g.expires_at > w.at)
              AND (g.recurring OR (g.effective_at >= w.start AND (w."end" IS NULL OR g.effective_at < w."end")))
           ) g
  `
  return yield* Effect.orDie(decodeMeasured(row?.measured ?? []))
})
