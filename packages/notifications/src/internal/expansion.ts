/** Expands a trigger to one message per recipient and channel, page by page, each with its jobs in one transaction. */
import * as Now from "@hypermarket/core/Now"
import { tenantId } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import type * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import * as Jobs from "./jobs.ts"
import * as MessageId from "./messageId.ts"

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
  readonly category: string
  readonly kind: "required" | "service" | "marketing"
  readonly critical: boolean
  readonly isExpired: boolean
}

interface Written {
  readonly recipients: number
  readonly lastKind: string | null
  readonly lastId: string | null
  readonly pending: ReadonlyArray<string> | null
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

  const insertPage = (tenant: string, triggerId: string, trigger: TriggerRow, now: Date) => {
    const isOwed = trigger.kind === "required" || trigger.critical
    const isService = trigger.kind === "service"
    return sql<Written>`
    WITH page AS (${pageOf(tenant, trigger)}),
    -- The decision of each recipient, once: what is filtered here is never claimed. Each profile and preference is looked up by
    -- its key: as a join without statistics, every recipient read all preferences of the tenant (2.8 s per page of 2,000).
    decided AS (
      SELECT page.recipient_kind, page.recipient_id,
             CASE WHEN ${trigger.isExpired}::boolean THEN 'expired'
                  WHEN p.email IS NULL THEN 'filtered'
                  WHEN ${isOwed}::boolean THEN 'pending'
                  WHEN coalesce(u.enabled, ${isService}::boolean) THEN 'pending'
                  ELSE 'filtered'
             END AS state,
             CASE WHEN ${trigger.isExpired}::boolean THEN 'expiry'
                  WHEN p.email_problem IS NOT NULL THEN 'address-invalid'
                  WHEN p.email IS NULL THEN 'no-address'
                  WHEN ${isOwed}::boolean OR coalesce(u.enabled, ${isService}::boolean) THEN NULL
                  WHEN u.enabled IS NULL THEN 'no-consent'
                  ELSE 'preference'
             END AS reason
        FROM page
        LEFT JOIN LATERAL (
             SELECT email, email_problem
               FROM hm_notification_profile
              WHERE tenant_id = ${tenant}
                AND recipient_kind = page.recipient_kind
                AND recipient_id = page.recipient_id
              LIMIT 1) p ON true
        LEFT JOIN LATERAL (
             SELECT enabled
               FROM hm_user_preference
              WHERE tenant_id = ${tenant}
                AND recipient_kind = page.recipient_kind
                AND recipient_id = page.recipient_id
                AND category = ${trigger.category}
                AND channel = 'email'
              LIMIT 1) u ON true
    ),
    written AS (
      INSERT INTO hm_notification_queue (tenant_id, notification_id, trigger_id, recipient_kind, recipient_id, channel,
                                         category, state, reason, due_at, history, recorded_at, updated_at)
      SELECT ${tenant}, (${MessageId.timePrefix(now)} || substr(gen_random_uuid()::text, 16))::uuid, ${triggerId}::uuid,
             d.recipient_kind, d.recipient_id, 'email', ${trigger.category}, d.state, d.reason,
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
  }

  const expandPage = Effect.fnUntraced(function* (triggerId: string) {
    const tenant = yield* tenantId
    const now = yield* Now.now
    // Locked: a cancellation either comes before this page, or finds its rows.
    const [trigger] = yield* sql<TriggerRow>`
      SELECT t.audience_kind AS "audienceKind", t.recipient_kind AS "recipientKind", t.recipient_id AS "recipientId",
             t.list, t.cursor_kind AS "cursorKind", t.cursor_id AS "cursorId", t.category, c.kind, t.critical,
             coalesce(t.expires_at <= ${now}, false) AS "isExpired"
        FROM hm_notification_trigger t
        JOIN hm_notification_category c ON c.tenant_id = t.tenant_id AND c.category = t.category
       WHERE t.tenant_id = ${tenant}
         AND t.trigger_id = ${triggerId}::uuid
         AND t.state = 'expanding'
         FOR UPDATE OF t
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
