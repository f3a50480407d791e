/**
 * The statement of batches whose groups have one `gcra` bucket each: checks of one policy, and leases. It leaves out what only
 * windows, leases of slots and several limits need, which is a third of the server's time per bucket.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Measured } from "./bucket.ts"
import { clockOf, comparedBy, type Group, type GroupAnswer } from "./bucketStatements.ts"

/** In the order of the keys: the instant, the debt before, what was given back, how many were granted. */
const Answer = Schema.fromJsonString(
  Schema.Struct({
    now: Schema.Int,
    rows: Schema.Array(
      Schema.Tuple([Schema.Int, Schema.BigIntFromString, Schema.BigIntFromString, Schema.Int])
    )
  })
)
const decodeAnswer = Schema.decodeUnknownEffect(Answer)

const nothing: ReadonlyArray<Measured> = []

/** True for a group that {@link charge} decides. */
export const isNarrow = ({ bounds }: Group): boolean => bounds.length === 1 && bounds[0]?.kind === "gcra"

/** Charges as `bucketStatements.charge` does: rows locked in the order of their keys, the clock read after the last lock. */
export const charge = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  groups: ReadonlyArray<Group>,
  offsetMicros: number
) {
  const sorted = groups
    .flatMap(({ bounds, costs }, g) => bounds.map((bound) => ({ bound, costs, g })))
    .toSorted((left, right) => comparedBy(left.bound.key, right.bound.key))
  const wanted = sorted.map(({ bound, costs }, place) => {
    let sum = 0
    return {
      p: place,
      t: bound.owner,
      n: bound.policy,
      b: bound.bucket,
      q: bound.quota,
      m: bound.burst,
      w: bound.periodMicros,
      c: bound.changedMicros,
      s: costs.map((cost) => (sum += cost))
    }
  })
  const [row] = yield* sql<{ readonly answer: string }>`
    WITH locked AS MATERIALIZED (
      SELECT w.*, b.*
        FROM (
             SELECT *
               FROM json_to_recordset(${JSON.stringify(wanted)}::text::json)
                      AS r (p int, t text, n text, b text, q bigint, m bigint, w bigint, c bigint, s bigint[])
              ORDER BY p
             ) w
       CROSS JOIN LATERAL (
             SELECT r.at_micros, r.debt AS debt_before, r.rate_quota, r.rate_period_micros, r.returned
               FROM hm_api_rate_limit r
              WHERE r.tenant_id = w.t AND r.policy = w.n AND r.bucket = w.b
                FOR UPDATE
             ) b
    ),
    clock AS MATERIALIZED (
      SELECT ${clockOf(sql, offsetMicros)} AS now
        FROM (SELECT count(*) AS held FROM locked) l
       WHERE l.held >= 0
    ),
    measured AS MATERIALIZED (
      SELECT l.*, d.debt, d.now,
             -- How many of the ascending sums of costs fit the room.
             width_bucket(floor((l.m::numeric * l.w - d.debt) / l.w)::bigint, l.s) AS granted
        FROM locked l
       CROSS JOIN LATERAL (
             SELECT c.now,
                    greatest(0,
                      least(l.m::numeric * l.w,
                            CASE WHEN l.rate_period_micros = l.w THEN l.debt_before
                                 ELSE ceil(l.debt_before * l.w / l.rate_period_micros) END)
                      - CASE WHEN l.rate_quota = l.q AND l.rate_period_micros = l.w
                             THEN greatest(c.now - l.at_micros, 0)::numeric * l.q
                             ELSE floor(greatest(least(l.c, c.now) - l.at_micros, 0)::numeric * l.rate_quota
                                          * l.w / l.rate_period_micros)
                                  + greatest(c.now - greatest(l.at_micros, l.c), 0)::numeric * l.q END) AS debt
               FROM clock c
             ) d
    ),
    written AS (
      UPDATE hm_api_rate_limit r
         SET at_micros = greatest(r.at_micros, m.now),
             debt = m.debt + m.s[m.granted]::numeric * m.w,
             -- At another rate nothing is certain of what unused leases have charged.
             returned = r.returned
                        + CASE WHEN r.rate_quota = m.q AND r.rate_period_micros = m.w THEN 0
                               ELSE r.debt END,
             rate_quota = m.q,
             rate_period_micros = m.w,
             full_micros = m.now + ceil((m.debt + m.s[m.granted]::numeric * m.w) / m.q)::bigint
        FROM measured m
       WHERE m.granted > 0
         AND r.tenant_id = m.t AND r.policy = m.n AND r.bucket = m.b
      RETURNING 1
    )
    SELECT json_build_object(
             'now', (SELECT now FROM clock),
             'rows', coalesce(json_agg(json_build_array(m.p, m.debt::text, m.returned::text, m.granted)), '[]'))::text AS answer
      FROM measured m
     WHERE (SELECT count(*) FROM written) >= 0
  `
  const { now, rows } = yield* Effect.orDie(decodeAnswer(row?.answer))
  const answers = groups.map((): GroupAnswer => ({ granted: 0, isComplete: false, measured: nothing }))
  for (const [place, debt, returned, granted] of rows) {
    const g = sorted[place]?.g
    if (g === undefined) continue
    const measured = [{ nowMicros: now, debt, returned, entries: [] }]
    answers[g] = { granted, isComplete: true, measured }
  }
  return answers
})
