/** Bounds the deliveries that wait for an endpoint that is paused or disabled: 30 days each, and a number per endpoint. */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import { keepMillis, pruneMax } from "./webhookStatements.ts"

/** Deliveries held per endpoint: about 300 MB with their events of 2 KiB. The oldest ones beyond it are dead. */
const heldMax = 100_000

export const tooOld = "Held for 30 days while the endpoint was paused or disabled"
export const tooMany = `More than ${heldMax.toLocaleString("en")} deliveries were held while the endpoint was paused or disabled`

/** Reasons by which enabling an endpoint leaves a dead delivery alone: a replay sends it. */
export const reasons = [tooOld, tooMany]

/** Ends held deliveries: of each endpoint, the rows that `held` selects from its waiting ones. */
const endSome = (sql: SqlClient.SqlClient, now: Date, reason: string, held: Fragment) => sql`
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
          WHERE e.status <> 'enabled'
          LIMIT ${pruneMax}))
     -- An endpoint that is enabled meanwhile has taken its deliveries.
     AND state = 'waiting'
  RETURNING 1
`

/** Ends what is held for too long, or too much of it. A dead delivery is deleted 30 days later. */
export const end = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, now: Date, max = heldMax) {
  const endAll = (reason: string, held: Fragment) =>
    Effect.repeat(endSome(sql, now, reason, held), { while: (rows) => rows.length >= pruneMax })
  yield* endAll(tooOld, sql`AND recorded_at < ${new Date(now.getTime() - keepMillis)}`)
  // The oldest beyond the number, without a lock, which would be on the rows before the offset too.
  yield* endAll(tooMany, sql`ORDER BY seq DESC OFFSET ${max}`)
})
