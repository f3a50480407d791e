/**
 * The service of closes. A close fixes the figures of a day or a month as they are at that time.
 *
 * A close copies the summaries' cells of its period and never changes. Facts that come later change the summaries, not
 * the close: the difference is its restatement, by cell and by the orders that caused it.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import * as Column from "@hypermarket/core/Column"
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Grains from "./internal/grains.ts"
import * as Measures from "./internal/measures.ts"
import * as OrderRetention from "./internal/orderRetention.ts"
import * as Overflow from "./internal/overflow.ts"
import { OrderSummaries } from "./OrderSummaries.ts"
import {
  type By,
  CloseExists,
  CloseId,
  CloseNotFound,
  type Period,
  PeriodInvalid,
  Restatement,
  SalesClose,
  SummariesDiffer,
  SumTooLarge
} from "./SalesClose.ts"

const grainOf: Readonly<Record<typeof By.Type, Grains.Grain>> = {
  day: Grains.tenantDay,
  region: Grains.regionChannelDay,
  seller: Grains.sellerDay,
  category: Grains.categoryMonth
}

/** Maximum cells and maximum orders of one answer; `isComplete` is false above it. */
const listedMax = 1_000

/** Months before the current one that are closed by the schedule: the last one. */
const monthsLookedBack = 1
/** The job has a deadline of 10 minutes: the next round begins with other tenants. */
const closeRoundLimit = "9 minutes"
const dayMillis = 24 * 60 * 60 * 1000

const Row = Schema.Struct({ ...SalesClose.fields, closedAt: Column.Timestamp })

const columns = `
  close_id::text AS "closeId", period, from_day::text AS "fromDay", until_day::text AS "untilDay", cells::int AS cells,
  closed_at AS "closedAt"
`

const changed = `
  currency, sum(orders)::float8 AS orders, sum(units)::float8 AS units, sum(gross)::text AS gross,
  sum(discount)::text AS discount, sum(cancelled_amount)::text AS "cancelledAmount",
  sum(refund_amount)::text AS "refundAmount", sum(booked_refund_amount)::text AS "bookedRefundAmount"
`

const pages = Page.make({
  list: "analytics.closes",
  key: Schema.Tuple([CloseId]),
  keyOf: (close: SalesClose) => [close.closeId] as const
})

const untilOf = (period: typeof Period.Type, from: Date): Date =>
  period === "day"
    ? new Date(from.getTime() + dayMillis)
    : new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1, 1))

const dayText = (date: Date): string => date.toISOString().slice(0, 10)

type Refused = CloseExists | PeriodInvalid | SummariesDiffer | SqlError

/**
 * Closes periods and reports the changes since.
 *
 * @category services
 * @since 0.1.0
 */
export class SalesCloses extends Context.Service<
  SalesCloses,
  {
    /**
     * Merges the delta log, compares the month with its facts, then copies the period's cells. The period must be over in the zones
     * of the tenant and of all sellers.
     */
    readonly close: (
      period: typeof Period.Type,
      fromDay: string
    ) => Effect.Effect<SalesClose, Refused | SumTooLarge, Tenant>
    readonly get: (closeId: CloseId) => Effect.Effect<SalesClose, CloseNotFound | SqlError, Tenant>
    /** Lists the newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<SalesClose>, Page.CursorInvalid | SqlError, Tenant>
    /**
     * Returns the changes since the close, up to the last commit. A day has no figures by category: `PeriodInvalid`.
     */
    readonly restatement: (
      closeId: CloseId,
      by: typeof By.Type
    ) => Effect.Effect<Restatement, CloseNotFound | PeriodInvalid | SqlError, Tenant>
    /** Closes the last month of every tenant once it has been over for `afterDays`, and returns the count. */
    readonly closeDue: (afterDays: number) => Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/analytics/SalesCloses") {
  static readonly layerNoDeps: Layer.Layer<SalesCloses, never, SqlClient.SqlClient | OrderSummaries> =
    Layer.effect(
      SalesCloses,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const summaries = yield* OrderSummaries
        const statements = OrderRetention.make(sql)
        const returned = sql.literal(columns)
        const names = sql.literal(Measures.names)
        const coalesced = sql.literal(Measures.coalesced)
        const negated = sql.literal(Measures.negated)
        const cellKey = sql.literal(Measures.cellKey)
        const anySum = sql.literal(Measures.anyWideSum)
        const any = sql.literal(Measures.any)
        const undrained = sql.literal(Measures.allCellsOf("undrained"))
        const change = sql.literal(changed)
        const decode = Schema.decodeUnknownEffect(Row)
        const toClose = (row: unknown) =>
          Effect.orDie(Effect.map(decode(row), (decoded) => new SalesClose(decoded)))

        /**
         * Copies the cells under the lock of the tenant's merges. A change that is merged before the copy is part of the
         * close; one that is merged after it is restated.
         */
        const copy = Effect.fnUntraced(function* (
          tenantId: string,
          period: typeof Period.Type,
          fromDay: string,
          untilDay: string
        ) {
          const now = yield* Now.now
          const closeId = yield* Identifier.next
          const [counted] = yield* sql<{ readonly number: bigint }>`
            INSERT INTO hm_order_merge AS m (tenant_id, closes)
            VALUES (${tenantId}, 1)
                ON CONFLICT (tenant_id)
                DO UPDATE SET closes = m.closes + 1
            RETURNING closes AS number
          `
          const [row] = yield* sql`
            WITH cells AS MATERIALIZED (
              SELECT ${cellKey}, ${names}
                FROM hm_order_summary
               WHERE tenant_id = ${tenantId} AND bucket >= ${fromDay}::date AND bucket < ${untilDay}::date
                 AND (grain <> ${Grains.categoryMonth.number} OR ${period} = 'month') AND ${any}),
            new_close AS (
              INSERT INTO hm_order_close (tenant_id, close_id, period, from_day, until_day, number, cells, closed_at)
              VALUES (${tenantId}, ${closeId}::uuid, ${period}, ${fromDay}::date, ${untilDay}::date,
                      ${counted?.number ?? 0n}, (SELECT count(*) FROM cells), ${now})
                  ON CONFLICT (tenant_id, period, from_day) DO NOTHING
              RETURNING *),
            copied AS (
              INSERT INTO hm_sales_analytics_snapshot (tenant_id, close_id, ${cellKey}, ${names})
              SELECT ${tenantId}, new_close.close_id, ${cellKey}, ${names}
                FROM cells
               CROSS JOIN new_close)
            SELECT ${returned}
              FROM new_close
          `
          if (row === undefined) return yield* new CloseExists({ period, fromDay })
          return yield* toClose(row)
        })

        const closeOf = Effect.fnUntraced(function* (period: typeof Period.Type, fromDay: string) {
          const tenant = yield* Tenant
          const now = yield* Now.now
          const from = new Date(`${fromDay}T00:00:00Z`)
          if (Number.isNaN(from.getTime()) || dayText(from) !== fromDay) {
            return yield* periodInvalid("There is no such day")
          }
          if (period === "month" && from.getUTCDate() !== 1) {
            return yield* periodInvalid("A month begins on its first day")
          }
          const untilDay = dayText(untilOf(period, from))
          const [today] = yield* sql<{ readonly isOver: boolean; readonly isRemoved: boolean }>`
            SELECT min((${now}::timestamptz AT TIME ZONE zone)::date) >= ${untilDay}::date AS "isOver",
                   ${statements.isRemoved(tenant.id, period, fromDay)} AS "isRemoved"
              FROM (
                   SELECT zone
                     FROM hm_order_zone
                    WHERE tenant_id = ${tenant.id}
                   UNION
                   SELECT 'UTC'
                    WHERE NOT EXISTS (
                                     SELECT
                                       FROM hm_order_zone
                                      WHERE tenant_id = ${tenant.id} AND seller_id = ''
                                     )
                   ) z
          `
          if (today?.isOver !== true)
            return yield* periodInvalid("The period is not over in every zone of the tenant and its sellers")
          if (today.isRemoved) return yield* periodInvalid("The facts of this time were removed")
          yield* summaries.drain
          const month = `${fromDay.slice(0, 7)}-01`
          const differing = yield* summaries.proveMonth(month)
          if (differing.length > 0) return yield* new SummariesDiffer({ month, cells: differing.length })
          return yield* AuditedChange.change(
            sql,
            transactionOf(sql)(copy(tenant.id, period, fromDay, untilDay)),
            {
              action: "close.created",
              target: ({ closeId }) => ({ type: "close", id: closeId }),
              after: () => ({ period, fromDay, untilDay })
            }
          )
        })

        const close = Effect.fn("SalesCloses.close")((period: typeof Period.Type, fromDay: string) =>
          closeOf(period, fromDay).pipe(
            Effect.catchTag("SqlError", (error): Effect.Effect<never, SumTooLarge | SqlError> =>
              Effect.fail(Overflow.isOverflow(error) ? new SumTooLarge({ period, fromDay }) : error)
            )
          )
        )

        const get = Effect.fn("SalesCloses.get")(function* (closeId: CloseId) {
          const tenant = yield* Tenant
          const [row] = yield* sql`
            SELECT ${returned}
              FROM hm_order_close
             WHERE tenant_id = ${tenant.id} AND close_id = ${closeId}::uuid
          `
          if (row === undefined) return yield* new CloseNotFound({ closeId })
          return yield* toClose(row)
        })

        const list = Effect.fn("SalesCloses.list")(function* (request: Page.Request) {
          const tenant = yield* Tenant
          const [before] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
          const rows = yield* sql`
            SELECT ${returned}
              FROM hm_order_close
             WHERE tenant_id = ${tenant.id} AND close_id < ${before}::uuid
             ORDER BY close_id DESC
             LIMIT ${Page.limitOf(request) + 1}
          `
          return yield* pages.page(yield* Effect.forEach(rows, toClose), request)
        })

        const restatement = Effect.fn("SalesCloses.restatement")(function* (
          closeId: CloseId,
          by: typeof By.Type
        ) {
          const tenant = yield* Tenant
          const { fromDay, period, untilDay } = yield* get(closeId)
          if (period === "day" && by === "category") return yield* categoryOfDay
          const grain = grainOf[by].number
          const isBySeller = by === "seller"
          const day = sql.literal(isBySeller ? "seller_day" : "tenant_day")
          const seller = sql.literal(isBySeller ? "seller_id" : "''")
          // One statement: cells and their causes are of one snapshot.
          const rows = yield* sql`
            WITH undrained AS MATERIALIZED (
              SELECT *, date_trunc('month', tenant_day)::date AS month
                FROM hm_order_delta
               WHERE tenant_id = ${tenant.id}
                 AND seq >= coalesce((SELECT hint FROM hm_order_merge WHERE tenant_id = ${tenant.id}), 0)),
            cells AS (
              SELECT 'cell' AS what, bucket::text AS day, seller_id AS "sellerId", category, region, channel,
                     '' AS "orderId", ${change}
                FROM (
                     SELECT ${cellKey}, ${names}
                       FROM hm_order_summary
                      WHERE tenant_id = ${tenant.id} AND grain = ${grain} AND bucket >= ${fromDay}::date
                        AND bucket < ${untilDay}::date
                     UNION ALL
                     SELECT ${cellKey}, ${names}
                       FROM (${undrained}) u
                      WHERE grain = ${grain} AND bucket >= ${fromDay}::date AND bucket < ${untilDay}::date
                     UNION ALL
                     SELECT ${cellKey}, ${negated}
                       FROM hm_sales_analytics_snapshot
                      WHERE tenant_id = ${tenant.id} AND close_id = ${closeId}::uuid AND grain = ${grain}
                     ) q
               GROUP BY bucket, seller_id, category, region, channel, currency
              HAVING ${anySum}
               ORDER BY bucket, seller_id, category, region, channel, currency
               LIMIT ${listedMax + 1}),
            orders AS (
              SELECT 'order' AS what, '' AS day, seller_id AS "sellerId", '' AS category, '' AS region, '' AS channel,
                     order_id AS "orderId", ${change}
                FROM (
                     SELECT order_id, ${seller} AS seller_id, currency, ${names}
                       FROM hm_order_restatement
                      WHERE tenant_id = ${tenant.id} AND ${day} >= ${fromDay}::date AND ${day} < ${untilDay}::date
                        AND after_close >= (SELECT number
                                              FROM hm_order_close
                                             WHERE tenant_id = ${tenant.id} AND close_id = ${closeId}::uuid)
                     UNION ALL
                     SELECT order_id, ${seller}, currency, ${coalesced}
                       FROM undrained
                      WHERE ${day} >= ${fromDay}::date AND ${day} < ${untilDay}::date
                     ) q
               GROUP BY order_id, seller_id, currency
              HAVING ${anySum}
               ORDER BY order_id, seller_id, currency
               LIMIT ${listedMax + 1})
            SELECT *
              FROM cells
            UNION ALL
            SELECT *
              FROM orders
          `
          const listed = rows.map((row): Readonly<Record<string, unknown>> => row)
          const cells = listed.filter(({ what }) => what === "cell")
          const orders = listed.filter(({ what }) => what === "order")
          return yield* Effect.orDie(
            decodeRestatement({
              closeId,
              cells: cells.slice(0, listedMax),
              orders: orders.slice(0, listedMax),
              isComplete: cells.length <= listedMax && orders.length <= listedMax
            })
          )
        })

        const closeDue = Effect.fn("SalesCloses.closeDue")(
          function* (afterDays: number) {
            yield* AllTenants
            const now = yield* Now.now
            const settled = new Date(now.getTime() - afterDays * dayMillis)
            const from = new Date(
              Date.UTC(settled.getUTCFullYear(), settled.getUTCMonth() - monthsLookedBack, 1)
            )
            const due = yield* sql<{ readonly tenantId: string }>`
            SELECT tenant_id AS "tenantId"
              FROM hm_order_merge m
             WHERE NOT EXISTS (
                              SELECT
                                FROM hm_order_close c
                               WHERE c.tenant_id = m.tenant_id AND c.period = 'month'
                                 AND c.from_day = ${dayText(from)}::date
                              )
          `
            const round = yield* EachTenant.run({
              loop: "analytics.sales.close",
              items: due,
              limit: closeRoundLimit,
              turn: ({ tenantId }) =>
                closeOf("month", dayText(from)).pipe(
                  Effect.as(1),
                  // The month was closed by a request, or is not over in the tenant's zone.
                  Effect.catchTag(["CloseExists", "PeriodInvalid"], () => Effect.succeed(0)),
                  Effect.catchTag("SummariesDiffer", ({ cells, month }) =>
                    Effect.as(
                      Effect.logError(
                        `${tenantId} is not closed: ${cells} cells of ${month} differ from their facts`
                      ),
                      0
                    )
                  ),
                  Effect.map((count) => ({ count, hasMore: false }))
                )
            })
            return round.count
          },
          Effect.provideService(SqlClient.SqlClient, sql)
        )

        return SalesCloses.of({ close, get, list, restatement, closeDue })
      })
    )

  static readonly layer: Layer.Layer<SalesCloses, never, SqlClient.SqlClient> = SalesCloses.layerNoDeps.pipe(
    Layer.provide(OrderSummaries.layer)
  )
}

const decodeRestatement = Schema.decodeUnknownEffect(Restatement)

const categoryOfDay = new PeriodInvalid({
  errors: [
    { path: ["by"], message: "Categories are kept by month: expected day, region or seller for a day" }
  ]
})

const periodInvalid = (message: string) => new PeriodInvalid({ errors: [{ path: ["fromDay"], message }] })
