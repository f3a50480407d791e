/** Bounds the deliveries that wait for an endpoint that is paused or disabled: 30 days each, and a number per endpoint. */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { keepMillis, pruneMax } from "./webhookStatements.ts"

/** Deliveries held per endpoint: about 300 MB with their events of 2 KiB. The oldest ones beyond it are dead. */
const heldMax = 100_000

export const tooOld = "Held for 30 days while the endpoint was paused or disabled"
export const tooMany = `More than ${heldMax.toLocaleString("en")} deliveries were held while the endpoint was paused or disabled`

/** Reasons by which enabling an endpoint leaves a dead delivery alone: a replay sends it. */
export const reasons = [tooOld, tooMany]

/** A round ends long before the job's deadline. */
const roundLimit = "2 minutes"

/** Ends held deliveries of a tenant: of each endpoint, the rows that `held` selects from its waiting ones. */
const endSome = (
  sql: SqlClient.SqlClient,
  tenantId: string,
  now: Date,
  reason: string,
  held: Fragment
) => sql`
  UPDATE hm_webhook_delivery
     SET state = 'dead', finished_at = ${now}, last_error = ${reason}
   WHERE ctid = ANY (ARRAY (
         SELECT d.row_at
           FROM hm_webhook_endpoint e
           CROSS JOIN LATERAL (
                SELECT ctid AS row_at
                  FROM hm_webhook_delivery
                 WHERE tenant_id = e.tenant_id AND endpoint_id = e.endpoint_id AND state = 'waiting' ${held}
                 LIMIT ${pruneMax}) d
          WHERE e.tenant_id = ${tenantId} AND e.status <> 'enabled'
          LIMIT ${pruneMax}))
     -- An endpoint that is enabled meanwhile has taken its deliveries.
     AND state = 'waiting'
  RETURNING 1
`

/** Ends what is held for too long, or too much of it. A dead delivery is deleted 30 days later. */
export const end = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, now: Date, max = heldMax) {
  const tenants = yield* sql<{ readonly tenantId: string }>`
    SELECT DISTINCT tenant_id AS "tenantId"
      FROM hm_webhook_endpoint
     WHERE status <> 'enabled'
  `
  yield* EachTenant.run({
    loop: "events.webhook.hold",
    items: tenants,
    limit: roundLimit,
    turn: Effect.fnUntraced(function* ({ tenantId }) {
      const old = yield* endSome(
        sql,
        tenantId,
        now,
        tooOld,
        sql`AND recorded_at < ${new Date(now.getTime() - keepMillis)}`
      )
      // The oldest beyond the number, without a lock, which would be on the rows before the offset too.
      const beyond = yield* endSome(sql, tenantId, now, tooMany, sql`ORDER BY seq DESC OFFSET ${max}`)
      const count = old.length + beyond.length
      return { count, hasMore: old.length >= pruneMax || beyond.length >= pruneMax }
    })
  }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
})
