/** The check of `doctor` for queues that are fed and not handled. */
import * as Check from "@hypermarket/core/Check"
import * as Now from "@hypermarket/core/Now"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Workers register their queues every minute: after this time none handles it. */
const unseenSeconds = 300
/** Maximum queues that are named. */
const queuesShown = 20

export const check = Check.make(
  "handlers",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const rows = yield* sql<{
      readonly queue: string
      readonly types: ReadonlyArray<string> | null
      readonly tenants: number
    }>`
      WITH RECURSIVE
      -- A loose index scan: one step per tenant and queue with runnable jobs, regardless of their number.
      flow AS (
        (SELECT tenant_id, queue
           FROM hm_event_queue
          ORDER BY tenant_id, queue
          LIMIT 1)
        UNION ALL
        SELECT later.*
          FROM flow
         CROSS JOIN LATERAL (
               SELECT q.tenant_id, q.queue
                 FROM hm_event_queue q
                WHERE (q.tenant_id, q.queue) > (flow.tenant_id, flow.queue)
                ORDER BY q.tenant_id, q.queue
                LIMIT 1) later),
      fed AS (
        SELECT queue, NULL AS type, tenant_id
          FROM flow
         UNION ALL
        SELECT queue, type, NULL
          FROM hm_event_handler)
      SELECT fed.queue, array_agg(DISTINCT fed.type) FILTER (WHERE fed.type IS NOT NULL) AS types,
             count(DISTINCT fed.tenant_id)::int AS tenants
        FROM fed
       WHERE NOT EXISTS (
             SELECT 1
               FROM hm_event_worker_queue w
              WHERE w.queue = ltrim(fed.queue, '!')
                AND w.seen_at > ${now}::timestamptz - ${unseenSeconds}::float8 * interval '1 second')
       GROUP BY fed.queue
       ORDER BY count(DISTINCT fed.tenant_id) DESC, fed.queue
       LIMIT ${queuesShown}
    `
    return rows.length === 0
      ? [{ status: "ok" as const, message: "every queue that gets jobs has a worker" }]
      : rows.map(({ queue, tenants, types }): Check.Finding => ({
          status: "warn",
          message:
            `no worker handles ${queue}: it has jobs of ${tenants} tenants` +
            (types === null ? "" : `, and gets events of ${types.slice(0, 5).join(", ")}`),
          hint: "start a worker with its handler; a handler that was removed gets no more events after 7 days"
        }))
  })
)
