/** Expands a trigger to one message per recipient and channel, page by page, each with its jobs in one transaction. */
import * as Now from "@hypermarket/core/Now"
import { tenantId } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Jobs from "./jobs.ts"

/** Recipients per transaction: some tens of milliseconds. */
const pageMax = 2_000
/** A long expansion goes on in another job, so that the worker's deadline never ends one. */
const budgetMillis = 20_000

interface TriggerRow {
  readonly audienceKind: "recipient" | "list" | "everyone"
  readonly recipientKind: string | null
  readonly recipientId: string | null
  readonly list: string | null
  readonly cursorKind: string
  readonly cursorId: string
}

interface Written {
  readonly recipients: number
  readonly lastKind: string | null
  readonly lastId: string | null
  readonly pending: ReadonlyArray<string> | null
}

/** The first 52 bits of a UUIDv7; Postgres adds the random ones. */
const timePrefix = (now: Date): string => {
  const hex = now.getTime().toString(16).padStart(12, "0")
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7`
}

export const make = (sql: SqlClient.SqlClient, queue: WorkQueue.WorkQueue) => {
  const pageOf = (tenant: string, trigger: TriggerRow) => {
    if (trigger.audienceKind === "recipient") {
      return sql`SELECT ${trigger.recipientKind}::text AS recipient_kind, ${trigger.recipientId}::text AS recipient_id`
    }
    return trigger.audienceKind === "list"
      ? sql`
          SELECT m.recipient_kind, m.recipient_id
            FROM hm_notification_list_member m
           WHERE m.tenant_id = ${tenant}
             AND m.list = ${trigger.list}
             AND (m.recipient_kind, m.recipient_id) > (${trigger.cursorKind}, ${trigger.cursorId})
           ORDER BY m.recipient_kind, m.recipient_id
           LIMIT ${pageMax}
        `
      : sql`
          SELECT p.recipient_kind, p.recipient_id
            FROM hm_notification_profile p
           WHERE p.tenant_id = ${tenant}
             AND p.recipient_kind = ${trigger.recipientKind}
             AND p.recipient_id > ${trigger.cursorId}
           ORDER BY p.recipient_id
           LIMIT ${pageMax}
        `
  }

  const insertPage = (tenant: string, triggerId: string, trigger: TriggerRow, now: Date) => sql<Written>`
    WITH page AS (${pageOf(tenant, trigger)}),
    -- The decision of each recipient, once: what is filtered here is never claimed.
    decided AS (
      SELECT t.tenant_id, t.trigger_id, page.recipient_kind, page.recipient_id, t.category,
             CASE WHEN t.expires_at <= ${now} THEN 'expired'
                  WHEN p.email IS NULL THEN 'filtered'
                  WHEN c.kind = 'required' OR t.critical THEN 'pending'
                  WHEN coalesce(u.enabled, c.kind = 'service') THEN 'pending'
                  ELSE 'filtered'
             END AS state,
             CASE WHEN t.expires_at <= ${now} THEN 'expiry'
                  WHEN p.email_problem IS NOT NULL THEN 'address-invalid'
                  WHEN p.email IS NULL THEN 'no-address'
                  WHEN c.kind = 'required' OR t.critical OR coalesce(u.enabled, c.kind = 'service') THEN NULL
                  WHEN u.enabled IS NULL THEN 'no-consent'
                  ELSE 'preference'
             END AS reason
        FROM page
        JOIN hm_notification_trigger t ON t.tenant_id = ${tenant} AND t.trigger_id = ${triggerId}::uuid
        JOIN hm_notification_category c ON c.tenant_id = t.tenant_id AND c.category = t.category
        LEFT JOIN hm_notification_profile p
          ON p.tenant_id = t.tenant_id
         AND p.recipient_kind = page.recipient_kind
         AND p.recipient_id = page.recipient_id
        LEFT JOIN hm_user_preference u
          ON u.tenant_id = t.tenant_id
         AND u.recipient_kind = page.recipient_kind
         AND u.recipient_id = page.recipient_id
         AND u.category = t.category
         AND u.channel = 'email'
    ),
    written AS (
      INSERT INTO hm_notification_queue (tenant_id, notification_id, trigger_id, recipient_kind, recipient_id, channel,
                                         category, state, reason, due_at, history, recorded_at, updated_at)
      SELECT d.tenant_id, (${timePrefix(now)} || substr(gen_random_uuid()::text, 16))::uuid, d.trigger_id,
             d.recipient_kind, d.recipient_id, 'email', d.category, d.state, d.reason,
             CASE WHEN d.state = 'pending' THEN ${now}::timestamptz END,
             jsonb_build_array(jsonb_build_object('state', d.state, 'reason', d.reason, 'at', ${now.toISOString()}::text)),
             ${now}, ${now}
        FROM decided d
          ON CONFLICT ON CONSTRAINT one_message_per_recipient DO NOTHING
      RETURNING notification_id, state
    )
    SELECT (SELECT count(*)::int FROM page) AS recipients,
           (
           SELECT recipient_kind
             FROM page
            ORDER BY recipient_kind DESC, recipient_id DESC
            LIMIT 1
           ) AS "lastKind",
           (
           SELECT recipient_id
             FROM page
            ORDER BY recipient_kind DESC, recipient_id DESC
            LIMIT 1
           ) AS "lastId",
           (SELECT array_agg(notification_id::text) FROM written WHERE state = 'pending') AS pending
  `

  const expandPage = Effect.fnUntraced(function* (triggerId: string) {
    const tenant = yield* tenantId
    const now = yield* Now.now
    // Locked: a cancellation either comes before this page, or finds its rows.
    const [trigger] = yield* sql<TriggerRow>`
      SELECT audience_kind AS "audienceKind", recipient_kind AS "recipientKind", recipient_id AS "recipientId", list,
             cursor_kind AS "cursorKind", cursor_id AS "cursorId"
        FROM hm_notification_trigger
       WHERE tenant_id = ${tenant} AND trigger_id = ${triggerId}::uuid AND state = 'expanding'
         FOR UPDATE
    `
    if (trigger === undefined) return true
    const [written] = yield* insertPage(tenant, triggerId, trigger, now)
    const recipients = written?.recipients ?? 0
    const isDone = trigger.audienceKind === "recipient" || recipients < pageMax
    yield* sql`
      UPDATE hm_notification_trigger
         SET state = ${isDone ? "expanded" : "expanding"}, recipients = recipients + ${recipients},
             cursor_kind = ${written?.lastKind ?? trigger.cursorKind}, cursor_id = ${written?.lastId ?? trigger.cursorId},
             updated_at = ${now}
       WHERE tenant_id = ${tenant} AND trigger_id = ${triggerId}::uuid
    `
    yield* Jobs.enqueue(queue, Jobs.emailJobs(written?.pending ?? []))
    return isDone
  })

  /** Expands until the trigger is done, or hands the rest to another job. */
  const expand = Effect.fn("Notifications.expand")(function* (triggerId: string) {
    const startedAt = yield* Clock.currentTimeMillis
    for (;;) {
      const isDone = yield* transactionOf(sql)(expandPage(triggerId))
      if (isDone) return
      if ((yield* Clock.currentTimeMillis) - startedAt < budgetMillis) continue
      yield* Jobs.enqueue(queue, [Jobs.triggerJob(triggerId, undefined)])
      return
    }
  })

  return { expand }
}
