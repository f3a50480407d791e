/**
 * Sets and reads the branding of a tenant.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import * as Now from "@hypermarket/core/Now"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Branding from "./internal/branding.ts"
import { type NewNotificationBranding, NotificationBranding } from "./NotificationBranding.ts"

const brandingRow = Row.make(NotificationBranding, NotificationBranding.fields)

/**
 * @category services
 * @since 0.1.0
 */
export class NotificationBrandings extends Context.Service<
  NotificationBrandings,
  {
    /** Sets the branding as a whole: what is left out is removed. Messages that wait are sent with it. */
    readonly set: (branding: NewNotificationBranding) => Effect.Effect<NotificationBranding, SqlError, Tenant>
    readonly get: Effect.Effect<NotificationBranding, SqlError, Tenant>
  }
>()("@hypermarket/notifications/NotificationBrandings") {
  static readonly layer: Layer.Layer<NotificationBrandings, never, SqlClient.SqlClient> = Layer.effect(
    NotificationBrandings,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const columns = sql.literal(brandingRow.columns)

      const set = Effect.fn("NotificationBrandings.set")(function* (branding: NewNotificationBranding) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        const supportEmail =
          branding.supportEmail === undefined
            ? undefined
            : Result.getOrUndefined(EmailAddress.parse(branding.supportEmail))?.normal
        const [row] = yield* sql`
          INSERT INTO hm_notification_branding AS b (tenant_id, name, logo_url, website_url, primary_color, secondary_color,
                                                     postal_address, footer, support_email, updated_at)
          VALUES (${tenant.id}, ${branding.name}, ${branding.logoUrl ?? null}, ${branding.websiteUrl ?? null},
                  ${branding.primaryColor ?? null}, ${branding.secondaryColor ?? null},
                  ${branding.postalAddress ?? null}, ${branding.footer ?? null}, ${supportEmail ?? null}, ${now})
              ON CONFLICT (tenant_id)
              DO UPDATE SET name = excluded.name, logo_url = excluded.logo_url, website_url = excluded.website_url,
                            primary_color = excluded.primary_color, secondary_color = excluded.secondary_color,
                            postal_address = excluded.postal_address, footer = excluded.footer,
                            support_email = excluded.support_email, version = b.version + 1,
                            updated_at = excluded.updated_at
          RETURNING ${columns}
        `
        yield* Audit.record({
          action: "notification-branding.set",
          target: { type: "notification-branding", id: tenant.id },
          after: { name: branding.name }
        })
        return yield* brandingRow.decode(row)
      }, transactionOf(sql))

      const get = Effect.gen(function* () {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${columns}
            FROM hm_notification_branding
           WHERE tenant_id = ${tenant.id}
        `
        return row === undefined
          ? new NotificationBranding({ ...Branding.none, version: 0 })
          : yield* brandingRow.decode(row)
      }).pipe(Effect.withSpan("NotificationBrandings.get"))

      return NotificationBrandings.of({ set, get })
    })
  )
}
