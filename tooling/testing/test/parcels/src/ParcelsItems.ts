/**
 * The items of a tenant: created, read, listed and removed.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import { VersionStale } from "@hypermarket/core/Precondition"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import {
  ParcelsItem,
  ParcelsItemId,
  ParcelsItemLimit,
  ParcelsItemNotFound,
  type NewParcelsItem
} from "./ParcelsItem.ts"
import * as Settings from "./ParcelsSettings.ts"

const itemRow = Row.make(
  ParcelsItem,
  {
    itemId: ParcelsItemId,
    name: Schema.String,
    version: Schema.Int,
    recordedAt: Column.Timestamp,
    updatedAt: Column.Timestamp
  },
  { uuid: ["itemId"] }
)

const pages = Page.make({
  list: "parcels.items",
  key: Schema.Tuple([ParcelsItemId]),
  keyOf: (item: ParcelsItem) => [item.itemId] as const
})

/**
 * @category services
 * @since 0.1.0
 */
export class ParcelsItems extends Context.Service<
  ParcelsItems,
  {
    readonly create: (item: NewParcelsItem) => Effect.Effect<ParcelsItem, ParcelsItemLimit | SqlError, Tenant>
    readonly get: (
      itemId: ParcelsItemId
    ) => Effect.Effect<ParcelsItem, ParcelsItemNotFound | SqlError, Tenant>
    /** Newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<ParcelsItem>, Page.CursorInvalid | SqlError, Tenant>
    readonly remove: (
      itemId: ParcelsItemId,
      version: number
    ) => Effect.Effect<void, ParcelsItemNotFound | VersionStale | SqlError, Tenant>
  }
>()("@hypermarket/parcels/ParcelsItems") {
  static readonly layer: Layer.Layer<ParcelsItems, Config.ConfigError, SqlClient.SqlClient> = Layer.effect(
    ParcelsItems,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const itemsMax = yield* Settings.itemsMax.config
      const columns = sql.literal(itemRow.columns)

      const create = Effect.fn("ParcelsItems.create")(function* (item: NewParcelsItem) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const itemId = yield* Identifier.next
        const [row] = yield* sql`
          INSERT INTO hm_parcels_item (tenant_id, item_id, name, recorded_at, updated_at)
          SELECT ${tenant.id}, ${itemId}::uuid, ${item.name}, ${now}, ${now}
           WHERE (
                 SELECT count(*)
                   FROM hm_parcels_item
                  WHERE tenant_id = ${tenant.id}
                 ) < ${itemsMax}
          RETURNING ${columns}
        `
        if (row === undefined) return yield* new ParcelsItemLimit({ itemsMax })
        return yield* itemRow.decode(row)
      })

      const get = Effect.fn("ParcelsItems.get")(function* (itemId: ParcelsItemId) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${columns}
            FROM hm_parcels_item
           WHERE tenant_id = ${tenant.id} AND item_id = ${itemId}::uuid
        `
        if (row === undefined) return yield* new ParcelsItemNotFound({ itemId })
        return yield* itemRow.decode(row)
      })

      const list = Effect.fn("ParcelsItems.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [before] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
        const rows = yield* sql`
          SELECT ${columns}
            FROM hm_parcels_item
           WHERE tenant_id = ${tenant.id} AND item_id < ${before}::uuid
           ORDER BY item_id DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* itemRow.decodeAll(rows), request)
      })

      const remove = Effect.fn("ParcelsItems.remove")(function* (itemId: ParcelsItemId, version: number) {
        const tenant = yield* Tenant
        const removed = yield* sql`
          DELETE FROM hm_parcels_item
           WHERE tenant_id = ${tenant.id} AND item_id = ${itemId}::uuid AND version = ${version}
          RETURNING 1
        `
        if (removed.length > 0) return
        const existing = yield* get(itemId)
        return yield* new VersionStale({ currentVersion: existing.version })
      })

      return ParcelsItems.of({ create, get, list, remove })
    })
  )
}
