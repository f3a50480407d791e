/**
 * How much products are wanted: sums of what users did, exponentially decayed over three windows.
 *
 * A sum halves every day, week or 30 days. It is kept as of a time and decayed when it is read or added to, so that
 * products nobody asks for cost nothing. Signals are added in batches by a job; each is added exactly once, because it
 * leaves the table of pending ones in the transaction that adds it.
 *
 * @since 0.1.0
 */
import { now } from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import type { SqlError } from "effect/sql/SqlError"

/**
 * @category models
 * @since 0.1.0
 */
export const Popularity = Schema.Struct({ day: Schema.Number, week: Schema.Number, month: Schema.Number })

/**
 * @category models
 * @since 0.1.0
 */
export type Popularity = typeof Popularity.Type

const daySeconds = 86_400

/**
 * Half-lives in seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const halfLifeSeconds: Readonly<Record<keyof Popularity, number>> = {
  day: daySeconds,
  week: 7 * daySeconds,
  month: 30 * daySeconds
}

/**
 * A score some seconds later. Postgres fails on a result that is too small for a double: what is as good as nothing is
 * nothing.
 */
export const decayed = (
  sql: SqlClient.SqlClient,
  {
    halfLife,
    score,
    seconds
  }: { readonly score: Fragment; readonly seconds: Fragment; readonly halfLife: Fragment }
): Fragment => sql`
  CASE WHEN ${score} < 1e-100 OR ${seconds} / ${halfLife} > 100 THEN 0
       ELSE ${score} * power(2, -greatest(0, ${seconds}) / ${halfLife}) END
`

const windows = ["day", "week", "month"] as const

/** Signals added by one statement. */
const countMax = 10_000
const tenantsMax = 1_000

/**
 * @category services
 * @since 0.1.0
 */
export class ProductPopularity extends Context.Service<
  ProductPopularity,
  {
    /** As of now; zeros for a product nobody has asked for. */
    readonly get: (productId: string) => Effect.Effect<Popularity, SqlError, Tenant>
    /** Adds what is pending of every tenant. Returns the number of signals. */
    readonly count: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/search/ProductPopularity") {
  static readonly layer: Layer.Layer<ProductPopularity, never, SqlClient.SqlClient> = Layer.effect(
    ProductPopularity,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const get = Effect.fn("ProductPopularity.get")(function* (productId: string) {
        const tenant = yield* Tenant
        const moment = yield* now
        const rows = yield* sql<{
          readonly decayWindow: keyof Popularity
          readonly score: number
          readonly countedAt: Date
        }>`
          SELECT decay_window AS "decayWindow", score, counted_at AS "countedAt"
            FROM hm_product_popularity_signal
           WHERE tenant_id = ${tenant.id} AND decay_window = ANY (${windows}::text[]) AND product_id = ${productId}
        `
        const scores = { day: 0, week: 0, month: 0 }
        for (const { countedAt, decayWindow, score } of rows) {
          const seconds = Math.max(0, (moment.getTime() - countedAt.getTime()) / 1000)
          scores[decayWindow] = score * 2 ** (-seconds / halfLifeSeconds[decayWindow])
        }
        return scores
      })

      const countOf = Effect.fnUntraced(function* (tenantId: string) {
        const moment = yield* now
        const [row] = yield* sql<{ readonly count: number }>`
          WITH taken AS (
            DELETE FROM hm_search_popularity_pending
             WHERE tenant_id = ${tenantId}
               AND pending_seq = ANY (ARRAY (
                   SELECT pending_seq
                     FROM hm_search_popularity_pending
                    WHERE tenant_id = ${tenantId}
                    ORDER BY pending_seq
                    LIMIT ${countMax}
                      FOR UPDATE SKIP LOCKED))
            RETURNING product_id, weight, occurred_at),
          decay AS (
            SELECT *
              FROM unnest(${windows}::text[], ${windows.map((window) => halfLifeSeconds[window])}::int4[])
                   AS w (decay_window, half_life)),
          added AS (
            INSERT INTO hm_product_popularity_signal AS p (tenant_id, product_id, decay_window, score, counted_at)
            SELECT ${tenantId}, t.product_id, w.decay_window,
                   sum(${decayed(sql, {
                     score: sql`t.weight`,
                     seconds: sql`extract(epoch FROM ${moment}::timestamptz - t.occurred_at)::float8`,
                     halfLife: sql`w.half_life`
                   })}),
                   ${moment}::timestamptz
              FROM taken t
              CROSS JOIN decay w
             GROUP BY t.product_id, w.decay_window
             ORDER BY w.decay_window, t.product_id
                ON CONFLICT (tenant_id, decay_window, product_id)
                DO UPDATE SET counted_at = greatest(p.counted_at, excluded.counted_at),
                              score = excluded.score + ${decayed(sql, {
                                score: sql`p.score`,
                                seconds: sql`extract(epoch FROM excluded.counted_at - p.counted_at)::float8`,
                                halfLife: sql`(SELECT w.half_life FROM decay w WHERE w.decay_window = p.decay_window)`
                              })})
          SELECT count(*)::int AS count FROM taken
        `
        return row?.count ?? 0
      })

      const count = Effect.gen(function* () {
        yield* AllTenants
        const tenants = yield* sql<{ readonly tenantId: string }>`
          SELECT DISTINCT tenant_id AS "tenantId" FROM hm_search_popularity_pending LIMIT ${tenantsMax}
        `
        let all = 0
        for (const { tenantId } of tenants) {
          for (;;) {
            const counted = yield* countOf(tenantId)
            all += counted
            if (counted < countMax) break
          }
        }
        return all
      }).pipe(Effect.withSpan("ProductPopularity.count"))

      return ProductPopularity.of({ get, count })
    })
  )
}
