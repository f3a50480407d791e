/** The things for which a run that stands still may wait: the jobs of the queue in every state, and the connections of its processes. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** Characters of a dead job's error. */
const errorLengthMax = 300

/** A line per queue and state; of the dead-letter queues one per error, with the job that died last. */
export const lines = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly line: string }>`
    SELECT format('%s jobs wait in %s, %s to %s attempts', count(*), queue, min(attempt), max(attempt)) AS line
      FROM hm_event_queue
     GROUP BY queue
     UNION ALL
    SELECT format('%s jobs are delayed in %s, %s to %s attempts, due in %s to %s s', count(*), queue, min(attempt),
                  max(attempt), round(extract(epoch FROM min(run_at) - now())),
                  round(extract(epoch FROM max(run_at) - now())))
      FROM hm_event_delayed
     GROUP BY queue
     UNION ALL
    SELECT format('%s leases of %s, until %s to %s s', count(*), queue,
                  round(extract(epoch FROM min(lease_until) - now())), round(extract(epoch FROM max(lease_until) - now())))
      FROM hm_event_lease
     GROUP BY queue
     UNION ALL
    SELECT format('%s jobs are dead-lettered in %s, last %s of %s after %s attempts: %s', count(*), queue,
                  (array_agg(job_id ORDER BY seq DESC))[1], (array_agg(tenant_id ORDER BY seq DESC))[1],
                  (array_agg(attempt ORDER BY seq DESC))[1],
                  left((array_agg(coalesce(errors #>> '{-1,error}', 'no error') ORDER BY seq DESC))[1], ${errorLengthMax}))
      FROM hm_event_dead
     GROUP BY queue, failure
     UNION ALL
    SELECT format('%s connections of %s, %s', count(*), application_name, coalesce(state, 'none'))
      FROM pg_stat_activity
     WHERE backend_type = 'client backend'
     GROUP BY application_name, state
  `
  return rows.map(({ line }) => line)
})
