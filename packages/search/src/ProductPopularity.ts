/**
 * The service of popularity. A sum halves every day, week or 30 days.
 *
 * A sum is stored as of a time and decayed when it is read or added to, so a product without signals costs nothing. A job
 * adds signals in batches. Each is added exactly once: the transaction that adds it deletes it from the pending signals.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { decayed } from "./internal/decay.ts"
import { halfLifeSeconds, type Popularity } from "./Popularity.ts"

const windows = ["day", "week", "month"] as const

/** Maximum signals added by one statement; a tenant with more takes several. */
const countMax = 10_000
/** Maximum tenants of one run; the next run takes the rest. */
const tenantsMax = 1_000
/** The job has a deadline of 5 minutes: the next round begins with other tenants. */
const countRoundLimit = "4 minutes"

/**
 * Reads popularity, and adds recorded signals to it.
 *
 * @category services
 * @since 0.1.0
 */
export class ProductPopularity extends Context.Service<
  ProductPopularity,
  {
    /** Returns the popularity as of now: zeros for a product without signals. */
    readonly get: (productId: string) => Effect.Effect<Popularity, SqlError, Tenant>
    /** Adds the pending signals of every tenant, and returns their number. */
    readonly count: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/search/ProductPopularity") {
  static readonly layer: Layer.Layer<ProductPopularity, never, SqlClient.SqlClient> = Layer.effect(
    ProductPopularity,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const get = Effect.fn("ProductPopularity.get")(function* (productId: string) {
        const tenant = yield* Tenant
        const now = yield* Now.now
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
          const seconds = Math.max(0, (now.getTime() - countedAt.getTime()) / 1000)
          scores[decayWindow] = score * 2 ** (-seconds / halfLifeSeconds[decayWindow])
        }
        return scores
      })

      const countOf = Effect.fnUntraced(function* (tenantId: string) {
        const now = yield* Now.now
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
                     seconds: sql`extract(epoch FROM ${now}::timestamptz - t.occurred_at)::float8`,
                     halfLife: sql`w.half_life`
                   })}),
                   ${now}::timestamptz
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
          SELECT count(*)::int AS count
            FROM taken
        `
        return row?.count ?? 0
      })

      const count = Effect.gen(function* () {
        yield* AllTenants
        // By chance: tenants that fail do not take the places of the others in each run.
        const tenants = yield* sql<{ readonly tenantId: string }>`
          SELECT tenant_id AS "tenantId"
            FROM (
                 SELECT DISTINCT tenant_id
                   FROM hm_search_popularity_pending) p
           ORDER BY random()
           LIMIT ${tenantsMax}
        `
        const round = yield* EachTenant.run({
          loop: "search.popularity.count",
          items: tenants,
          limit: countRoundLimit,
          turn: ({ tenantId }) =>
            Effect.map(countOf(tenantId), (count) => ({ count, hasMore: count >= countMax }))
        })
        return round.count
      }).pipe(Effect.provideService(SqlClient.SqlClient, sql), Effect.withSpan("ProductPopularity.count"))

      return ProductPopularity.of({ get, count })
    })
  )
}
