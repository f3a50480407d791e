/** Checks of the activity log for doctor. */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Settings from "../PlatformSettings.ts"

export const signed: Check.Check = Check.make(
  "activity log key",
  Effect.map(Effect.exit(Settings.signingKeys), (exit) => {
    if (exit._tag === "Failure") {
      return [
        {
          status: "fail" as const,
          message: "HM_PLATFORM_AUDIT_KEY cannot be read",
          hint: "set it to a list of <id>:<base64 of a 32-byte Ed25519 seed>"
        }
      ]
    }
    const [key] = exit.value
    return [
      key === undefined
        ? {
            status: "warn" as const,
            message: "checkpoints of the activity log are not signed",
            hint: "set HM_PLATFORM_AUDIT_KEY=<id>:$(openssl rand -base64 32) for API, worker and this command"
          }
        : { status: "ok" as const, message: `checkpoints of the activity log are signed by ${key.keyId}` }
    ]
  })
)

/** Sealing takes a minute: ten are a worker that is not running. */
const waitingMinutesMax = 10
const minuteMillis = 60_000

export const sealed: Check.Check = Check.make(
  "activity log",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const before = new Date(now.getTime() - waitingMinutesMax * minuteMillis)
    const since = new Date(before.getTime() - 2 * 60 * minuteMillis)
    // Of the two hours that a round of sealing looks at. The daily sweep looks at older rows.
    const [row] = yield* sql<{ readonly tenantId: string }>`
      SELECT log.tenant_id AS "tenantId"
        FROM hm_platform_activity_log AS log
       WHERE log.recorded_at >= ${since} AND log.recorded_at < ${before}
         AND NOT EXISTS (SELECT 1
                           FROM hm_platform_activity_checkpoint AS checkpoint
                          WHERE checkpoint.tenant_id = log.tenant_id AND checkpoint.last_recorded_at >= log.recorded_at
                            AND log.activity_id = ANY (checkpoint.activity_ids))
       LIMIT 1
    `
    return [
      row === undefined
        ? { status: "ok" as const, message: "rows of the activity log are sealed" }
        : {
            status: "warn" as const,
            message: `rows of ${row.tenantId} in the activity log are not sealed for ${waitingMinutesMax} minutes`,
            hint: "a worker seals them each minute: is one running?"
          }
    ]
  })
)
