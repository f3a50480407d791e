/** Work over all tenants: messages that no job holds are found, and old rows are deleted. */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import { transactionOf } from "@hypermarket/core/Transaction"
import type * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"
import * as Jobs from "./jobs.ts"
import * as MessageId from "./messageId.ts"

/** Each open message has a job; one this late has lost it, as when its job was discarded. */
const overdueMinutes = 10
/** Messages per tenant and round. */
const recoveredMax = 1_000
/** Tenants per round. */
const tenantsMax = 1_000
const roundLimit = "30 seconds"

/**
 * Returns tenants with a message that was due before an instant: two look-ups per tenant with open messages, and not one row
 * per message as `DISTINCT` reads. In random order, those that fail do not hide the others from every round. Written as EXISTS, the second one became a hash join that reads the table.
 */
export const tenantsWithDue = (sql: SqlClient.SqlClient, before: Date, max: number) => sql<{
  readonly tenantId: string
}>`
  WITH RECURSIVE tenants AS (
    (
    SELECT tenant_id
      FROM hm_notification_queue
     WHERE due_at IS NOT NULL
     ORDER BY tenant_id
     LIMIT 1
    )
    UNION ALL
    SELECT next.tenant_id
      FROM tenants t
     CROSS JOIN LATERAL (
           SELECT q.tenant_id
             FROM hm_notification_queue q
            WHERE q.tenant_id > t.tenant_id
              AND q.due_at IS NOT NULL
            ORDER BY q.tenant_id
            LIMIT 1) next
  )
  SELECT tenant_id AS "tenantId"
    FROM tenants t
   CROSS JOIN LATERAL (
         SELECT
           FROM hm_notification_queue
          WHERE tenant_id = t.tenant_id
            AND due_at < ${before}
          ORDER BY due_at
          LIMIT 1) late
   ORDER BY random()
   LIMIT ${max}
`

/** Enqueues open messages whose job is gone. A backstop: the queue loses none. */
export const recover = (sql: SqlClient.SqlClient, queue: WorkQueue.WorkQueue) =>
  Effect.gen(function* () {
    const now = yield* Now.now
    const before = new Date(now.getTime() - overdueMinutes * 60_000)
    const tenants = yield* tenantsWithDue(sql, before, tenantsMax)
    const round = yield* EachTenant.run({
      loop: "notifications.message.recover",
      items: tenants,
      limit: roundLimit,
      turn: ({ tenantId }) =>
        transactionOf(sql)(
          Effect.gen(function* () {
            // Moved on, so that the next round does not enqueue the same again.
            const rows = yield* sql<{ readonly id: string }>`
              UPDATE hm_notification_queue
                 SET due_at = ${now}
               WHERE tenant_id = ${tenantId}
                 AND notification_id = ANY (ARRAY (
                       SELECT notification_id
                         FROM hm_notification_queue
                        WHERE due_at < ${before} AND tenant_id = ${tenantId}
                        ORDER BY due_at
                        LIMIT ${recoveredMax}))
              RETURNING notification_id::text AS id
            `
            yield* Jobs.enqueue(queue, Jobs.emailJobs(rows.map(({ id }) => id)))
            return { count: rows.length, hasMore: rows.length >= recoveredMax }
          })
        )
    })
    return round.count
  }).pipe(Effect.provideService(SqlClient.SqlClient, sql))

const keepDays = 90
const caughtDays = 7
const caughtMax = 10_000
const dayMillis = 86_400_000
/** Rows per statement, and statements per table and round. */
const pruneRowsMax = 5_000
const roundsMax = 100

/** Deletes rows whose time has passed, the oldest first. */
const deleteOldest = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  table: string,
  column: string,
  before: Fragment
) {
  for (let round = 0; round < roundsMax; round++) {
    const deleted = yield* sql`
      DELETE FROM ${sql(table)}
       WHERE ctid = ANY (ARRAY (
               SELECT ctid
                 FROM ${sql(table)}
                WHERE ${sql(column)} <= ${before}
                ORDER BY ${sql(column)}
                LIMIT ${pruneRowsMax}))
         -- Another transaction may have prolonged it.
         AND ${sql(column)} <= ${before}
      RETURNING 1
    `
    if (deleted.length < pruneRowsMax) break
  }
})

/** Deletes caught messages of a tenant. The newest stay. */
const pruneCaught = (sql: SqlClient.SqlClient, tenantId: string) => sql`
  DELETE FROM hm_notification_caught
   WHERE tenant_id = ${tenantId}
     AND notification_id = ANY (ARRAY (
           SELECT notification_id
             FROM hm_notification_caught
            WHERE tenant_id = ${tenantId}
            ORDER BY recorded_at DESC
           OFFSET ${caughtMax}
            LIMIT ${pruneRowsMax}))
  RETURNING 1
`

const countOf = ({ length }: ReadonlyArray<unknown>): EachTenant.Turn => ({
  count: length,
  hasMore: length >= pruneRowsMax
})

/** Deletes what is no longer kept, in batches that commit one by one. */
export const prune = (sql: SqlClient.SqlClient) =>
  Effect.gen(function* () {
    const now = yield* Now.now
    const kept = new Date(now.getTime() - keepDays * dayMillis)
    const caughtKept = new Date(now.getTime() - caughtDays * dayMillis)
    // By its id, which has the time: an index of the time would cost each message of a fan-out an entry.
    const lowestId = sql`${MessageId.lowest(kept)}::uuid`
    yield* deleteOldest(sql, "hm_notification_queue", "notification_id", lowestId)
    yield* deleteOldest(sql, "hm_notification_trigger", "recorded_at", sql`${kept}`)
    yield* deleteOldest(sql, "hm_notification_caught", "recorded_at", sql`${caughtKept}`)
    yield* deleteOldest(sql, "hm_notification_suppression", "expires_at", sql`${now}`)
    yield* EachTenant.run({
      loop: "notifications.caught.prune",
      items: yield* sql<{ readonly tenantId: string }>`
        SELECT tenant_id AS "tenantId"
          FROM hm_notification_caught
         GROUP BY tenant_id
        HAVING count(*) > ${caughtMax}
         ORDER BY random()
         LIMIT ${tenantsMax}
      `,
      limit: roundLimit,
      turn: ({ tenantId }) => Effect.map(pruneCaught(sql, tenantId), countOf)
    })
  }).pipe(Effect.provideService(SqlClient.SqlClient, sql))
