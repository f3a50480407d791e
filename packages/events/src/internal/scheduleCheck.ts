/** The check of `doctor` for schedules that keep failing, and for a scheduler that is late. */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Failures in a row from which a schedule is named: two may be a lock or a slow moment. */
const failuresShown = 3
const schedulesShown = 10
/** Age of the oldest due time from which the scheduler is late: ticks come every second and take at most five. */
const lateSeconds = 60

export const check = Check.make(
  "schedules",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const failing = yield* sql<{
      readonly tenantId: string
      readonly name: string
      readonly failures: number
      readonly lastError: string | null
    }>`
      SELECT tenant_id AS "tenantId", name, failures, last_error AS "lastError"
        FROM hm_job_scheduler
       WHERE failures >= ${failuresShown}
         AND NOT paused
       ORDER BY failures DESC, tenant_id, name
       LIMIT ${schedulesShown}
    `
    const [oldest] = yield* sql<{ readonly seconds: number | null }>`
      SELECT extract(epoch FROM ${now}::timestamptz - min(greatest(next_at, retry_at)))::float8 AS seconds
        FROM hm_job_scheduler
       WHERE NOT paused
         AND next_at IS NOT NULL
    `
    const late = Math.round(oldest?.seconds ?? 0)
    const findings = failing.map(({ failures, lastError, name, tenantId }): Check.Finding => ({
      status: "fail",
      message: `the schedule ${name} of ${tenantId} failed ${failures} times in a row: ${lastError}`,
      hint: "change or remove it; other schedules go on, and it is tried again within 10 minutes"
    }))
    findings.push(
      late > lateSeconds
        ? {
            status: "fail",
            message: `a schedule has been due for ${late} s`,
            hint: "start a worker, or more of them"
          }
        : { status: "ok", message: "no schedule is late" }
    )
    return findings
  })
)
