/**
 * The data of persons in notifications. A suppression stays as a keyed hash, so that no mail follows.
 *
 * @since 0.1.0
 */
import type * as SubjectData from "@hypermarket/core/SubjectData"
import * as SubjectTables from "@hypermarket/core/SubjectTables"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import { SqlClient } from "effect/sql/SqlClient"

const { columns, nothing, passing, rows } = SubjectTables

const recipient = { ids: ["recipient_id"], kind: "recipient_kind", indexed: true } as const

/** How far a trigger has expanded: the last recipient of a page. */
const cursor = { ids: ["cursor_id"], kind: "cursor_kind" } as const

const namesOf = (subject: SubjectData.Subject): ReadonlyArray<string> => [
  subject.id,
  ...subject.identifiers.map(({ value }) => value)
]

/** The addresses of the profile. */
const discover = Effect.fnUntraced(function* (subject: SubjectData.Subject) {
  const sql = yield* SqlClient
  const tenant = yield* Tenant
  const found = yield* sql<{ readonly email: string }>`
    SELECT email
      FROM hm_notification_profile
     WHERE tenant_id = ${tenant.id} AND recipient_kind = ${subject.kind} AND recipient_id = ANY (${namesOf(subject)}::text[])
       AND email IS NOT NULL
  `
  return found.map(({ email }) => ({ kind: "email", value: email }))
})

/** Messages to the person. */
const related = Effect.fnUntraced(function* (subject: SubjectData.Subject) {
  const sql = yield* SqlClient
  const tenant = yield* Tenant
  const found = yield* sql<{ readonly notificationId: string }>`
    SELECT notification_id::text AS "notificationId"
      FROM hm_notification_queue
     WHERE tenant_id = ${tenant.id} AND recipient_kind = ${subject.kind} AND recipient_id = ANY (${namesOf(subject)}::text[])
  `
  return { notification: found.map(({ notificationId }) => notificationId) }
})

/**
 * Finds, exports and erases a person in the tables of notifications.
 *
 * @category domains
 * @since 0.1.0
 */
export const subjectData = SubjectTables.make({
  discover,
  related,
  tables: [
    rows("hm_notification_caught", {
      ids: [{ column: "notification_id", of: "notification" }],
      texts: ["address", "subject", "message"]
    }),
    rows("hm_notification_queue", recipient),
    columns(
      "hm_notification_queue",
      { texts: ["reason", "history", "provider_message_id"] },
      {
        set: { reason: "null", history: { expression: "'[]'" }, provider_message_id: "null" },
        reason: "the message to another recipient stays without its history"
      }
    ),
    rows("hm_notification_trigger", {
      ids: ["recipient_id"],
      kind: "recipient_kind",
      where: "audience_kind = 'recipient'"
    }),
    columns(
      "hm_notification_trigger",
      { texts: ["payload", "subject", "key"] },
      {
        set: { payload: "marker", subject: "null", key: "pseudonym" },
        reason: "messages to other recipients stay without their content"
      }
    ),
    columns(
      "hm_notification_trigger",
      { ...cursor, where: "state <> 'expanding'" },
      {
        set: { cursor_id: { expression: "''" } },
        reason: "the trigger stays without its last recipient"
      }
    ),
    passing(
      "hm_notification_trigger",
      { ...cursor, where: "state = 'expanding'" },
      "a trigger that expands continues after this recipient"
    ),
    rows("hm_notification_profile", recipient),
    rows("hm_user_preference", recipient),
    rows("hm_notification_preference_change", { ...recipient, indexed: false }),
    rows("hm_notification_list_member", { ...recipient, indexed: false }),
    columns(
      "hm_notification_suppression",
      { texts: ["detail"] },
      { set: { detail: "null" }, reason: "the keyed hash of the address stays, so that no mail follows" }
    ),
    nothing("hm_notification_mapping", "configuration of the tenant"),
    nothing("hm_notification_template", "templates of the tenant"),
    nothing("hm_notification_branding", "configuration of the tenant"),
    nothing("hm_notification_category", "configuration of the tenant"),
    nothing("hm_notification_setting", "configuration of the tenant")
  ]
})
