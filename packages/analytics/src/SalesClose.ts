/**
 * Closes: the figures of a day or a month fixed as they were known then, and what has changed them since.
 *
 * A close copies the summaries' cells of its period and never changes. Facts that come later change the summaries, not
 * the close: the difference is its restatement, by cell and by the orders that caused it.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import { now } from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { AllTenants, Tenant, TenantId } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Measures from "./internal/measures.ts"
import { OrderSummaries } from "./OrderSummaries.ts"

/**
 * @category schemas
 * @since 0.1.0
 */
export const CloseId = Identifier.Uuid.pipe(Schema.brand("@hypermarket/analytics/CloseId"))

/**
 * @category models
 * @since 0.1.0
 */
export type CloseId = typeof CloseId.Type

/**
 * @category schemas
 * @since 0.1.0
 */
export const Period = Schema.Literals(["day", "month"])

const Day = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d{2}-\d{2}$/, { message: "Expected a day such as 2026-10-01" })
)

/**
 * Days from `fromDay` to before `untilDay` in the tenant's zone, and in each seller's for its own cells.
 *
 * @category models
 * @since 0.1.0
 */
export class SalesClose extends Schema.Class<SalesClose>("@hypermarket/analytics/SalesClose")({
  closeId: CloseId,
  period: Period,
  fromDay: Day,
  untilDay: Day,
  cells: Schema.Int,
  closedAt: Schema.DateTimeUtcFromString
}) {}

/**
 * @category models
 * @since 0.1.0
 */
export const NewClose = Schema.Struct({ period: Period, fromDay: Day })

/**
 * @category errors
 * @since 0.1.0
 */
export class CloseNotFound extends HttpApiError.Problem<CloseNotFound>()(
  "CloseNotFound",
  { type: "urn:hypermarket:problem:analytics:close-not-found", status: 404, title: "No such close" },
  { closeId: Schema.String }
) {}

/**
 * A period is closed once.
 *
 * @category errors
 * @since 0.1.0
 */
export class CloseExists extends HttpApiError.Problem<CloseExists>()(
  "CloseExists",
  {
    type: "urn:hypermarket:problem:analytics:close-exists",
    status: 409,
    title: "The period is closed already"
  },
  { period: Period, fromDay: Schema.String }
) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class PeriodInvalid extends HttpApiError.Problem<PeriodInvalid>()(
  "PeriodInvalid",
  {
    type: "urn:hypermarket:problem:analytics:period-invalid",
    status: 400,
    title: "This is no period that can be closed"
  },
  { errors: Schema.Array(HttpApiError.ProblemIssue) }
) {}

const MinorUnits = Schema.BigIntFromString

/**
 * What a restatement shows of a cell or an order: the change since the close, in minor units of its currency.
 *
 * @category models
 * @since 0.1.0
 */
export const Change = Schema.Struct({
  currency: Schema.String,
  orders: Schema.Int,
  units: Schema.Int,
  gross: MinorUnits,
  discount: MinorUnits,
  cancelledAmount: MinorUnits,
  refundAmount: MinorUnits,
  bookedRefundAmount: MinorUnits
})

/**
 * By the cells of one grain, and by the orders that caused it.
 *
 * @category models
 * @since 0.1.0
 */
export const Restatement = Schema.Struct({
  closeId: CloseId,
  cells: Schema.Array(
    Schema.Struct({
      day: Schema.String,
      sellerId: Schema.String,
      category: Schema.String,
      region: Schema.String,
      channel: Schema.String,
      ...Change.fields
    })
  ),
  orders: Schema.Array(Schema.Struct({ orderId: Schema.String, ...Change.fields })),
  /** False when there are more cells or orders than are listed. */
  isComplete: Schema.Boolean
})

/**
 * @category models
 * @since 0.1.0
 */
export type Restatement = typeof Restatement.Type

/**
 * The grain by which cells are listed.
 *
 * @category schemas
 * @since 0.1.0
 */
export const By = Schema.Literals(["day", "region", "seller", "category"])

const grainOf = { day: 6, region: 1, seller: 2, category: 5 } as const

/** Cells and orders of one answer. */
const listedMax = 1_000

/** An order that comes a few days late is no restatement worth the word. */
const monthsLookedBack = 1
const dayMillis = 24 * 60 * 60 * 1000

const Row = Schema.Struct({
  closeId: CloseId,
  period: Period,
  fromDay: Day,
  untilDay: Day,
  cells: Schema.Int,
  closedAt: Column.Timestamp
})

const columns = `
  close_id::text AS "closeId", period, from_day::text AS "fromDay", until_day::text AS "untilDay", cells::int AS cells,
  closed_at AS "closedAt"
`

const changed = `
  currency, sum(orders)::int AS orders, sum(units)::int AS units, sum(gross)::text AS gross,
  sum(discount)::text AS discount, sum(cancelled_amount)::text AS "cancelledAmount",
  sum(refund_amount)::text AS "refundAmount", sum(booked_refund_amount)::text AS "bookedRefundAmount"
`

const pages = Page.make({
  key: Schema.Tuple([CloseId]),
  keyOf: (close: SalesClose) => [close.closeId] as const
})

const afterAll = "ffffffff-ffff-ffff-ffff-ffffffffffff"

const untilOf = (period: typeof Period.Type, from: Date): Date =>
  period === "day"
    ? new Date(from.getTime() + dayMillis)
    : new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + 1, 1))

const dayText = (date: Date): string => date.toISOString().slice(0, 10)

type Refused = CloseExists | PeriodInvalid | SqlError

/**
 * @category services
 * @since 0.1.0
 */
export class SalesCloses extends Context.Service<
  SalesCloses,
  {
    /** Merges what waits, then copies the period's cells. The period must be over in the tenant's zone. */
    readonly close: (
      period: typeof Period.Type,
      fromDay: string
    ) => Effect.Effect<SalesClose, Refused, Tenant>
    readonly get: (closeId: CloseId) => Effect.Effect<SalesClose, CloseNotFound | SqlError, Tenant>
    /** Newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<SalesClose>, Page.CursorInvalid | SqlError, Tenant>
    /** What has changed since the close, to the last commit. */
    readonly restatement: (
      closeId: CloseId,
      by: typeof By.Type
    ) => Effect.Effect<Restatement, CloseNotFound | SqlError, Tenant>
    /** Closes, for every tenant, the last month once it is over for so many days. Answers how many. */
    readonly closeDue: (afterDays: number) => Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/analytics/SalesCloses") {
  static readonly layerNoDeps: Layer.Layer<SalesCloses, never, SqlClient.SqlClient | OrderSummaries> =
    Layer.effect(
      SalesCloses,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const summaries = yield* OrderSummaries
        const returned = sql.literal(columns)
        const names = sql.literal(Measures.names)
        const negated = sql.literal(Measures.negated)
        const cellKey = sql.literal(Measures.cellKey)
        const anySum = sql.literal(Measures.anySum)
        const any = sql.literal(Measures.any)
        const undrained = sql.literal(Measures.allCellsOf("undrained"))
        const change = sql.literal(changed)
        const decode = Schema.decodeUnknownEffect(Row)
        const toClose = (row: unknown) =>
          Effect.orDie(Effect.map(decode(row), (decoded) => new SalesClose(decoded)))

        /** Under the lock of the tenant's merges: what is not merged yet is restated, and what is copied is not. */
        const copy = Effect.fnUntraced(function* (
          tenantId: string,
          period: typeof Period.Type,
          fromDay: string,
          untilDay: string
        ) {
          const moment = yield* now
          const closeId = yield* Identifier.next
          const [counted] = yield* sql<{ readonly number: bigint }>`
            INSERT INTO hm_order_merge AS m (tenant_id, closes) VALUES (${tenantId}, 1)
                ON CONFLICT (tenant_id) DO UPDATE SET closes = m.closes + 1
            RETURNING closes AS number
          `
          const [row] = yield* sql`
            WITH cells AS MATERIALIZED (
              SELECT ${cellKey}, ${names} FROM hm_order_summary
               WHERE tenant_id = ${tenantId} AND bucket >= ${fromDay}::date AND bucket < ${untilDay}::date
                 AND (grain <> 5 OR ${period} = 'month') AND ${any}),
            c AS (
              INSERT INTO hm_order_close (tenant_id, close_id, period, from_day, until_day, number, cells, closed_at)
              VALUES (${tenantId}, ${closeId}::uuid, ${period}, ${fromDay}::date, ${untilDay}::date,
                      ${counted?.number ?? 0n}, (SELECT count(*) FROM cells), ${moment})
                  ON CONFLICT (tenant_id, period, from_day) DO NOTHING
              RETURNING *),
            s AS (
              INSERT INTO hm_sales_analytics_snapshot (tenant_id, close_id, ${cellKey}, ${names})
              SELECT ${tenantId}, c.close_id, ${cellKey}, ${names} FROM cells CROSS JOIN c)
            SELECT ${returned} FROM c
          `
          if (row === undefined) return yield* new CloseExists({ period, fromDay })
          return yield* toClose(row)
        })

        const close = Effect.fn("SalesCloses.close")(function* (period: typeof Period.Type, fromDay: string) {
          const tenant = yield* Tenant
          const moment = yield* now
          const from = new Date(`${fromDay}T00:00:00Z`)
          if (Number.isNaN(from.getTime()) || dayText(from) !== fromDay) {
            return yield* periodInvalid("There is no such day")
          }
          if (period === "month" && from.getUTCDate() !== 1) {
            return yield* periodInvalid("A month begins on its first day")
          }
          const untilDay = dayText(untilOf(period, from))
          const [today] = yield* sql<{ readonly isOver: boolean }>`
            SELECT (${moment}::timestamptz AT TIME ZONE coalesce(
                     (SELECT zone FROM hm_order_zone WHERE tenant_id = ${tenant.id} AND seller_id = ''), 'UTC'))::date
                   >= ${untilDay}::date AS "isOver"
          `
          if (today?.isOver !== true) return yield* periodInvalid("The period is not over")
          yield* summaries.drain
          return yield* transactionOf(sql)(copy(tenant.id, period, fromDay, untilDay))
        })

        const get = Effect.fn("SalesCloses.get")(function* (closeId: CloseId) {
          const tenant = yield* Tenant
          const [row] = yield* sql`
            SELECT ${returned} FROM hm_order_close
             WHERE tenant_id = ${tenant.id} AND close_id = ${closeId}::uuid
          `
          if (row === undefined) return yield* new CloseNotFound({ closeId })
          return yield* toClose(row)
        })

        const list = Effect.fn("SalesCloses.list")(function* (request: Page.Request) {
          const tenant = yield* Tenant
          const [before] = Option.getOrElse(yield* pages.after(request), () => [afterAll] as const)
          const rows = yield* sql`
            SELECT ${returned} FROM hm_order_close
             WHERE tenant_id = ${tenant.id} AND close_id < ${before}::uuid
             ORDER BY close_id DESC LIMIT ${Page.limitOf(request) + 1}
          `
          return yield* pages.page(yield* Effect.forEach(rows, toClose), request)
        })

        const restatement = Effect.fn("SalesCloses.restatement")(function* (
          closeId: CloseId,
          by: typeof By.Type
        ) {
          const tenant = yield* Tenant
          const found = yield* get(closeId)
          const grain = grainOf[by]
          const waiting = sql`
            SELECT *, date_trunc('month', tenant_day)::date AS month FROM hm_order_delta
             WHERE tenant_id = ${tenant.id}
               AND seq >= coalesce((SELECT hint FROM hm_order_merge WHERE tenant_id = ${tenant.id}), 0)
          `
          const cells = sql`
            WITH undrained AS MATERIALIZED (${waiting})
            SELECT bucket::text AS day, seller_id AS "sellerId", category, region, channel, ${change}
              FROM (SELECT ${cellKey}, ${names} FROM hm_order_summary
                     WHERE tenant_id = ${tenant.id} AND grain = ${grain} AND bucket >= ${found.fromDay}::date
                       AND bucket < ${found.untilDay}::date
                    UNION ALL
                    SELECT ${cellKey}, ${names} FROM (${undrained}) u
                     WHERE grain = ${grain} AND bucket >= ${found.fromDay}::date AND bucket < ${found.untilDay}::date
                    UNION ALL
                    SELECT ${cellKey}, ${negated} FROM hm_sales_analytics_snapshot
                     WHERE tenant_id = ${tenant.id} AND close_id = ${closeId}::uuid AND grain = ${grain}) q
             GROUP BY bucket, seller_id, category, region, channel, currency
            HAVING ${anySum}
             ORDER BY bucket, seller_id, category, region, channel, currency
             LIMIT ${listedMax + 1}
          `
          const orders = sql`
            SELECT order_id AS "orderId", ${change}
              FROM (SELECT order_id, currency, ${names} FROM hm_order_restatement
                     WHERE tenant_id = ${tenant.id} AND tenant_day >= ${found.fromDay}::date
                       AND tenant_day < ${found.untilDay}::date
                       AND after_close >= (SELECT number FROM hm_order_close
                                            WHERE tenant_id = ${tenant.id} AND close_id = ${closeId}::uuid)
                    UNION ALL
                    SELECT order_id, currency, ${names} FROM (${waiting}) u
                     WHERE tenant_day >= ${found.fromDay}::date AND tenant_day < ${found.untilDay}::date) q
             GROUP BY order_id, currency
            HAVING ${anySum}
             ORDER BY order_id, currency
             LIMIT ${listedMax + 1}
          `
          const rows = {
            closeId,
            cells: yield* cells,
            orders: yield* orders
          }
          return yield* Effect.orDie(
            decodeRestatement({
              closeId,
              cells: rows.cells.slice(0, listedMax),
              orders: rows.orders.slice(0, listedMax),
              isComplete: rows.cells.length <= listedMax && rows.orders.length <= listedMax
            })
          )
        })

        const closeDue = Effect.fn("SalesCloses.closeDue")(function* (afterDays: number) {
          yield* AllTenants
          const moment = yield* now
          const settled = new Date(moment.getTime() - afterDays * dayMillis)
          const from = new Date(
            Date.UTC(settled.getUTCFullYear(), settled.getUTCMonth() - monthsLookedBack, 1)
          )
          const due = yield* sql<{ readonly tenantId: string }>`
            SELECT tenant_id AS "tenantId" FROM hm_order_merge m
             WHERE NOT EXISTS (SELECT FROM hm_order_close c
                                WHERE c.tenant_id = m.tenant_id AND c.period = 'month'
                                  AND c.from_day = ${dayText(from)}::date)
          `
          const closed = yield* Effect.forEach(due, ({ tenantId }) =>
            close("month", dayText(from)).pipe(
              Effect.provideService(Tenant, { id: TenantId.make(tenantId) }),
              Effect.as(1),
              // Somebody closed it by hand, or the month is not over in the tenant's zone.
              Effect.catchTag(["CloseExists", "PeriodInvalid"], () => Effect.succeed(0))
            )
          )
          return closed.reduce<number>((sum, one) => sum + one, 0)
        })

        return SalesCloses.of({ close, get, list, restatement, closeDue })
      })
    )

  static readonly layer: Layer.Layer<SalesCloses, never, SqlClient.SqlClient> = SalesCloses.layerNoDeps.pipe(
    Layer.provide(OrderSummaries.layer)
  )
}

const decodeRestatement = Schema.decodeUnknownEffect(Restatement)

const periodInvalid = (message: string) =>
  new PeriodInvalid({ errors: [{ path: ["payload", "fromDay"], message }] })
