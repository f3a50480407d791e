/** The mail that follows a change in the preference centre: a link may be in the wrong hands. */
import * as Identifier from "@hypermarket/core/Identifier"
import * as Now from "@hypermarket/core/Now"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { noticeCategory } from "../NotificationPreference.ts"
import type { Recipient } from "../NotificationRecipient.ts"
import type { Notifications } from "../Notifications.ts"
import { noticeTemplate } from "../NotificationTemplate.ts"

export interface Choice {
  readonly category: string
  readonly name: string
  readonly enabled: boolean
}

export const make = (sql: SqlClient.SqlClient, notifications: Notifications["Service"]) =>
  /** Triggers the mail in the caller's transaction. The category comes with a tenant's first one; its name is the tenant's. */
  Effect.fnUntraced(function* (to: Recipient, choices: ReadonlyArray<Choice>) {
    if (choices.length === 0) return
    const tenant = yield* Tenant
    const now = yield* Now.now
    yield* sql`
      INSERT INTO hm_notification_category (tenant_id, category, name, kind, freshness_seconds, when_unknown, heeds_quiet,
                                            updated_at)
      VALUES (${tenant.id}, ${noticeCategory}, 'Changes of your choices', 'required', 86400, 'retry', false, ${now})
          ON CONFLICT (tenant_id, category) DO NOTHING
    `
    yield* notifications
      .trigger({
        key: `${noticeTemplate}/${yield* Identifier.next}`,
        category: noticeCategory,
        template: noticeTemplate,
        to,
        payload: { choices: choices.map((choice) => ({ ...choice })) }
      })
      .pipe(
        Effect.catchTag(
          ["NotificationRefused", "NotificationPayloadInvalid", "NotificationKeyReused"],
          (error) => Effect.die(error)
        )
      )
  })
