/**
 * The background work of quotas: full buckets and old rows are deleted, expired reservations and recorded usage are folded into
 * balances.
 *
 * @since 0.1.0
 */
import * as Now from "@hypermarket/core/Now"
import * as Outbox from "@hypermarket/core/Outbox"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { clockOf } from "./internal/bucketStatements.ts"
import * as QuotaCatalog from "./internal/quotaCatalog.ts"
import { periodOf } from "./internal/quotaPeriod.ts"
import * as Statements from "./internal/quotaStatements.ts"
import { thresholdEvents } from "./internal/quotaThreshold.ts"
import * as RatePresence from "./internal/ratePresence.ts"
import { RateClock } from "./RateClock.ts"

const foldFailures = Metric.counter("hm_quota_fold_failures_total", {
  description: "Balances that could not be folded",
  incremental: true
})

/** Rows that a statement walks: some 20 ms, so that a check never waits long for a row of it. */
const sweepBatch = 2_000

/** Balances per round: the rest is folded by the next one. */
const balancesMax = 1_000

/** Balances of one tenant per round, so that a large tenant does not delay the others. */
const balancesPerTenantMax = 100

/** Rows that a statement deletes. */
const pruneBatch = 5_000

const denialKeptMillis = 30 * 24 * 60 * 60 * 1_000

interface Due {
  readonly tenantId: string
  readonly feature: string
  readonly subject: string
  readonly start: Date
  readonly end: Date | null
}

/**
 * @category services
 * @since 0.1.0
 */
export class QuotaMaintenance extends Context.Service<
  QuotaMaintenance,
  {
    /** Deletes the rows of full buckets and returns how many. Walks the table by its primary key, 2,000 rows per statement. */
    readonly sweep: Effect.Effect<number, SqlError, AllTenants>
    /** Records unlogged tables that lost their rows, for doctor. */
    readonly watch: Effect.Effect<void, SqlError, AllTenants>
    /**
     * Folds balances that have changes and expires reservations, at most 1,000 balances per call and 100 per tenant. Each
     * balance has its own transaction: one that fails is logged and counted, and the others go on.
     */
    readonly fold: Effect.Effect<number, SqlError, AllTenants>
    /**
     * Deletes keys and settled reservations after 35 days, counts of denials after 30, ended states of limiters, and what revoked
     * grants have burnt.
     */
    readonly prune: Effect.Effect<void, SqlError, AllTenants>
  }
>()("@hypermarket/quotas/QuotaMaintenance") {
  static readonly layer: Layer.Layer<QuotaMaintenance, never, SqlClient.SqlClient> = Layer.effect(
    QuotaMaintenance,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const { offsetMicros } = yield* RateClock
      const outbox = yield* Outbox.Outbox
      const catalog = QuotaCatalog.make(sql)

      const sweep = Effect.fn("QuotaMaintenance.sweep")(function* () {
        yield* AllTenants
        let deleted = 0
        let after: readonly [string, string, string] = ["", "", ""]
        for (;;) {
          const [row] = yield* sql<{
            readonly walked: number
            readonly deleted: number
            readonly tenant: string | null
            readonly policy: string | null
            readonly bucket: string | null
          }>`
            WITH walked AS MATERIALIZED (
              SELECT tenant_id, policy, bucket, full_micros
                FROM hm_api_rate_limit
               WHERE (tenant_id, policy, bucket) > (${after[0]}, ${after[1]}, ${after[2]})
               ORDER BY tenant_id, policy, bucket
               LIMIT ${sweepBatch}
            ),
            -- A row that a check holds is in use.
            spare AS MATERIALIZED (
              SELECT b.tenant_id, b.policy, b.bucket
                FROM walked w
               CROSS JOIN LATERAL (
                     SELECT b.tenant_id, b.policy, b.bucket
                       FROM hm_api_rate_limit b
                      WHERE b.tenant_id = w.tenant_id AND b.policy = w.policy AND b.bucket = w.bucket
                        AND b.full_micros <= ${clockOf(sql, offsetMicros())}
                        FOR UPDATE SKIP LOCKED
                     ) b
            ),
            deleted AS (
              DELETE FROM hm_api_rate_limit b
               USING spare s
               WHERE b.tenant_id = s.tenant_id AND b.policy = s.policy AND b.bucket = s.bucket
              RETURNING 1
            )
            SELECT (SELECT count(*) FROM walked)::int AS walked,
                   (SELECT count(*) FROM deleted)::int AS deleted,
                   l.tenant_id AS tenant, l.policy, l.bucket
              FROM (SELECT 1) one
              LEFT JOIN LATERAL (
                   SELECT tenant_id, policy, bucket
                     FROM walked
                    ORDER BY tenant_id DESC, policy DESC, bucket DESC
                    LIMIT 1
                   ) l
                ON true
          `
          deleted += row?.deleted ?? 0
          if (row === undefined || row.walked < sweepBatch) return deleted
          after = [row.tenant ?? "", row.policy ?? "", row.bucket ?? ""]
        }
      })

      /** Balances with changes or expired reservations, a share of each tenant. */
      const due = Effect.fnUntraced(function* (now: Date) {
        return yield* sql<Due>`
          WITH changed AS (
            SELECT DISTINCT tenant_id, feature, subject, period_start, period_end
              FROM (
                   SELECT tenant_id, feature, subject, period_start, period_end
                     FROM hm_quota_delta
                   UNION ALL
                   SELECT tenant_id, feature, subject, period_start, period_end
                     FROM hm_quota_reservation
                    WHERE status = 'open' AND expires_at <= ${now}
                   ) c
          ),
          ranked AS (
            SELECT c.*,
                   row_number() OVER (PARTITION BY tenant_id ORDER BY feature, subject, period_start) AS place
              FROM changed c
          )
          SELECT tenant_id AS "tenantId", feature, subject, period_start AS start, period_end AS "end"
            FROM ranked
           WHERE place <= ${balancesPerTenantMax}
           ORDER BY place, tenant_id
           LIMIT ${balancesMax}
        `
      })

      const foldOne = Effect.fnUntraced(function* (balance: Due, now: Date) {
        const start = new Date(balance.start)
        const feature = yield* catalog.getFeature(balance.feature).pipe(
          // A feature that was removed has no thresholds; its balance still agrees with the ledger.
          Effect.catchTag("QuotaFeatureNotFound", () => Effect.succeed({ thresholds: [], period: null }))
        )
        const account = {
          tenantId: balance.tenantId,
          feature: balance.feature,
          subject: balance.subject,
          period: {
            start,
            end: balance.end === null ? undefined : new Date(balance.end),
            previous: feature.period === null ? undefined : periodOf(feature, start).previous
          }
        }
        yield* sql.withTransaction(
          Effect.gen(function* () {
            yield* Statements.lockBalance(sql, account, now)
            const settled = yield* Statements.settle(sql, account, feature, now, [])
            const events = yield* thresholdEvents(account, settled, now)
            if (events.length > 0) yield* outbox.publish(events)
          })
        )
      })

      const fold = Effect.fn("QuotaMaintenance.fold")(function* () {
        yield* AllTenants
        const now = yield* Now.now
        const balances = yield* due(now)
        let folded = 0
        for (const balance of balances) {
          const exit = yield* Effect.exit(
            foldOne(balance, now).pipe(provide(TenantId.make(balance.tenantId)))
          )
          if (Exit.isSuccess(exit)) {
            folded++
          } else if (Cause.hasInterrupts(exit.cause)) {
            return yield* Effect.failCause(exit.cause)
          } else {
            yield* Metric.update(foldFailures, 1)
            yield* Effect.logWarning(`A balance of ${balance.tenantId} was not folded`, exit.cause)
          }
        }
        return folded
      })

      const prune = Effect.fn("QuotaMaintenance.prune")(function* () {
        yield* AllTenants
        const now = yield* Now.now
        const old = new Date(now.getTime() - Statements.keyKeptMillis)
        const deleting = [
          sql`
            DELETE FROM hm_quota_key
             WHERE (tenant_id, key) IN (
                   SELECT tenant_id, key
                     FROM hm_quota_key
                    WHERE expires_at <= ${now}
                    LIMIT ${pruneBatch}
                   )
            RETURNING 1
          `,
          sql`
            DELETE FROM hm_quota_reservation
             WHERE (tenant_id, reservation_id) IN (
                   SELECT tenant_id, reservation_id
                     FROM hm_quota_reservation
                    WHERE status <> 'open' AND settled_at <= ${old}
                    LIMIT ${pruneBatch}
                   )
            RETURNING 1
          `,
          sql`
            DELETE FROM hm_quota_burn
             WHERE (tenant_id, feature, subject, period_start, grant_id) IN (
                   SELECT b.tenant_id, b.feature, b.subject, b.period_start, b.grant_id
                     FROM hm_quota_burn b
                    WHERE NOT EXISTS (
                          SELECT 1
                            FROM hm_quota_grant g
                           WHERE g.tenant_id = b.tenant_id AND g.feature = b.feature AND g.subject = b.subject
                             AND g.grant_id = b.grant_id
                          )
                    LIMIT ${pruneBatch}
                   )
            RETURNING 1
          `,
          sql`
            DELETE FROM hm_rate_store
             WHERE (tenant_id, kind, key) IN (
                   SELECT tenant_id, kind, key
                     FROM hm_rate_store
                    WHERE expires_at <= to_timestamp((${clockOf(sql, offsetMicros())}) / 1000000.0)
                    LIMIT ${pruneBatch}
                      FOR UPDATE SKIP LOCKED
                   )
            RETURNING 1
          `,
          sql`
            DELETE FROM hm_rate_denial
             WHERE (tenant_id, policy, minute) IN (
                   SELECT tenant_id, policy, minute
                     FROM hm_rate_denial
                    WHERE minute <= ${new Date(now.getTime() - denialKeptMillis)}
                    LIMIT ${pruneBatch}
                   )
            RETURNING 1
          `
        ]
        for (const statement of deleting) {
          yield* Effect.repeat(statement, { until: (rows) => rows.length < pruneBatch })
        }
      })

      const watch = Effect.fn("QuotaMaintenance.watch")(function* () {
        yield* AllTenants
        yield* RatePresence.watch(sql)
      })

      return QuotaMaintenance.of({ sweep: sweep(), watch: watch(), fold: fold(), prune: prune() })
    })
  )
}
