/**
 * The service of facts that no figure has: refunds and shipments of unknown orders, and facts of orders that retention has
 * removed.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import * as Page from "@hypermarket/core/Page"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { UnplacedFact } from "./UnplacedFact.ts"

const Row = Schema.Struct({ ...UnplacedFact.fields, at: Column.Timestamp })

const pages = Page.make({
  list: "analytics.unplaced",
  key: Schema.Tuple([Schema.String, Schema.String, Schema.String]),
  keyOf: (fact: UnplacedFact) => [fact.orderId, fact.kind, fact.id] as const
})

/**
 * Lists the facts that are in no figure.
 *
 * @category services
 * @since 0.1.0
 */
export class UnplacedFacts extends Context.Service<
  UnplacedFacts,
  {
    /**
     * Lists by order id. A fact of an unknown order leaves the list when the order arrives, or when a higher version of it has
     * no lines. A fact of a removed order stays.
     */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<UnplacedFact>, Page.CursorInvalid | SqlError, Tenant>
  }
>()("@hypermarket/analytics/UnplacedFacts") {
  static readonly layer: Layer.Layer<UnplacedFacts, never, SqlClient.SqlClient> = Layer.effect(
    UnplacedFacts,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const decode = Schema.decodeUnknownEffect(Row)
      const toFact = (row: unknown) =>
        Effect.orDie(Effect.map(decode(row), (decoded) => new UnplacedFact(decoded)))

      const list = Effect.fn("UnplacedFacts.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [orderId, kind, id] = Option.getOrElse(yield* pages.after(request), () => ["", "", ""] as const)
        const limit = Page.limitOf(request) + 1
        const rows = yield* sql`
          SELECT *
            FROM (
                 (SELECT 'unknown' AS reason, kind, order_id AS "orderId", adjustment_id AS id,
                         max(version)::float8 AS version, max(booked_at) AS at, sum(units)::float8 AS units,
                         sum(amount)::text AS amount, sum(tax)::text AS tax, sum(shipping)::text AS shipping,
                         sum(fees)::text AS fees
                    FROM hm_order_adjustment a
                   WHERE tenant_id = ${tenant.id} AND currency IS NULL
                     AND order_id >= ${orderId} AND (order_id, kind, adjustment_id) > (${orderId}, ${kind}, ${id})
                     AND (units, amount, tax, shipping, fees) <> (0, 0, 0, 0, 0)
                     AND (SELECT h.version
                            FROM hm_order_head h
                           WHERE h.tenant_id = ${tenant.id} AND h.order_id = a.order_id) = 0
                   GROUP BY order_id, kind, adjustment_id
                   ORDER BY order_id, kind, adjustment_id
                   LIMIT ${limit})
                 UNION ALL
                 (SELECT 'removed', kind, order_id, fact_id, version::float8, at, units::float8, amount::text, tax::text,
                         shipping::text, fees::text
                    FROM hm_order_late
                   WHERE tenant_id = ${tenant.id} AND (order_id, kind, fact_id) > (${orderId}, ${kind}, ${id})
                   ORDER BY order_id, kind, fact_id
                   LIMIT ${limit})
                 ) u
           ORDER BY "orderId", kind, id
           LIMIT ${limit}
        `
        return yield* pages.page(yield* Effect.forEach(rows, toFact), request)
      })

      return UnplacedFacts.of({ list })
    })
  )
}
