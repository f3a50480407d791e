/** Bounds the deliveries that wait for an endpoint that is paused or disabled: 30 days each, and a number per endpoint. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import { keepMillis, pruneMax } from "./webhookStatements.ts"

/** Deliveries held per endpoint: about 300 MB with their events of 2 KiB. The oldest ones beyond it are dead. */
const heldMax = 100_000

export const tooOld = "Held for 30 days while the endpoint was paused or disabled"
export const tooMany = `More than ${heldMax.toLocaleString("en")} deliveries were held while the endpoint was paused or disabled`

/** Reasons by which enabling an endpoint leaves a dead delivery alone: a replay sends it. */
export const reasons = [tooOld, tooMany]

/** Ends held deliveries that were recorded before an instant. */
const endOld = (sql: SqlClient.SqlClient, now: Date, before: Date) => sql`
  UPDATE hm_webhook_delivery
     SET state = 'dead', finished_at = ${now}, last_error = ${tooOld}
   WHERE ctid = ANY (ARRAY (
         SELECT d.row_at
           FROM hm_webhook_endpoint e
           CROSS JOIN LATERAL (
                SELECT ctid AS row_at
                  FROM hm_webhook_delivery
                 WHERE tenant_id = e.tenant_id AND endpoint_id = e.endpoint_id AND state = 'waiting'
                   AND recorded_at < ${before}
                 LIMIT ${pruneMax}) d
          WHERE e.status <> 'enabled'
          LIMIT ${pruneMax}))
     -- An endpoint that is enabled meanwhile has taken its deliveries.
     AND state = 'waiting'
  RETURNING 1
`

/** Ends the oldest held deliveries of each endpoint that has more than a number of them. */
const endMany = (sql: SqlClient.SqlClient, now: Date, max: number) => sql`
  UPDATE hm_webhook_delivery
     SET state = 'dead', finished_at = ${now}, last_error = ${tooMany}
   WHERE ctid = ANY (ARRAY (
         SELECT d.row_at
           FROM hm_webhook_endpoint e
           CROSS JOIN LATERAL (
                SELECT ctid AS row_at
                  FROM hm_webhook_delivery
                 WHERE tenant_id = e.tenant_id AND endpoint_id = e.endpoint_id AND state = 'waiting'
                 -- Without a lock, which would be on the rows before the offset too.
                 ORDER BY seq DESC
                OFFSET ${max}
                 LIMIT ${pruneMax}) d
          WHERE e.status <> 'enabled'
          LIMIT ${pruneMax}))
     -- An endpoint that is enabled meanwhile has taken its deliveries.
     AND state = 'waiting'
  RETURNING 1
`

/** Ends what is held for too long, or too much of it. A dead delivery is deleted 30 days later. */
export const end = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, now: Date, max = heldMax) {
  const before = new Date(now.getTime() - keepMillis)
  const isMore = { while: (rows: ReadonlyArray<unknown>) => rows.length >= pruneMax }
  yield* Effect.repeat(endOld(sql, now, before), isMore)
  yield* Effect.repeat(endMany(sql, now, max), isMore)
})
