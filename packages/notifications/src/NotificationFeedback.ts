/**
 * Records what is said of messages after the mail server has taken them: deliveries, bounces and complaints, by mail or by
 * the callback of a provider. Repeating a report changes nothing, and the order in which reports come does not matter.
 *
 * @since 0.1.0
 */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as EmailAddress from "@hypermarket/core/EmailAddress"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Feedback } from "./internal/feedback/feedback.ts"
import { NotificationSuppressions } from "./NotificationSuppressions.ts"

const reports = Metric.counter("hm_notifications_reports_total", {
  description: "Reports of providers and mail servers that changed a message, by kind",
  incremental: true
})

interface ChangedRow {
  readonly id: string
  readonly tenantId: string
  readonly email: string | null
}

/** A later report of the same message replaces an earlier one of the batch only when it weighs more. */
const weights = { delivered: 0, bounced: 1, complained: 2 } as const

const strongest = (list: ReadonlyArray<Feedback>): ReadonlyMap<string, Feedback> => {
  const found = new Map<string, Feedback>()
  for (const feedback of list) {
    const other = found.get(feedback.notificationId)
    if (other === undefined || weights[other.kind] < weights[feedback.kind]) {
      found.set(feedback.notificationId, feedback)
    }
  }
  return found
}

const normalOf = (address: string): string | undefined =>
  Result.getOrUndefined(Result.map(EmailAddress.parse(address), ({ normal }) => normal))

const decodeTenant = Schema.decodeEffect(TenantId)

/**
 * Returns true when the address of the message's recipient is to be suppressed. A report that names another address is of
 * a mailbox behind it, to which the recipient's forwards: it says nothing about the recipient's own.
 */
const suppresses = (feedback: Feedback, email: string): boolean => {
  const isNamed = feedback.addresses.some((address) => normalOf(address) === email)
  return feedback.kind === "complained"
    ? isNamed || feedback.addresses.length === 0
    : feedback.kind === "bounced" && feedback.isMissing && isNamed
}

/** The name of this loop in logs and metrics. */
const loop = "notifications.feedback"

/** Addresses to suppress by tenant. */
const suppressionsOf = (rows: ReadonlyArray<ChangedRow>, byId: ReadonlyMap<string, Feedback>) => {
  const byTenant = new Map<
    string,
    Array<{ readonly address: string; readonly reason: "bounce" | "complaint"; readonly detail: string }>
  >()
  for (const { email, id, tenantId } of rows) {
    const feedback = byId.get(id)
    if (feedback === undefined || email === null || !suppresses(feedback, email)) continue
    const list = byTenant.get(tenantId) ?? []
    if (list.length === 0) byTenant.set(tenantId, list)
    list.push({
      address: email,
      reason: feedback.kind === "complained" ? "complaint" : "bounce",
      detail: feedback.detail
    })
  }
  return byTenant
}

/**
 * @category services
 * @since 0.1.0
 */
export class NotificationFeedback extends Context.Service<
  NotificationFeedback,
  {
    /** Records reports in one transaction, and returns the number of messages that they changed. */
    readonly record: (list: ReadonlyArray<Feedback>) => Effect.Effect<number, SqlError, AllTenants>
  }
>()("@hypermarket/notifications/NotificationFeedback") {
  static readonly layer: Layer.Layer<
    NotificationFeedback,
    never,
    SqlClient.SqlClient | NotificationSuppressions
  > = Layer.effect(
    NotificationFeedback,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const suppressions = yield* NotificationSuppressions

      /** Locked in the order of their ids: two batches with the same messages wait for each other and do not deadlock. */
      const change = (list: ReadonlyArray<Feedback>, now: Date) => sql<ChangedRow>`
        WITH reported AS (
          SELECT r.id, r.state, r.detail
            FROM json_to_recordset(${JSON.stringify(
              list.map(({ detail, kind, notificationId }) => ({ id: notificationId, state: kind, detail }))
            )}::text::json) AS r (id uuid, state text, detail text)
        ),
        locked AS (
          SELECT q.tenant_id, q.notification_id
            FROM hm_notification_queue q
            JOIN reported r ON r.id = q.notification_id
           ORDER BY q.notification_id
             FOR UPDATE OF q
        ),
        changed AS (
          UPDATE hm_notification_queue AS q
             SET state = r.state, reason = nullif(r.detail, ''), due_at = NULL, lease_id = NULL, updated_at = ${now},
                 history = q.history || jsonb_build_object('state', r.state, 'reason', nullif(r.detail, ''),
                                                           'at', ${now.toISOString()}::text)
            FROM locked l
            JOIN reported r ON r.id = l.notification_id
           WHERE q.tenant_id = l.tenant_id
             AND q.notification_id = l.notification_id
             AND (q.state IN ('sending', 'accepted', 'unknown')
                  OR q.state = 'retry' AND q.reason = 'outcome-unknown'
                  OR q.state = 'delivered' AND r.state <> 'delivered'
                  OR q.state = 'bounced' AND r.state = 'complained')
          RETURNING q.tenant_id, q.notification_id, q.recipient_kind, q.recipient_id
        )
        SELECT c.notification_id::text AS id, c.tenant_id AS "tenantId", p.email
          FROM changed c
          LEFT JOIN hm_notification_profile p
            ON p.tenant_id = c.tenant_id
           AND p.recipient_kind = c.recipient_kind
           AND p.recipient_id = c.recipient_id
      `

      const record = Effect.fn("NotificationFeedback.record")(function* (list: ReadonlyArray<Feedback>) {
        yield* AllTenants
        if (list.length === 0) return 0
        const byId = strongest(list)
        const now = yield* Now.now
        const changed = yield* transactionOf(sql)(
          Effect.gen(function* () {
            const rows = yield* change(Array.from(byId.values()), now)
            for (const [tenantId, list] of suppressionsOf(rows, byId)) {
              const exit = yield* suppressions
                .suppressReported(list)
                .pipe(provide(yield* Effect.orDie(decodeTenant(tenantId))), transactionOf(sql), Effect.exit)
              if (Exit.isSuccess(exit)) continue
              // A failure of the database is the whole request's: the provider repeats it. An unreadable key is one tenant's.
              const failure = Option.filter(Cause.findErrorOption(exit.cause), isSqlError)
              if (Option.isSome(failure)) return yield* failure.value
              yield* EachTenant.report(loop, tenantId, exit.cause)
            }
            return rows
          })
        )
        for (const { id } of changed) {
          const kind = byId.get(id)?.kind ?? "delivered"
          yield* Metric.update(Metric.withAttributes(reports, { kind }), 1)
        }
        return changed.length
      })

      return NotificationFeedback.of({ record })
    })
  )
}
