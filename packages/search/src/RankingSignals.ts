/**
 * The service of ranking signals.
 *
 * @since 0.1.0
 */
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { RankingSignal } from "./RankingSignal.ts"

const pages = Page.make({
  list: "search.signals",
  key: Schema.Tuple([AdopterId]),
  keyOf: (signal: RankingSignal) => [signal.productId] as const
})

/**
 * Sets and lists ranking signals.
 *
 * @category services
 * @since 0.1.0
 */
export class RankingSignals extends Context.Service<
  RankingSignals,
  {
    /** Sets up to `batchMax` values. Of several values for one product, the last counts. */
    readonly put: (signals: ReadonlyArray<RankingSignal>) => Effect.Effect<void, SqlError, Tenant>
    /** Lists a signal's values in the order of the products' ids. */
    readonly list: (
      signal: string,
      request: Page.Request
    ) => Effect.Effect<Page.Page<RankingSignal>, Page.CursorInvalid | SqlError, Tenant>
  }
>()("@hypermarket/search/RankingSignals") {
  static readonly layer: Layer.Layer<RankingSignals, never, SqlClient.SqlClient> = Layer.effect(
    RankingSignals,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const put = Effect.fn("RankingSignals.put")(function* (signals: ReadonlyArray<RankingSignal>) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        yield* sql`
          INSERT INTO hm_ranking_signal (tenant_id, signal, product_id, value, updated_at)
          SELECT DISTINCT ON (s.signal, s.product_id) ${tenant.id}, s.signal, s.product_id, s.value, ${now}::timestamptz
            FROM unnest(${signals.map(({ signal }) => signal)}::text[], ${signals.map(({ productId }) => productId)}::text[],
                        ${signals.map(({ value }) => value)}::float8[])
                 WITH ORDINALITY AS s (signal, product_id, value, n)
           ORDER BY s.signal, s.product_id, s.n DESC
              ON CONFLICT (tenant_id, signal, product_id)
              DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at
        `
      })

      const list = Effect.fn("RankingSignals.list")(function* (signal: string, request: Page.Request) {
        const tenant = yield* Tenant
        const [after] = Option.getOrElse(yield* pages.after(request), () => [""] as const)
        const rows = yield* sql<RankingSignal>`
          SELECT signal, product_id AS "productId", value
            FROM hm_ranking_signal
           WHERE tenant_id = ${tenant.id} AND signal = ${signal} AND product_id > ${after}
           ORDER BY product_id
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(rows, request)
      })

      return RankingSignals.of({ put, list })
    })
  )
}
