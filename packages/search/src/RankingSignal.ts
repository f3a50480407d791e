/**
 * What the tenant itself knows of its products, from 0 to 1: margin, promotion, quality. The settings of an index say how
 * much a signal counts; a version has the values it was built with.
 *
 * @since 0.1.0
 */
import { AdopterId } from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/**
 * @category limits
 * @since 0.1.0
 */
export const batchMax = 1_000

/**
 * @category schemas
 * @since 0.1.0
 */
export const SignalName = Schema.String.check(
  Schema.isPattern(/^[a-z][a-z0-9_]{0,62}$/, { message: "Expected a name of a-z, 0-9 and _" })
)

/**
 * @category models
 * @since 0.1.0
 */
export const RankingSignal = Schema.Struct({
  signal: SignalName,
  productId: AdopterId,
  value: Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
})

/**
 * @category models
 * @since 0.1.0
 */
export type RankingSignal = typeof RankingSignal.Type

const pages = Page.make({
  key: Schema.Tuple([Schema.String]),
  keyOf: (one: RankingSignal) => [one.productId] as const
})

/**
 * @category services
 * @since 0.1.0
 */
export class RankingSignals extends Context.Service<
  RankingSignals,
  {
    /** Sets up to {@link batchMax} values; of several for one product the last counts. */
    readonly put: (signals: ReadonlyArray<RankingSignal>) => Effect.Effect<void, SqlError, Tenant>
    /** A signal's values in the order of the products' ids. */
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
        const moment = yield* now
        yield* sql`
          INSERT INTO hm_ranking_signal (tenant_id, signal, product_id, value, updated_at)
          SELECT DISTINCT ON (s.signal, s.product_id) ${tenant.id}, s.signal, s.product_id, s.value, ${moment}::timestamptz
            FROM unnest(${signals.map(({ signal }) => signal)}::text[], ${signals.map(({ productId }) => productId)}::text[],
                        ${signals.map(({ value }) => value)}::float8[]) WITH ORDINALITY AS s (signal, product_id, value, n)
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
