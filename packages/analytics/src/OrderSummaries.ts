/**
 * The summaries of order facts, kept by merging the delta log into them, and the proof that they are right.
 *
 * What is read is always the summary and what is not merged yet, in one statement: figures are exact to the last commit,
 * however late the merge. How late only decides what a reader pays: about half a millisecond for 1,000 rows.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import { now } from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { isOpen, transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Metric from "effect/Metric"
import * as OrderDays from "./internal/orderDays.ts"
import * as OrderMerge from "./internal/orderMerge.ts"
import * as OrderProof from "./internal/orderProof.ts"
import { FactsRemoved } from "./OrderRetention.ts"

/**
 * Rows of a tenant that wait before a merge is worth its statement: 200 rows cost 28 to 41 microseconds each, 4,000 cost
 * 9 to 17.
 *
 * @category limits
 * @since 0.1.0
 */
export const mergeRowsMin = 1_000

/**
 * However few they are, rows wait no longer than this.
 *
 * @category limits
 * @since 0.1.0
 */
export const mergeWaitMillis = 5_000

/**
 * Rows of one merge: some 50 ms during which the tenant's cells are locked for other merges only.
 *
 * @category limits
 * @since 0.1.0
 */
export const mergeRowsMax = 5_000

/**
 * Beyond this many waiting rows a tenant's readers pay too much: bulk writing over HTTP answers 503 until merges have
 * caught up.
 *
 * @category limits
 * @since 0.1.0
 */
export const waitingMax = 50_000

/**
 * A cell of a summary that is not what its facts add up to.
 *
 * @category models
 * @since 0.1.0
 */
export type Difference = OrderProof.Difference

/** The job's deadline is a minute: the next round begins with other tenants. */
const mergeRoundLimit = "45 seconds"
/** The job's deadline is an hour. */
const proveRoundLimit = "55 minutes"
/** A quarter of nightly results, in milliseconds. */
const proofKeptMillis = 90 * 24 * 60 * 60 * 1000
/** Nights in which every month is recomputed once, whether it has changed or not. */
const rotationNights = 28
/** Orders whose days are computed in one transaction: their writers wait for some milliseconds. */
const redatedOrdersMax = 500
/** Longer than any merge takes, in minutes. */
const mergeOverlapMinutes = 10

const differencesTotal = Metric.counter("hm_analytics_order_differences_total", {
  description: "Cells of summaries that differed from their facts when a month was recomputed",
  incremental: true
})
/** Enough to see what is wrong. */
const differencesMax = 1_000
/** A held row is let go within a merge's time. */
const heldRetry = Schedule.spaced("20 millis")

/**
 * @category services
 * @since 0.1.0
 */
export class OrderSummaries extends Context.Service<
  OrderSummaries,
  {
    /** Merges up to `limit` rows of the tenant; answers how many. 0 also while another merge is at it. */
    readonly merge: (limit?: number) => Effect.Effect<number, SqlError, Tenant>
    /** Merges until nothing waits that was there when it began to look. */
    readonly drain: Effect.Effect<number, SqlError, Tenant>
    /** How many rows wait, counted up to `max`. */
    readonly waiting: (max: number) => Effect.Effect<number, SqlError, Tenant>
    /** Merges what is due over all tenants; answers how many rows. A tenant that fails does not hold up the others. */
    readonly mergeDue: Effect.Effect<number, SqlError, AllTenants>
    /**
     * Cells of a range of whole months that differ from their facts: at most 1,000, none when all is well. Cells whose facts
     * retention has removed are not compared, here and below.
     */
    readonly differences: (
      from: string,
      until: string
    ) => Effect.Effect<ReadonlyArray<Difference>, SqlError, Tenant>
    /**
     * Recomputes months and keeps the result of each: those that merges have changed, those that differed when they were last
     * recomputed, and one in 28 of the others.
     */
    readonly prove: Effect.Effect<ReadonlyArray<Difference>, SqlError, Tenant>
    /** Recomputes one month, given by its first day, and keeps the result. */
    readonly proveMonth: (month: string) => Effect.Effect<ReadonlyArray<Difference>, SqlError, Tenant>
    /**
     * Makes the cells of a month what its facts give, and returns how many were wrong. Exact while facts are written. What it
     * corrects of a closed period is restated. Fails with `FactsRemoved` for a month without facts.
     */
    readonly rebuild: (month: string) => Effect.Effect<number, FactsRemoved | SqlError, Tenant>
    /**
     * Computes the days of every fact with the zones that are set now, rebuilds the months when a day has changed, and returns how
     * many rows have moved. Writers of an order wait while its days are computed.
     */
    readonly redate: Effect.Effect<number, SqlError, Tenant>
    /** {@link prove} for every tenant; logs what differs. A tenant that fails does not hold up the others. */
    readonly proveAll: Effect.Effect<number, SqlError, AllTenants>
    /**
     * Merges every second and proves every day, until it is interrupted: for a process that uses this package without the worker. A
     * round that fails is logged, and the next one begins. Several processes may run it.
     */
    readonly run: Effect.Effect<never, never, AllTenants>
  }
>()("@hypermarket/analytics/OrderSummaries") {
  static readonly layer: Layer.Layer<OrderSummaries, never, SqlClient.SqlClient> = Layer.effect(
    OrderSummaries,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const statements = OrderMerge.make(sql)
      const proofs = OrderProof.make(sql)
      const days = OrderDays.make(sql)
      const withSql = Effect.provideService(SqlClient.SqlClient, sql)

      const attempt = Effect.fnUntraced(function* (tenantId: string, limit: number) {
        const moment = yield* now
        const mayMoveHint = !(yield* isOpen(sql))
        const [row] = yield* statements.merge(tenantId, limit, moment, mayMoveHint)
        return row ?? { held: false, merged: 0 }
      })

      const mergeOf = Effect.fnUntraced(function* (tenantId: string, limit: number) {
        const first = yield* attempt(tenantId, limit)
        if (first.held) return first
        yield* statements.ensure(tenantId)
        return yield* attempt(tenantId, limit)
      })

      const merge = Effect.fn("OrderSummaries.merge")(function* (limit = mergeRowsMax) {
        const tenant = yield* Tenant
        return (yield* mergeOf(tenant.id, limit)).merged
      })

      /** The hint follows a merge behind: without one more, a tenant that falls silent after a bulk would keep an old one. */
      const settle = (tenantId: string, merged: number) =>
        merged === 0
          ? Effect.succeed(0)
          : Effect.map(mergeOf(tenantId, mergeRowsMax), (batch) => batch.merged)

      const drainOf = Effect.fnUntraced(function* (tenantId: string) {
        let merged = 0
        for (;;) {
          const batch = yield* mergeOf(tenantId, mergeRowsMax).pipe(
            Effect.repeat({ until: ({ held }) => held, schedule: heldRetry })
          )
          merged += batch.merged
          if (batch.merged < mergeRowsMax) return merged + (yield* settle(tenantId, merged))
        }
      })

      const waiting = Effect.fn("OrderSummaries.waiting")(function* (max: number) {
        const tenant = yield* Tenant
        const [row] = yield* statements.waiting(tenant.id, max)
        return row?.waiting ?? 0
      })

      /** One merge per turn, until less than a merge's worth is left: what arrives meanwhile is the next one's. */
      const mergeTurn = Effect.fnUntraced(function* (tenantId: string) {
        const { merged } = yield* mergeOf(tenantId, mergeRowsMax)
        if (merged >= mergeRowsMin) return { count: merged, hasMore: true }
        return { count: merged + (yield* settle(tenantId, merged)), hasMore: false }
      })

      const mergeDue = Effect.gen(function* () {
        yield* AllTenants
        const moment = yield* now
        const due = yield* statements.due(mergeRowsMin, new Date(moment.getTime() - mergeWaitMillis))
        const round = yield* EachTenant.run({
          loop: "analytics.order.merge",
          items: due,
          limit: mergeRoundLimit,
          turn: ({ tenantId }) => mergeTurn(tenantId)
        })
        return round.count
      }).pipe(withSql, Effect.withSpan("OrderSummaries.mergeDue"))

      const differences = Effect.fn("OrderSummaries.differences")(function* (from: string, until: string) {
        const tenant = yield* Tenant
        return yield* proofs.differences(tenant.id, from, until, differencesMax)
      })

      const proveMonthOf = Effect.fnUntraced(function* (tenantId: string, month: OrderProof.Month) {
        const provedAt = yield* now
        const found = yield* proofs.differences(tenantId, month.from, month.until, differencesMax)
        yield* proofs.keep(tenantId, month.from, provedAt, found.length)
        yield* Metric.update(differencesTotal, found.length)
        return found
      })

      const proveOf = Effect.fnUntraced(function* (tenantId: string) {
        const provedAt = yield* now
        const months = yield* proofs.monthsDue(tenantId, mergeOverlapMinutes, rotationNights)
        const found = yield* Effect.forEach(months, (month) => proveMonthOf(tenantId, month))
        const differing = found.flat()
        yield* sql`
          INSERT INTO hm_order_proof (tenant_id, proved_at, months, differences)
          VALUES (${tenantId}, ${provedAt}, ${months.length}, ${differing.length})
              ON CONFLICT (tenant_id, proved_at) DO NOTHING
        `
        yield* sql`
          DELETE FROM hm_order_proof
           WHERE tenant_id = ${tenantId} AND proved_at < ${new Date(provedAt.getTime() - proofKeptMillis)}
        `
        return differing
      })

      const proveMonth = Effect.fn("OrderSummaries.proveMonth")(function* (month: string) {
        const tenant = yield* Tenant
        return yield* proveMonthOf(tenant.id, monthOf(month))
      })

      const rebuild = Effect.fn("OrderSummaries.rebuild")(function* (month: string) {
        const tenant = yield* Tenant
        const [removed] = yield* proofs.removedBefore(tenant.id, month)
        if (removed !== undefined) return yield* new FactsRemoved(removed)
        return yield* rebuildOf(month)
      })

      const rebuildOf = Effect.fnUntraced(function* (month: string) {
        const tenant = yield* Tenant
        const rebuiltAt = yield* now
        const cells = yield* transactionOf(sql)(
          Effect.gen(function* () {
            const [locked] = yield* proofs.lockMerges(tenant.id)
            const [row] = yield* proofs.rebuild(
              tenant.id,
              monthOf(month),
              rebuiltAt,
              BigInt(locked?.closes ?? 0n)
            )
            return row?.cells ?? 0
          })
        )
        if (cells > 0) yield* Effect.logWarning(`Rebuilt ${cells} cells of ${tenant.id} in ${month}`)
        yield* proveMonthOf(tenant.id, monthOf(month))
        return cells
      })

      const redateNext = Effect.fnUntraced(function* (tenantId: string, after: string) {
        const orders = yield* days.lockNext(tenantId, after, redatedOrdersMax)
        const ids = orders.map(({ orderId }) => orderId)
        const lines = yield* days.lines(tenantId, ids)
        const adjustments = yield* days.adjustments(tenantId, ids)
        return { last: ids.at(-1), moved: lines.length + adjustments.length }
      })

      const redate = Effect.gen(function* () {
        const tenant = yield* Tenant
        let moved = (yield* days.credits(tenant.id)).length
        let last: string | undefined = ""
        while (last !== undefined) {
          const batch: { readonly last: string | undefined; readonly moved: number } = yield* transactionOf(
            sql
          )(redateNext(tenant.id, last))
          last = batch.last
          moved += batch.moved
        }
        if (moved > 0) {
          for (const { from } of yield* days.months(tenant.id)) yield* rebuildOf(from)
        }
        return moved
      }).pipe(Effect.withSpan("OrderSummaries.redate"))

      const prove = Effect.flatMap(Tenant, (tenant) => proveOf(tenant.id)).pipe(
        Effect.withSpan("OrderSummaries.prove")
      )

      const proveAll = Effect.gen(function* () {
        yield* AllTenants
        const tenants = yield* sql<{ readonly tenantId: string }>`
          SELECT tenant_id AS "tenantId"
            FROM hm_order_merge
           ORDER BY tenant_id
        `
        const round = yield* EachTenant.run({
          loop: "analytics.order.prove",
          items: tenants,
          limit: proveRoundLimit,
          turn: ({ tenantId }) =>
            Effect.gen(function* () {
              const differing = yield* proveOf(tenantId)
              if (differing.length > 0) {
                yield* Effect.logError(
                  `Summaries of ${tenantId} differ from their facts`,
                  differing.slice(0, 5)
                )
              }
              return { count: differing.length, hasMore: false }
            })
        })
        return round.count
      }).pipe(withSql, Effect.withSpan("OrderSummaries.proveAll"))

      const forever = <E>(self: Effect.Effect<unknown, E, AllTenants>, interval: Duration.Input) =>
        self.pipe(
          Effect.catchCause((cause) => Effect.logError("A round over the order summaries failed", cause)),
          Effect.andThen(Effect.sleep(interval)),
          Effect.forever
        )

      const run = Effect.raceFirst(forever(mergeDue, "1 second"), forever(proveAll, "1 day"))

      return OrderSummaries.of({
        run,
        merge,
        drain: Effect.flatMap(Tenant, (tenant) => drainOf(tenant.id)).pipe(
          Effect.withSpan("OrderSummaries.drain")
        ),
        waiting,
        mergeDue,
        differences,
        prove,
        proveMonth,
        rebuild,
        redate,
        proveAll
      })
    })
  )
}

/** The month that begins on a day. */
const monthOf = (from: string): OrderProof.Month => {
  const first = new Date(`${from}T00:00:00Z`)
  return {
    from,
    until: new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 1)).toISOString().slice(0, 10)
  }
}
