/**
 * Reads the messages that `HM_NOTIFICATIONS_DELIVERY` has caught.
 *
 * @since 0.1.0
 */
import * as Column from "@hypermarket/core/Column"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { CaughtMessage } from "./CaughtMessage.ts"
import { NotificationNotFound } from "./Notification.ts"

const caughtRow = Row.make(
  CaughtMessage,
  {
    notificationId: Schema.String,
    address: Schema.String,
    subject: Schema.String,
    recordedAt: Column.Timestamp
  },
  { uuid: ["notificationId"] }
)

const pages = Page.make({
  list: "notifications.caught",
  key: Schema.Tuple([Identifier.Uuid]),
  keyOf: (message: CaughtMessage) => [message.notificationId] as const
})

/**
 * @category services
 * @since 0.1.0
 */
export class CaughtMessages extends Context.Service<
  CaughtMessages,
  {
    /** Newest first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<CaughtMessage>, Page.CursorInvalid | SqlError, Tenant>
    /** Returns the message as it would have gone over the wire. */
    readonly source: (
      notificationId: string
    ) => Effect.Effect<string, NotificationNotFound | SqlError, Tenant>
  }
>()("@hypermarket/notifications/CaughtMessages") {
  static readonly layer: Layer.Layer<CaughtMessages, never, SqlClient.SqlClient> = Layer.effect(
    CaughtMessages,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient

      const list = Effect.fn("CaughtMessages.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [before] = Option.getOrElse(yield* pages.after(request), () => [Page.lastUuid] as const)
        const rows = yield* sql`
          SELECT ${sql.literal(caughtRow.columns)}
            FROM hm_notification_caught
           WHERE tenant_id = ${tenant.id} AND notification_id < ${before}::uuid
           ORDER BY notification_id DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* caughtRow.decodeAll(rows), request)
      })

      const source = Effect.fn("CaughtMessages.source")(function* (notificationId: string) {
        const tenant = yield* Tenant
        const [row] = yield* sql<{ readonly message: Uint8Array }>`
          SELECT message
            FROM hm_notification_caught
           WHERE tenant_id = ${tenant.id} AND notification_id = ${notificationId}::uuid
        `
        if (row === undefined) return yield* new NotificationNotFound({ key: notificationId })
        return new TextDecoder().decode(row.message)
      })

      return CaughtMessages.of({ list, source })
    })
  )
}
