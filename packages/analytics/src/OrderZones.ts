/**
 * The service of the zones in which days begin: the tenant's, UTC until it is set, and those of its sellers.
 *
 * The day of an order is computed once, when its lines are written. So a zone is set before the first order to which it
 * applies. Afterwards it can only be corrected, which computes all days again.
 *
 * @since 0.1.0
 */
import * as AuditedChange from "@hypermarket/core/AuditedChange"
import { Tenant } from "@hypermarket/core/Tenant"
import { isOpen } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Grains from "./internal/grains.ts"
import * as OrderDays from "./internal/orderDays.ts"
import * as ZoneNames from "./internal/zoneNames.ts"
import { FactsRemoved } from "./OrderRetention.ts"
import { OrderSummaries } from "./OrderSummaries.ts"
import { ZoneFixed, ZoneUnknown } from "./OrderZone.ts"

/** The seller id of the row with the tenant's zone. */
const tenantKey = ""

/** Looks at writers that began before a zone was set, 20 ms apart: some 5 s. A zone can be corrected after that. */
const writerLooksMax = 250

/** The zone of a tenant without a row in `hm_order_zone`. */
const zoneDefault = "UTC"

/**
 * Reads and sets the zones in which days begin.
 *
 * @category services
 * @since 0.1.0
 */
export class OrderZones extends Context.Service<
  OrderZones,
  {
    /** Reads the tenant's zone. */
    readonly zone: Effect.Effect<string, SqlError, Tenant>
    /** Sets the tenant's zone. Fails with `ZoneFixed` once the tenant has orders. */
    readonly setZone: (zone: string) => Effect.Effect<void, ZoneUnknown | ZoneFixed | SqlError, Tenant>
    /** Reads a seller's zone: the tenant's unless the seller has another. */
    readonly sellerZone: (sellerId: string) => Effect.Effect<string, SqlError, Tenant>
    /** Sets a seller's zone. Fails with `ZoneFixed` once the seller has orders. */
    readonly setSellerZone: (
      sellerId: string,
      zone: string
    ) => Effect.Effect<void, ZoneUnknown | ZoneFixed | SqlError, Tenant>
    /**
     * Replaces the tenant's zone although orders have days of another one: computes all days again and rebuilds the figures. Needs
     * minutes for millions of orders, while facts are written. Not within a transaction of the caller. Fails with `FactsRemoved` when
     * retention has removed facts, as their days cannot be computed again.
     */
    readonly correctZone: (zone: string) => Effect.Effect<void, ZoneUnknown | FactsRemoved | SqlError, Tenant>
    /** {@link correctZone} for a seller. */
    readonly correctSellerZone: (
      sellerId: string,
      zone: string
    ) => Effect.Effect<void, ZoneUnknown | FactsRemoved | SqlError, Tenant>
  }
>()("@hypermarket/analytics/OrderZones") {
  static readonly layerNoDeps: Layer.Layer<OrderZones, never, SqlClient.SqlClient | OrderSummaries> =
    Layer.effect(
      OrderZones,
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const summaries = yield* OrderSummaries
        const days = OrderDays.make(sql)

        const zoneNames = ZoneNames.make(sql)

        const zoneOf = (tenantId: string, sellerId: string) =>
          sql<{ readonly zone: string }>`
          SELECT zone
            FROM hm_order_zone
           WHERE tenant_id = ${tenantId} AND seller_id IN (${sellerId}, ${tenantKey})
           ORDER BY seller_id DESC
           LIMIT 1
        `.pipe(Effect.map(([row]) => row?.zone ?? zoneDefault))

        const write = (tenantId: string, sellerId: string, zone: string) => sql`
        INSERT INTO hm_order_zone (tenant_id, seller_id, zone)
        VALUES (${tenantId}, ${sellerId}, ${zone})
            ON CONFLICT (tenant_id, seller_id) DO UPDATE SET zone = excluded.zone
      `

        /**
         * A fact that is written at the same time may have the days of the zone before. When its writer has ended, its days are
         * computed again.
         */
        const settle = Effect.gen(function* () {
          if (yield* isOpen(sql)) return
          const [clock] = yield* days.clock
          yield* days.hasOlderWriters(clock?.now ?? "").pipe(
            Effect.repeat({
              until: ([row]) => row?.isWriting !== true,
              schedule: Schedule.spaced("20 millis"),
              times: writerLooksMax
            })
          )
          yield* summaries.redate
        })

        const nameOf = Effect.fnUntraced(function* (zone: string) {
          const name = ZoneNames.nameOf(yield* zoneNames, zone)
          return name ?? (yield* new ZoneUnknown({ zone }))
        })

        const set = Effect.fnUntraced(function* (sellerId: string, asked: string) {
          const tenant = yield* Tenant
          const zone = yield* nameOf(asked)
          const before = yield* zoneOf(tenant.id, sellerId)
          if (before === zone && sellerId === tenantKey) return false
          const [written] = yield* sql<{ readonly hasFacts: boolean }>`
            SELECT EXISTS (
                   SELECT
                     FROM hm_order_line
                    WHERE tenant_id = ${tenant.id} AND (${sellerId} = '' OR seller_id = ${sellerId})
                   )
                OR EXISTS (
                   SELECT
                     FROM hm_order_credit
                    WHERE tenant_id = ${tenant.id} AND (${sellerId} = '' OR seller_id = ${sellerId})
                   )
                OR EXISTS (
                   SELECT
                     FROM hm_order_retention r
                    WHERE r.tenant_id = ${tenant.id} AND r.facts_from IS NOT NULL
                      AND (${sellerId} = ''
                           OR EXISTS (
                                     SELECT
                                       FROM hm_order_summary
                                      WHERE tenant_id = ${tenant.id} AND grain = ${Grains.sellerDay.number}
                                        AND seller_id = ${sellerId}
                                     ))
                   )
                   AS "hasFacts"
          `
          if (before !== zone && written?.hasFacts === true) return yield* new ZoneFixed({ zone: before })
          yield* write(tenant.id, sellerId, zone)
          return before !== zone
        })

        const correct = Effect.fnUntraced(function* (sellerId: string, zone: string) {
          const tenant = yield* Tenant
          const [removed] = yield* sql<{ readonly before: string }>`
            SELECT facts_from::text AS before
              FROM hm_order_retention
             WHERE tenant_id = ${tenant.id} AND facts_from IS NOT NULL
          `
          if (removed !== undefined) return yield* new FactsRemoved(removed)
          yield* write(tenant.id, sellerId, yield* nameOf(zone))
          return true
        })

        /** Days are computed again when the change has committed. */
        const audited = <E>(
          sellerId: string,
          zone: string,
          change: Effect.Effect<boolean, E | SqlError, Tenant>
        ) =>
          AuditedChange.change(sql, change, {
            action: "zone.changed",
            target:
              sellerId === tenantKey ? { type: "zone", id: "tenant" } : { type: "seller", id: sellerId },
            after: () => ({ zone })
          }).pipe(Effect.flatMap((isChanged) => (isChanged ? settle : Effect.void)))

        return OrderZones.of({
          zone: Effect.flatMap(Tenant, (tenant) => zoneOf(tenant.id, tenantKey)).pipe(
            Effect.withSpan("OrderZones.zone")
          ),
          setZone: Effect.fn("OrderZones.setZone")((zone: string) =>
            audited(tenantKey, zone, set(tenantKey, zone))
          ),
          sellerZone: Effect.fn("OrderZones.sellerZone")((sellerId: string) =>
            Effect.flatMap(Tenant, (tenant) => zoneOf(tenant.id, sellerId))
          ),
          setSellerZone: Effect.fn("OrderZones.setSellerZone")((sellerId: string, zone: string) =>
            audited(sellerId, zone, set(sellerId, zone))
          ),
          correctZone: Effect.fn("OrderZones.correctZone")((zone: string) =>
            audited(tenantKey, zone, correct(tenantKey, zone))
          ),
          correctSellerZone: Effect.fn("OrderZones.correctSellerZone")((sellerId: string, zone: string) =>
            audited(sellerId, zone, correct(sellerId, zone))
          )
        })
      })
    )

  static readonly layer: Layer.Layer<OrderZones, never, SqlClient.SqlClient> = OrderZones.layerNoDeps.pipe(
    Layer.provide(OrderSummaries.layer)
  )
}
