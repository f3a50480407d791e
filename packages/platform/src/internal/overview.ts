/** The platform's part of pages that show more than one domain. */
import * as Now from "@hypermarket/core/Now"
import * as Overview from "@hypermarket/core/Overview"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** A key that expires within this time needs a successor now. */
const noticeDays = 14
/** Then it is no longer a notice. */
const urgentDays = 2

interface ExpiringKey {
  readonly apiKeyId: string
  readonly name: string
  readonly expiresAt: Date
}

/** Keys that expire soon and that none replaces. */
export const alerts: Overview.Alerts<SqlClient.SqlClient | Tenant> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const now = yield* Now.now
  const until = new Date(now.getTime() + Duration.toMillis(Duration.days(noticeDays)))
  const keys = yield* sql<ExpiringKey>`
    SELECT api_key_id AS "apiKeyId", name, expires_at AS "expiresAt"
      FROM hm_api_key
     WHERE tenant_id = ${tenant.id}
       AND revoked_at IS NULL
       AND replaced_by IS NULL
       AND expires_at > ${now}
       AND expires_at <= ${until}
       -- One that was made for a shorter time, as for a session of the console, expires as it was meant to.
       AND expires_at - recorded_at > make_interval(days => ${noticeDays})
     ORDER BY expires_at
     LIMIT ${Overview.alertsMax}
  `
  return keys.map(({ apiKeyId, expiresAt, name }) => {
    const days = (expiresAt.getTime() - now.getTime()) / Duration.toMillis(Duration.days(1))
    return Overview.Alert.make({
      kind: "key.expiring",
      severity: days < urgentDays ? "critical" : "warning",
      subject: apiKeyId,
      value: Math.floor(days),
      since: null,
      data: { name, expiresAt: expiresAt.toISOString() }
    })
  })
})

/** Flags by the beginning of their key, and API keys by their id. */
export const lookup: Overview.Lookup<SqlClient.SqlClient | Tenant> = Effect.fnUntraced(function* (text) {
  const sql = yield* SqlClient.SqlClient
  const tenant = yield* Tenant
  const rows = yield* sql<typeof Overview.Match.Type>`
    (SELECT 'flag' AS kind, flag_key AS id, coalesce(description, flag_key) AS title
       FROM hm_platform_feature
      WHERE tenant_id = ${tenant.id}
        AND status = 'active'
        AND starts_with(flag_key, ${text})
      ORDER BY flag_key
      LIMIT ${Overview.matchesMax})
     UNION ALL
    SELECT 'api-key', api_key_id::text, name
      FROM hm_api_key
     WHERE tenant_id = ${tenant.id} AND api_key_id::text = ${text}
     LIMIT ${Overview.matchesMax}
  `
  return rows.map((row) => Overview.Match.make(row))
})
