/**
 * The service that removes facts after their retention, so that a shop's years do not have to be kept line by line.
 *
 * The facts of a month are removed when it is closed, is older than the retention, and equals its facts once more at that
 * time. Figures, closes and restatements stay. An order keeps its facts as long as one of its days is in a later month.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import { now } from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as OrderRetention from "./internal/orderRetention.ts"
import { OrderSummaries } from "./OrderSummaries.ts"

/** The job has a deadline of 10 minutes: the next round begins with other tenants. */
const roundLimit = "9 minutes"
/** Orders that one turn looks at: some 100 ms when all of them are removed. */
const sweptOrdersMax = 2_000
/** Longer than any query takes: one that was planned before the first kept day has moved still finds its facts. */
const sweepDelayMillis = 10 * 60 * 1000
const retiredTotal = Metric.counter("hm_analytics_order_retired_total", {
  description: "Orders whose facts were removed after their retention",
  incremental: true
})

/**
 * Removes facts of closed months.
 *
 * @category services
 * @since 0.1.0
 */
export class OrderRetentions extends Context.Service<
  OrderRetentions,
  {
    /**
     * Moves the first kept day of the tenant's facts past their oldest month, or removes the facts of some orders before that day.
     * Returns whether there is another step. `before`, the first day of a month, is the last day to move it to.
     */
    readonly retain: (before: string) => Effect.Effect<EachTenant.Turn, SqlError, Tenant>
    /**
     * Runs the steps of all tenants in turn, and returns the number of orders whose facts were removed. Facts of the last
     * `keepMonths` whole months are kept, and all of them for 0. A tenant that fails does not hold up the others.
     */
    readonly retainDue: (keepMonths: number) => Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/analytics/OrderRetentions") {
  static readonly layerNoDeps: Layer.Layer<OrderRetentions, never, SqlClient.SqlClient | OrderSummaries> =
    Layer.effect(
      OrderRetentions,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const summaries = yield* OrderSummaries
        const statements = OrderRetention.make(sql)

        /** Compares everything up to the month with its facts, also days before it that have only a seller's cells. */
        const giveUp = Effect.fnUntraced(function* (
          tenantId: string,
          { from, month, until }: OrderRetention.Next
        ) {
          yield* summaries.drain
          const [differing] = yield* summaries.differences(from, until)
          if (differing !== undefined) {
            // Keeps the result: doctor fails, and names the month to rebuild.
            yield* summaries.proveMonth(`${differing.bucket.slice(0, 7)}-01`)
            yield* Effect.logError(
              `Facts of ${tenantId} in ${month} are kept: figures differ from them`,
              differing
            )
            return false
          }
          yield* statements.move(tenantId, until, yield* now)
          yield* Effect.logInfo(`Facts of ${tenantId} before ${until} are removed`)
          return true
        })

        /** Returns the month's step; undefined when no month can be given up. */
        const monthStep = Effect.fnUntraced(function* (tenantId: string, before: string) {
          const [next] = yield* statements.next(tenantId, before)
          if (next === undefined) {
            yield* statements.unblock(tenantId)
            return undefined
          }
          if (!next.isClosed) {
            yield* statements.block(tenantId, next.month)
            return undefined
          }
          return (yield* giveUp(tenantId, next)) ? { count: 0, hasMore: true } : undefined
        })

        const sweepStep = Effect.fnUntraced(function* (tenantId: string) {
          const moment = yield* now
          const [sweep] = yield* statements.sweep(tenantId, new Date(moment.getTime() - sweepDelayMillis))
          if (sweep === undefined) return { count: 0, hasMore: false }
          const [window] = yield* statements.look(tenantId, sweep.after, sweptOrdersMax)
          const last = window?.last ?? null
          const removed = yield* transactionOf(sql)(
            Effect.gen(function* () {
              const locked = yield* statements.lock(tenantId, window?.orderIds ?? [])
              const [row] = yield* statements.remove(
                tenantId,
                locked.map(({ orderId }) => orderId),
                moment
              )
              const counts = row ?? { orders: 0, lines: 0, adjustments: 0 }
              yield* statements.advance(tenantId, sweep.after, last, counts)
              return counts
            })
          )
          yield* Metric.update(retiredTotal, removed.orders)
          return { count: removed.orders, hasMore: last !== null }
        })

        const retain = Effect.fn("OrderRetentions.retain")(function* (before: string) {
          const tenant = yield* Tenant
          return (yield* monthStep(tenant.id, before)) ?? (yield* sweepStep(tenant.id))
        })

        const retainDue = Effect.fn("OrderRetentions.retainDue")(
          function* (keepMonths: number) {
            yield* AllTenants
            if (keepMonths === 0) {
              yield* statements.unblockAll
              return 0
            }
            const before = firstKept(yield* now, keepMonths)
            const round = yield* EachTenant.run({
              loop: "analytics.order.retain",
              items: yield* statements.due(before),
              limit: roundLimit,
              turn: () => retain(before)
            })
            return round.count
          },
          Effect.provideService(SqlClient.SqlClient, sql)
        )

        return OrderRetentions.of({ retain, retainDue })
      })
    )

  static readonly layer: Layer.Layer<OrderRetentions, never, SqlClient.SqlClient> =
    OrderRetentions.layerNoDeps.pipe(Layer.provide(OrderSummaries.layer))
}

/** The first day of the months that are kept: the present one and the whole ones before it. */
const firstKept = (at: Date, keepMonths: number): string =>
  new Date(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - keepMonths, 1)).toISOString().slice(0, 10)
