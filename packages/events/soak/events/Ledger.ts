/**
 * Records of publications and effects, in tables beside the queue's, and the rules that they must satisfy.
 */
import type * as Report from "@hypermarket/soak/Report"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { Kind } from "./Plan.ts"

export const eventType = "com.example.soak.happened"
export const subscriptionName = "soak.recorder"

export const Payload = Schema.Struct({
  n: Schema.Int,
  kind: Schema.Literals([
    "good",
    "fails_once",
    "fails_always",
    "poison",
    "stalls"
  ] satisfies ReadonlyArray<Kind>),
  padding: Schema.String
})

/** A rule that did not hold, of the runs of the queue, of webhooks or of workflows. */
export type Violation = Report.Violation<
  | "lost"
  | "not_dead"
  | "wrongly_dead"
  | "done_though_not_published"
  | "done_though_dead"
  | "not_exactly_once"
  | "order"
  | "left_over"
  | "overdue"
  | "acknowledged_twice"
  | "repeats_unexplained"
  | "repeats_too_many"
  | "worker_fault"
  | "hostile_outcome"
  | "stuck"
  // Of executions.
  | "unfinished"
  | "wrong_state"
  | "wrong_result"
  | "compensations"
  | "ran_after_recorded"
  | "late"
>

export const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // A row here exists if and only if its transaction committed, as the job that was enqueued in it.
  yield* sql`
    CREATE TABLE soak_job (
      n            integer PRIMARY KEY,
      batch        integer NOT NULL,
      tenant_id    text    NOT NULL,
      queue        text    NOT NULL,
      kind         text    NOT NULL,
      ordering_key text
    )
  `
  // No unique key: what is done twice is to be seen.
  yield* sql`
    CREATE TABLE soak_effect (
      seq       bigserial   PRIMARY KEY,
      tenant_id text        NOT NULL,
      n         integer     NOT NULL,
      worker    integer     NOT NULL,
      at        timestamptz NOT NULL DEFAULT clock_timestamp()
    )
  `
  yield* sql`CREATE INDEX soak_effect_n ON soak_effect (n)`
})

export const recordEffects = Effect.fnUntraced(function* (
  tenantId: string,
  worker: number,
  ns: ReadonlyArray<number>
) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO soak_effect (tenant_id, n, worker)
    SELECT ${tenantId}, unnest(${ns}::int[]), ${worker}
  `
})

/** How many jobs stand anywhere but among the dead, and how far the run has come. */
export const standing = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly left: number; readonly progress: string }>`
    SELECT (SELECT count(*)::int FROM hm_event_queue) + (SELECT count(*)::int FROM hm_event_lease)
           + (SELECT count(*)::int FROM hm_event_delayed) + (SELECT count(*)::int FROM hm_event_keyed)
           + (SELECT coalesce(sum(pending), 0)::int FROM hm_event_key) AS left,
           (SELECT coalesce(max(seq), 0) FROM soak_effect) || '/' || (SELECT count(*) FROM hm_event_dead) AS progress
  `
  return { left: row?.left ?? 0, progress: row?.progress ?? "" }
})

interface Found {
  readonly rule: Violation["rule"]
  readonly example: string
}

const collect = (found: ReadonlyArray<Found>): ReadonlyArray<Violation> =>
  Array.from(
    Map.groupBy(found, ({ rule }) => rule),
    ([rule, cases]) => ({
      rule,
      count: cases.length,
      example: cases[0]?.example ?? ""
    })
  )

/** The rules that need no knowledge of what was killed when. */
export const verify = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const outcomes = yield* sql<Found>`
    WITH done AS (SELECT n, count(*)::int AS times FROM soak_effect GROUP BY n),
    -- The type of a dead job is its name.
    died AS (SELECT type::int AS n, count(*)::int AS times, max(lost) AS lost, max(attempt) AS attempts
               FROM hm_event_dead
              GROUP BY 1)
    SELECT x.rule, x.example
      FROM soak_job j
      LEFT JOIN done USING (n)
      LEFT JOIN died USING (n)
      CROSS JOIN LATERAL (
           SELECT j.kind IN ('fails_always', 'poison') AS is_doomed,
                  format('job %s (%s, %s%s) done %s times, dead %s times%s', j.n, j.kind, j.queue,
                         coalesce(', ' || j.ordering_key, ''), coalesce(done.times, 0), coalesce(died.times, 0),
                         format(' after %s attempts and %s lost leases', died.attempts, died.lost)) AS text) i
      CROSS JOIN LATERAL (
           VALUES ('lost', NOT i.is_doomed AND done.times IS NULL),
                  ('wrongly_dead', NOT i.is_doomed AND died.times IS NOT NULL),
                  ('not_dead', i.is_doomed AND coalesce(died.times, 0) <> 1),
                  ('done_though_dead', i.is_doomed AND done.times IS NOT NULL),
                  ('not_exactly_once', NOT i.is_doomed AND j.queue = 'soak.once' AND done.times > 1)) r (rule, is_broken)
      CROSS JOIN LATERAL (SELECT r.rule, i.text AS example) x
     WHERE r.is_broken
     ORDER BY j.n
  `
  const unpublished = yield* sql<Found>`
    SELECT 'done_though_not_published' AS rule, format('job %s', n) AS example
      FROM soak_effect
     WHERE NOT EXISTS (SELECT 1 FROM soak_job j WHERE j.n = soak_effect.n)
  `
  // The first success of a job comes after the first success of every job before it in its key.
  const order = yield* sql<Found>`
    WITH first AS (
      SELECT j.tenant_id, j.queue, j.ordering_key, j.n, min(e.seq) AS seq
        FROM soak_job j
        JOIN soak_effect e USING (n)
       WHERE j.ordering_key IS NOT NULL
       GROUP BY 1, 2, 3, 4),
    beside AS (
      SELECT *, max(seq) OVER key AS before, lag(n) OVER key AS neighbour
        FROM first
      WINDOW key AS (PARTITION BY tenant_id, queue, ordering_key ORDER BY n
                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
    SELECT 'order' AS rule,
           format('%s %s %s: job %s was done before one that was published before it', tenant_id, queue, ordering_key, n)
             AS example
      FROM beside
     WHERE seq < before
  `
  const twice = yield* sql<Found>`
    SELECT 'acknowledged_twice' AS rule, format('batch %s of %s, %s', batch_id, tenant_id, queue) AS example
      FROM hm_event_history
     GROUP BY tenant_id, batch_id, queue
    HAVING count(*) > 1
  `
  const { left } = yield* standing
  const leftOver: ReadonlyArray<Found> =
    left === 0 ? [] : [{ rule: "left_over", example: `${left} rows stand in the queue's tables` }]
  return collect([...outcomes, ...unpublished, ...order, ...twice, ...leftOver])
})

/** Something that may make jobs run again, at a time in milliseconds, for as long as it lasted. */
export interface Cause {
  readonly atMillis: number
  readonly lastedMillis: number
  /** The most effects it may repeat. */
  readonly repeatsMax: number
}

/** After a cause its jobs run again when their lease has ended and a reaper came by, or later when there is much to do. */
const causeSlackMillis = 1_000

/**
 * Every repetition must lie around a cause that has not yet repeated all that it may. Beside them so many are let pass as
 * leases that workers lost without one may have repeated.
 */
export const verifyRepeats = Effect.fnUntraced(function* (causes: ReadonlyArray<Cause>, letPass: number) {
  const sql = yield* SqlClient.SqlClient
  const repeats = yield* sql<{
    readonly n: number
    readonly firstMillis: number
    readonly againMillis: number
  }>`
    SELECT n, (extract(epoch FROM before) * 1000)::float8 AS "firstMillis",
           (extract(epoch FROM at) * 1000)::float8 AS "againMillis"
      FROM (
            SELECT n, at, lag(at) OVER (PARTITION BY n ORDER BY seq) AS before
              FROM soak_effect
           ) e
     WHERE before IS NOT NULL
     ORDER BY before
  `
  const open = causes
    .toSorted((a, b) => a.atMillis - b.atMillis)
    .map((cause) => ({ ...cause, left: cause.repeatsMax }))
  let unexplained = 0
  let tooMany = 0
  let example = ""
  for (const { againMillis, firstMillis, n } of repeats) {
    const around = open.filter(
      ({ atMillis, lastedMillis }) =>
        atMillis <= againMillis && atMillis + lastedMillis + causeSlackMillis >= firstMillis
    )
    const taken = around.find(({ left }) => left > 0)
    if (taken !== undefined) taken.left--
    else {
      example = `job ${n} was done at ${new Date(firstMillis).toISOString()} and at ${new Date(againMillis).toISOString()}`
      if (around.length === 0) unexplained++
      else tooMany++
    }
  }
  const violations: Array<Violation> = []
  if (unexplained > letPass) violations.push({ rule: "repeats_unexplained", count: unexplained, example })
  if (tooMany > 0) violations.push({ rule: "repeats_too_many", count: tooMany, example })
  return { repeats: repeats.length, unexplained, violations }
})

/** How many effects were written in the moment before: an asynchronous acknowledgement of them may be lost with the server. */
export const effectsSince = Effect.fnUntraced(function* (fromMillis: number, toMillis: number) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly count: number }>`
    SELECT count(*)::int AS count
      FROM soak_effect
     WHERE at BETWEEN to_timestamp(${fromMillis}::float8 / 1000) AND to_timestamp(${toMillis}::float8 / 1000)
  `
  return row?.count ?? 0
})
