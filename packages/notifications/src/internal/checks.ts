/** Checks of `doctor`. */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Settings from "../NotificationsSettings.ts"
import * as Maintenance from "./maintenance.ts"

const findings = Effect.gen(function* () {
  const mode = yield* Settings.delivery.config
  const url = yield* Settings.smtpUrl.config
  const publicUrl = yield* Settings.publicUrl.config
  const found: Array<Check.Finding> = []
  if (mode === "catch") {
    found.push(
      url === undefined
        ? { status: "ok", message: "messages are caught, and none is sent" }
        : {
            status: "fail",
            message: "a mail server is configured, and messages are caught: none is sent",
            hint: "set HM_NOTIFICATIONS_DELIVERY=live"
          }
    )
    return found
  }
  if (url === undefined) {
    found.push({
      status: "fail",
      message: `HM_NOTIFICATIONS_DELIVERY is ${mode}, and no mail server is configured`,
      hint: "set HM_NOTIFICATIONS_SMTP_URL"
    })
  }
  if (!publicUrl.startsWith("https://")) {
    found.push({
      status: "fail",
      message: "HM_NOTIFICATIONS_URL is no HTTPS address: mail with an unsubscribe link is not sent",
      hint: "set it to the public address of the API"
    })
  }
  return found.length === 0 ? [{ status: "ok" as const, message: `delivery is ${mode}` }] : found
})

export const delivery = Check.make(
  "notification delivery",
  Effect.catch(findings, (error) =>
    Effect.succeed<ReadonlyArray<Check.Finding>>([
      { status: "fail", message: "a setting of notifications is malformed", hint: error.message }
    ])
  )
)

/** A worker sends what is due within seconds. */
const lateMinutes = 5
const countMax = 10_000

export const backlog = Check.make(
  "notification backlog",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const before = new Date(now.getTime() - lateMinutes * 60_000)
    const [row] = yield* sql<{ readonly late: number }>`
      SELECT count(*)::int AS late
        FROM (
             SELECT
               FROM (${Maintenance.tenantsWithDue(sql, before, countMax)}) t
              CROSS JOIN LATERAL (
                    SELECT
                      FROM hm_notification_queue
                     WHERE tenant_id = t."tenantId"
                       AND due_at < ${before}
                     LIMIT ${countMax}) q
              LIMIT ${countMax}
             ) l
    `
    const late = row?.late ?? 0
    return [
      late === 0
        ? { status: "ok" as const, message: "no message is late" }
        : {
            status: "warn" as const,
            message: `${late} messages are due for more than ${lateMinutes} minutes`,
            hint: "start a worker, and check that it reaches the mail server"
          }
    ]
  })
)
