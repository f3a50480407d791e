/** The rules that the executions of a run must satisfy, read from their rows and from the notes of their activities. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Violation } from "../events/Ledger.ts"

/** A time in which workers or Postgres were away, with the lease that then has to run out. */
export interface Disturbance {
  readonly fromMillis: number
  readonly toMillis: number
  /** A worker that goes on after its lease may have begun an activity that another one has recorded meanwhile. */
  readonly isFreeze: boolean
}

/** An activity that began after its result was recorded. */
interface Repeat {
  readonly execution: string
  readonly atMillis: number
}

/** Something that should happen at one time, and happened at another. */
interface Wake {
  readonly kind: string
  readonly execution: string
  readonly dueMillis: number
  readonly doneMillis: number
}

export const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE soak_note (
      n     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      key   text        NOT NULL,
      entry text        NOT NULL,
      at    timestamptz NOT NULL DEFAULT clock_timestamp()
    )
  `
})

const broken = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ readonly rule: Violation["rule"]; readonly execution: string }>`
    SELECT 'unfinished' AS rule, concat_ws(' ', name, state, payload ->> 'key') AS execution
      FROM hm_workflow_execution
     WHERE finished_at IS NULL
    UNION ALL
    SELECT 'wrong_state', concat_ws(' ', name, state, payload ->> 'key', error)
      FROM hm_workflow_execution
     WHERE finished_at IS NOT NULL
       AND state <> CASE name WHEN 'soak fails' THEN 'failed' WHEN 'soak cancels' THEN 'cancelled' ELSE 'succeeded' END
    UNION ALL
    SELECT 'compensations', concat_ws(' ', e.name, e.payload ->> 'key', u.undone)
      FROM hm_workflow_execution e
      CROSS JOIN LATERAL (
           SELECT string_agg(t.name, ', ' ORDER BY t.position) AS undone
             FROM hm_workflow_task t
            WHERE t.tenant_id = e.tenant_id AND t.execution_id = e.execution_id AND starts_with(t.name, 'undo ')) u
     WHERE e.finished_at IS NOT NULL
       AND (e.name = 'soak fails' AND u.undone IS DISTINCT FROM 'undo pack, undo charge, undo reserve'
            OR e.name = 'soak cancels' AND u.undone NOT IN ('undo charge, undo reserve', 'undo reserve'))
    UNION ALL
    SELECT 'wrong_result', concat_ws(' ', name, payload ->> 'key', result::text)
      FROM hm_workflow_execution
     WHERE state = 'succeeded'
       AND result ->> 'value' <> CASE name
           WHEN 'soak sleeps' THEN 'third of ' || (payload ->> 'key')
           WHEN 'soak waits' THEN '7'
           WHEN 'soak child' THEN 'end of ' || (payload ->> 'key')
           WHEN 'soak races' THEN CASE WHEN payload ->> 'key' LIKE '%late' THEN 'late' ELSE 'paid' END
           ELSE result ->> 'value' END
  `
})

const repeats = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Repeat>`
    SELECT concat_ws(' ', e.name, n.key, n.entry) AS execution, (1000 * extract(epoch FROM n.at))::float8 AS "atMillis"
      FROM soak_note n
      JOIN hm_workflow_execution e
        ON e.payload ->> 'key' = n.key
      JOIN hm_workflow_task t
        ON t.tenant_id = e.tenant_id AND t.execution_id = e.execution_id AND t.kind = 'activity' AND t.name = n.entry
     WHERE n.at > t.finished_at + interval '1 millisecond'
  `
})

/** Clocks, and the first activity after a clock, a signal and children. */
const wakes = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Wake>`
      WITH noted AS (
    SELECT key, entry, min(at) AS at
      FROM soak_note
     GROUP BY key, entry),
           task AS (
    SELECT e.name AS workflow, e.payload ->> 'key' AS key, t.kind, t.name, t.due_at, t.finished_at
      FROM hm_workflow_task t
      JOIN hm_workflow_execution e
        ON e.tenant_id = t.tenant_id AND e.execution_id = t.execution_id),
           wake AS (
    SELECT 'clock' AS kind, key, due_at AS due, finished_at AS done
      FROM task
     WHERE due_at IS NOT NULL AND finished_at IS NOT NULL
    UNION ALL
    SELECT 'after a clock', t.key, t.finished_at, n.at
      FROM task t
      JOIN noted n
        ON n.key = t.key AND n.entry = CASE t.name WHEN 'DurableClock/one' THEN 'second' WHEN 'DurableClock/two' THEN 'third' END
     WHERE t.workflow = 'soak sleeps'
    UNION ALL
    SELECT 'after a signal', p.key, greatest(p.finished_at, r.finished_at), n.at
      FROM task p
      JOIN task r
        ON r.key = p.key AND r.workflow = p.workflow AND r.name = 'reserve'
      JOIN noted n
        ON n.key = p.key AND n.entry = 'ship'
     WHERE p.workflow = 'soak waits' AND p.name = 'paid'
    UNION ALL
    SELECT 'after children', c.key, max(c.finished_at), n.at
      FROM task c
      JOIN noted n
        ON n.key = c.key AND n.entry = 'join'
     WHERE c.kind = 'child'
     GROUP BY c.key, n.at)
    SELECT kind, key AS execution, (1000 * extract(epoch FROM due))::float8 AS "dueMillis",
           (1000 * extract(epoch FROM done))::float8 AS "doneMillis"
      FROM wake
  `
})

/** Returns the part of a delay in which nothing was away. */
const quietMillis = (wake: Wake, disturbances: ReadonlyArray<Disturbance>): number => {
  let from = wake.dueMillis
  let quiet = 0
  for (const { fromMillis, toMillis } of disturbances) {
    if (toMillis <= from || fromMillis >= wake.doneMillis) continue
    quiet += Math.max(0, fromMillis - from)
    from = Math.max(from, toMillis)
  }
  return quiet + Math.max(0, wake.doneMillis - from)
}

const summed = (rule: Violation["rule"], examples: ReadonlyArray<string>): ReadonlyArray<Violation> =>
  examples.length === 0 ? [] : [{ rule, count: examples.length, example: examples[0] ?? "" }]

/** Returns what is broken, and what a run counts. `disturbances` are in the order of their begin. */
export const verify = Effect.fnUntraced(function* (
  disturbances: ReadonlyArray<Disturbance>,
  lateMillisMax: number
) {
  const rows = yield* broken
  const rules = Array.from(new Set(rows.map(({ rule }) => rule)))
  const isFrozen = ({ atMillis }: Repeat) =>
    disturbances.some(
      ({ fromMillis, isFreeze, toMillis }) => isFreeze && fromMillis <= atMillis && atMillis <= toMillis
    )
  const repeated = yield* repeats
  const delayed = (yield* wakes).map((wake) => ({ wake, quiet: quietMillis(wake, disturbances) }))
  const late = delayed.filter(({ quiet }) => quiet > lateMillisMax)
  return {
    violations: [
      ...rules.flatMap((rule) =>
        summed(
          rule,
          rows.flatMap((row) => (row.rule === rule ? [row.execution] : []))
        )
      ),
      ...summed(
        "ran_after_recorded",
        repeated.flatMap((repeat) => (isFrozen(repeat) ? [] : [repeat.execution]))
      ),
      ...summed(
        "late",
        late.map(({ quiet, wake }) => `${wake.kind} ${wake.execution}, ${Math.round(quiet)} ms`)
      )
    ],
    counts: {
      wakes: delayed.length,
      lateMillisMax: Math.round(delayed.reduce((most, { quiet }) => Math.max(most, quiet), 0)),
      repeatsOfFrozen: repeated.filter(isFrozen).length
    }
  }
})
