/** Registers what workers handle. Workers of two releases add up, and what none registers expires. */
import type * as Domain from "@hypermarket/core/Domain"
import type * as Job from "@hypermarket/core/Job"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** Age from which a registration is written again. */
const refreshSeconds = 30 * 60
/**
 * Days after which a type that no worker registers gets no jobs any more. Workers register before they remove, so a longer
 * outage of all workers loses nothing.
 */
const keepDays = 7
/** A longer interval of a job takes effect after this time without a worker that registers the shorter one. */
const shorterHours = 24

const secondsOf = (every: NonNullable<Job.Runnable<unknown>["every"]>): number =>
  Math.max(1, Math.round(Duration.toSeconds(Duration.fromInputUnsafe(every))))

/** Registers handlers with their types, and scheduled jobs. */
export const register = Effect.fnUntraced(function* (
  subscriptions: ReadonlyArray<
    { readonly name: string; readonly queue: string } & Pick<Domain.Any["subscriptions"][number], "types">
  >,
  scheduled: ReadonlyArray<Pick<Job.Runnable<never>, "name" | "every"> & { readonly queue: string }>
): Effect.fn.Return<void, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Now.now
  const handled = subscriptions.flatMap(({ name, queue, types }) =>
    types.map((type) => ({ type, handler: name, queue }))
  )
  yield* sql`
    INSERT INTO hm_event_handler AS h (type, handler, queue, seen_at)
    SELECT DISTINCT ON (x.type, x.handler) x.type, x.handler, x.queue, ${now}::timestamptz
      FROM json_to_recordset(${JSON.stringify(handled)}::text::json) AS x (type text, handler text, queue text)
     ORDER BY x.type, x.handler
        ON CONFLICT (type, handler)
        DO UPDATE SET queue = excluded.queue, seen_at = excluded.seen_at
            WHERE h.queue <> excluded.queue
               OR h.seen_at < excluded.seen_at - ${refreshSeconds}::float8 * interval '1 second'
  `
  yield* sql`
    INSERT INTO hm_job_scheduler AS s (tenant_id, schedule_id, name, queue, type, payload, time_zone, every_seconds, overlap,
                                       catch_up, next_at, recorded_at, updated_at)
    SELECT ${Tenant.system}, gen_random_uuid(), x.name, x.queue, x.name, 'null', 'UTC', x.every_seconds, 'skip', 'one',
           ${now}, ${now}, ${now}
      FROM json_to_recordset(${JSON.stringify(
        scheduled.map(({ every, name, queue }) => ({
          name,
          queue,
          every_seconds: secondsOf(every ?? "1 hour")
        }))
      )}::text::json)
        AS x (name text, queue text, every_seconds integer)
        ON CONFLICT (tenant_id, name)
        DO UPDATE SET every_seconds = excluded.every_seconds, updated_at = excluded.updated_at
            WHERE s.every_seconds > excluded.every_seconds
               OR (s.every_seconds = excluded.every_seconds
                   AND s.updated_at < excluded.updated_at - ${refreshSeconds}::float8 * interval '1 second')
               OR s.updated_at < excluded.updated_at - ${shorterHours}::float8 * interval '1 hour'
  `
})

/** Registers the queues that a worker handles, and removes what no worker has registered for days. */
export const refresh = Effect.fnUntraced(function* (
  queues: ReadonlyArray<string>
): Effect.fn.Return<void, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const now = yield* Now.now
  yield* sql`
    INSERT INTO hm_event_worker_queue AS w (queue, seen_at)
    SELECT DISTINCT x.queue, ${now}::timestamptz
      FROM unnest(${queues}::text[]) AS x (queue)
     ORDER BY 1
        ON CONFLICT (queue)
        DO UPDATE SET seen_at = excluded.seen_at
            WHERE w.seen_at < excluded.seen_at
  `
  yield* sql`
    WITH queues AS (
      DELETE FROM hm_event_worker_queue
       WHERE seen_at < ${now}::timestamptz - ${keepDays}::float8 * interval '1 day')
    DELETE FROM hm_event_handler
     WHERE seen_at < ${now}::timestamptz - ${keepDays}::float8 * interval '1 day'
  `
})
