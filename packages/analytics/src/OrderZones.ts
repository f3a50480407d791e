/**
 * The zones in which days begin: the tenant's, UTC until it is set, and those of its sellers.
 *
 * A day is computed once, when a line is written. So a zone is set before the first order it is for; afterwards it is
 * fixed.
 *
 * @since 0.1.0
 */
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as ZoneNames from "./internal/zoneNames.ts"

/**
 * @category errors
 * @since 0.1.0
 */
export class ZoneUnknown extends HttpApiError.Problem<ZoneUnknown>()(
  "ZoneUnknown",
  {
    type: "urn:hypermarket:problem:analytics:zone-unknown",
    status: 400,
    title: "The database knows no such time zone"
  },
  { zone: Schema.String }
) {}

/**
 * Orders were written with days of another zone.
 *
 * @category errors
 * @since 0.1.0
 */
export class ZoneFixed extends HttpApiError.Problem<ZoneFixed>()(
  "ZoneFixed",
  {
    type: "urn:hypermarket:problem:analytics:zone-fixed",
    status: 409,
    title: "Orders have days of another zone already"
  },
  { zone: Schema.String }
) {}

/** The key under which the tenant's own zone stands. */
const ofTenant = ""

/** Without a row of `hm_order_zone`. */
const zoneDefault = "UTC"

/**
 * @category services
 * @since 0.1.0
 */
export class OrderZones extends Context.Service<
  OrderZones,
  {
    /** The tenant's zone. */
    readonly zone: Effect.Effect<string, SqlError, Tenant>
    readonly setZone: (zone: string) => Effect.Effect<void, ZoneUnknown | ZoneFixed | SqlError, Tenant>
    /** The seller's zone: the tenant's when it has none of its own. */
    readonly sellerZone: (sellerId: string) => Effect.Effect<string, SqlError, Tenant>
    readonly setSellerZone: (
      sellerId: string,
      zone: string
    ) => Effect.Effect<void, ZoneUnknown | ZoneFixed | SqlError, Tenant>
  }
>()("@hypermarket/analytics/OrderZones") {
  static readonly layer: Layer.Layer<OrderZones, never, SqlClient.SqlClient> = Layer.effect(
    OrderZones,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const zoneNames = ZoneNames.make(sql)

      const zoneOf = (tenantId: string, sellerId: string) =>
        sql<{ readonly zone: string }>`
          SELECT zone FROM hm_order_zone
           WHERE tenant_id = ${tenantId} AND seller_id IN (${sellerId}, ${ofTenant})
           ORDER BY seller_id DESC LIMIT 1
        `.pipe(Effect.map(([row]) => row?.zone ?? zoneDefault))

      const set = Effect.fnUntraced(function* (sellerId: string, zone: string) {
        const tenant = yield* Tenant
        if (!(yield* zoneNames).has(zone)) return yield* new ZoneUnknown({ zone })
        const before = yield* zoneOf(tenant.id, sellerId)
        if (before === zone && sellerId === ofTenant) return
        const [written] = yield* sql<{ readonly hasLines: boolean }>`
          SELECT EXISTS (SELECT FROM hm_order_line
                          WHERE tenant_id = ${tenant.id} AND (${sellerId} = '' OR seller_id = ${sellerId})) AS "hasLines"
        `
        if (before !== zone && written?.hasLines === true) return yield* new ZoneFixed({ zone: before })
        yield* sql`
          INSERT INTO hm_order_zone (tenant_id, seller_id, zone) VALUES (${tenant.id}, ${sellerId}, ${zone})
              ON CONFLICT (tenant_id, seller_id) DO UPDATE SET zone = excluded.zone
        `
      })

      return OrderZones.of({
        zone: Effect.flatMap(Tenant, (tenant) => zoneOf(tenant.id, ofTenant)).pipe(
          Effect.withSpan("OrderZones.zone")
        ),
        setZone: Effect.fn("OrderZones.setZone")((zone: string) => set(ofTenant, zone)),
        sellerZone: Effect.fn("OrderZones.sellerZone")((sellerId: string) =>
          Effect.flatMap(Tenant, (tenant) => zoneOf(tenant.id, sellerId))
        ),
        setSellerZone: Effect.fn("OrderZones.setSellerZone")(set)
      })
    })
  )
}
