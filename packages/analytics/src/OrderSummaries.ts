/**
 * The summaries of order facts, kept by merging the delta log into them, and the proof that they are right.
 *
 * What is read is always the summary and what is not merged yet, in one statement: figures are exact to the last commit,
 * however late the merge. How late only decides what a reader pays: about half a millisecond for 1,000 rows.
 *
 * @since 0.1.0
 */
import { now } from "@hypermarket/core/Now"
import { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import { isOpen } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as OrderMerge from "./internal/orderMerge.ts"

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
 * Rows of one merge: some 50 ms during which the tenant's cells are locked for other merges, and for nobody else.
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
export type Difference = OrderMerge.Difference

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
    /** Cells of a range of whole months that differ from their facts: at most 1,000, none when all is well. */
    readonly differences: (
      from: string,
      until: string
    ) => Effect.Effect<ReadonlyArray<Difference>, SqlError, Tenant>
    /** Recomputes the months that merges have touched since the tenant's last proof, and keeps the result. */
    readonly prove: Effect.Effect<ReadonlyArray<Difference>, SqlError, Tenant>
    /** {@link prove} for every tenant; logs what differs. */
    readonly proveAll: Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/analytics/OrderSummaries") {
  static readonly layer: Layer.Layer<OrderSummaries, never, SqlClient.SqlClient> = Layer.effect(
    OrderSummaries,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const statements = OrderMerge.make(sql)

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

      /** Until less than a merge's worth is left: what arrives meanwhile is the next one's. */
      const catchUp = Effect.fnUntraced(function* (tenantId: string) {
        let merged = 0
        for (;;) {
          const batch = yield* mergeOf(tenantId, mergeRowsMax)
          merged += batch.merged
          if (batch.merged < mergeRowsMin) return merged + (yield* settle(tenantId, merged))
        }
      })

      const mergeDue = Effect.gen(function* () {
        yield* AllTenants
        const moment = yield* now
        const due = yield* statements.due(mergeRowsMin, new Date(moment.getTime() - mergeWaitMillis))
        const merged = yield* Effect.forEach(due, ({ tenantId }) =>
          catchUp(tenantId).pipe(
            Effect.catchCause((cause) =>
              Effect.as(Effect.logWarning(`The merge of ${tenantId} failed; it is tried again`, cause), 0)
            )
          )
        )
        return merged.reduce((sum, rows) => sum + rows, 0)
      }).pipe(Effect.withSpan("OrderSummaries.mergeDue"))

      const differences = Effect.fn("OrderSummaries.differences")(function* (from: string, until: string) {
        const tenant = yield* Tenant
        return yield* statements.differences(tenant.id, from, until, differencesMax)
      })

      const proveOf = Effect.fnUntraced(function* (tenantId: string) {
        const moment = yield* now
        const [last] = yield* sql<{ readonly provedAt: Date }>`
          SELECT proved_at AS "provedAt" FROM hm_order_proof
           WHERE tenant_id = ${tenantId} ORDER BY proved_at DESC LIMIT 1
        `
        const months = yield* statements.touched(tenantId, last?.provedAt ?? new Date(0))
        const found = yield* Effect.forEach(months, ({ from, until }) =>
          statements.differences(tenantId, from, until, differencesMax)
        )
        const all = found.flat()
        yield* sql`
          INSERT INTO hm_order_proof (tenant_id, proved_at, months, differences)
          VALUES (${tenantId}, ${moment}, ${months.length}, ${all.length})
              ON CONFLICT (tenant_id, proved_at) DO NOTHING
        `
        yield* sql`
          DELETE FROM hm_order_proof
           WHERE tenant_id = ${tenantId} AND proved_at < ${new Date(moment.getTime() - proofKeptMillis)}
        `
        return all
      })

      const prove = Effect.flatMap(Tenant, (tenant) => proveOf(tenant.id)).pipe(
        Effect.withSpan("OrderSummaries.prove")
      )

      const proveAll = Effect.gen(function* () {
        yield* AllTenants
        const tenants = yield* sql<{ readonly tenantId: string }>`
          SELECT tenant_id AS "tenantId" FROM hm_order_merge ORDER BY tenant_id
        `
        const found = yield* Effect.forEach(tenants, ({ tenantId }) =>
          Effect.tap(proveOf(tenantId), (differing) =>
            differing.length === 0
              ? Effect.void
              : Effect.logError(`Summaries of ${tenantId} differ from their facts`, differing.slice(0, 5))
          )
        )
        return found.flat().length
      }).pipe(Effect.withSpan("OrderSummaries.proveAll"))

      return OrderSummaries.of({
        merge,
        drain: Effect.flatMap(Tenant, (tenant) => drainOf(tenant.id)).pipe(
          Effect.withSpan("OrderSummaries.drain")
        ),
        waiting,
        mergeDue,
        differences,
        prove,
        proveAll
      })
    })
  )
}

/** A quarter of nightly results. */
const proofKeptMillis = 90 * 24 * 60 * 60 * 1000
