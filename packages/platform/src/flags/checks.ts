/** Checks of flags for doctor. */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** A flag that SDKs have reported, and not for this many days, is stale. One that was never reported may be in use all the same. */
const staleDays = 30

export const stale: Check.Check = Check.make(
  "stale flags",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const [row] = yield* sql<{ readonly count: number }>`
      SELECT count(*)::integer AS count
        FROM hm_platform_feature AS feature
       WHERE feature.status = 'active'
         AND (SELECT max(used.used_on)
                FROM hm_platform_flag_usage AS used
               WHERE used.tenant_id = feature.tenant_id AND used.feature_id = feature.feature_id)
             < (${now}::timestamptz AT TIME ZONE 'UTC')::date - ${staleDays}::integer
    `
    const count = row?.count ?? 0
    return [
      count === 0
        ? { status: "ok" as const, message: "no flag that SDKs report is stale" }
        : {
            status: "warn" as const,
            message: `${count} flags have not been evaluated for ${staleDays} days`,
            hint: "archive those that are not needed: POST /v1/platform/flags/<flagKey>/archive"
          }
    ]
  })
)

/** A conflict of a change request is news for this many days; its event has told of it at once. */
const conflictDays = 7

export const conflicts: Check.Check = Check.make(
  "conflicts of flags",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const [row] = yield* sql<{ readonly count: number }>`
      SELECT count(*)::integer AS count
        FROM hm_platform_flag_request
       WHERE status IN ('applied', 'conflict', 'closed') AND status = 'conflict'
         AND updated_at > ${now}::timestamptz - make_interval(days => ${conflictDays}::integer)
    `
    const count = row?.count ?? 0
    return [
      count === 0
        ? { status: "ok" as const, message: "no scheduled change of a flag met another change" }
        : {
            status: "warn" as const,
            message: `${count} scheduled changes of flags were not applied within ${conflictDays} days`,
            hint: "read why and propose them again: GET /v1/platform/flag-requests?status=conflict"
          }
    ]
  })
)
