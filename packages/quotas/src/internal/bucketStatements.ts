/** The statements on `hm_api_rate_limit`. Each reads the database's clock after it has its locks. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { Bound, Measured } from "./bucket.ts"

/** Requests of one set of buckets: they are granted in order until one does not fit. */
export interface Group {
  readonly bounds: ReadonlyArray<Bound>
  readonly costs: ReadonlyArray<number>
  /** One token per request, for buckets of leases. */
  readonly tokens: ReadonlyArray<string>
}

export interface GroupAnswer {
  /** How many of the requests were granted: a prefix. */
  readonly granted: number
  /** False when a bucket has no row yet: nothing was decided. */
  readonly isComplete: boolean
  /** Before the grants, in the order of `bounds`. */
  readonly measured: ReadonlyArray<Measured>
}

const Answer = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      n: Schema.Int,
      now: Schema.Int,
      granted: Schema.Int,
      debt: Schema.BigIntFromString,
      returned: Schema.BigIntFromString,
      entries: Schema.Array(Schema.Tuple([Schema.Int, Schema.Int]))
    })
  )
)
const decodeAnswer = Schema.decodeUnknownEffect(Answer)

/** The order in which rows are locked. */
export const comparedBy = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0)

/** Sorted alike by every process, so that two statements never wait for each other. */
const sortedRows = (groups: ReadonlyArray<Group>) => {
  const rows = groups.flatMap((group, g) => {
    let sum = 0
    const cumulative = group.costs.map((cost) => (sum += cost))
    return group.bounds.map((bound, index) => ({
      key: bound.key,
      index,
      g,
      size: group.bounds.length,
      tenant: bound.owner,
      policy: bound.policy,
      bucket: bound.bucket,
      kind: bound.kind,
      quota: bound.quota,
      burst: bound.burst,
      period: bound.periodMicros,
      changed: bound.changedMicros,
      costs: bound.kind === "concurrency" ? group.costs.map((_, at) => at + 1) : cumulative,
      tokens: bound.kind === "concurrency" ? group.tokens : []
    }))
  })
  return rows
    .toSorted((left, right) => comparedBy(left.key, right.key))
    .map((row, place) => ({ ...row, place }))
}

/** A statement's view of a row: what is left of debt, entries and leases at its instant. */
const measuredColumns = `
         CASE WHEN w.kind <> 'gcra' THEN 0
              ELSE greatest(0,
                     least(w.burst::numeric * w.period,
                           CASE WHEN b.rate_period_micros = w.period THEN b.debt
                                ELSE ceil(b.debt * w.period / b.rate_period_micros) END)
                     - CASE WHEN b.rate_quota = w.quota AND b.rate_period_micros = w.period
                            THEN greatest(c.now - b.at_micros, 0)::numeric * w.quota
                            ELSE floor(greatest(least(w.changed, c.now) - b.at_micros, 0)::numeric * b.rate_quota
                                         * w.period / b.rate_period_micros)
                                 + greatest(c.now - greatest(b.at_micros, w.changed), 0)::numeric * w.quota END)
         END AS debt,
         CASE w.kind
              WHEN 'window' THEN coalesce(
                   (SELECT json_agg(json_build_array(e.micros, e.cost) ORDER BY e.micros)
                      FROM unnest(b.entry_micros, b.entry_costs) AS e (micros, cost)
                     WHERE e.micros > c.now - w.period), '[]')
              WHEN 'concurrency' THEN coalesce(
                   (SELECT json_agg(json_build_array(e.micros, 1) ORDER BY e.micros)
                      FROM unnest(b.lease_micros) AS e (micros)
                     WHERE e.micros > c.now), '[]')
              ELSE '[]' END AS entries,
         CASE w.kind
              WHEN 'window' THEN w.quota - coalesce(
                   (SELECT sum(e.cost)
                      FROM unnest(b.entry_micros, b.entry_costs) AS e (micros, cost)
                     WHERE e.micros > c.now - w.period), 0)
              WHEN 'concurrency' THEN w.quota - (
                   SELECT count(*)
                     FROM unnest(b.lease_micros) AS e (micros)
                    WHERE e.micros > c.now)
         END AS counted_room`

const wantedColumns =
  "place int, g int, index int, size int, tenant text, policy text, bucket text, kind text, quota bigint, burst bigint, period bigint, changed bigint, costs bigint[], tokens uuid[]"

/** The database's clock in microseconds, plus the offset that a test binds. */
export const clockOf = (sql: SqlClient.SqlClient, offsetMicros: number) =>
  sql`(extract(epoch FROM clock_timestamp()) * 1000000)::bigint + ${String(offsetMicros)}::text::bigint`

const answersOf = (
  groups: ReadonlyArray<Group>,
  sorted: ReturnType<typeof sortedRows>,
  rows: ReadonlyArray<{ readonly answer: unknown }>
) =>
  Effect.map(Effect.orDie(decodeAnswer(rows[0]?.answer ?? "[]")), (decoded) => {
    const byPlace = new Map(
      decoded.map((row) => {
        const place = sorted[row.n]
        return [`${place?.g} ${place?.index}`, row]
      })
    )
    return groups.map((group, g): GroupAnswer => {
      const found = group.bounds.flatMap((_, index) => byPlace.get(`${g} ${index}`) ?? [])
      return {
        granted: found[0]?.granted ?? 0,
        isComplete: found.length === group.bounds.length,
        measured: found.map(({ debt, entries, now, returned }) => ({
          nowMicros: now,
          debt,
          returned,
          entries
        }))
      }
    })
  })

/**
 * Charges groups that share no bucket: one statement, rows locked in the order of their keys, the clock read after the last
 * lock. A group gets the longest prefix of its requests that fits all its buckets; a group without a grant writes nothing.
 */
export const charge = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  groups: ReadonlyArray<Group>,
  offsetMicros: number
) {
  const sorted = sortedRows(groups)
  const rows = yield* sql<{ readonly answer: string }>`
    WITH wanted AS MATERIALIZED (
      SELECT *
        FROM json_to_recordset(${JSON.stringify(sorted)}::text::json) AS r (${sql.literal(wantedColumns)})
    ),
    -- Locks one row after another in the order of the keys, and sees each as the last holder left it.
    locked AS MATERIALIZED (
      SELECT w.*, b.*
        FROM (
             SELECT *
               FROM wanted
              ORDER BY place
             ) w
       CROSS JOIN LATERAL (
             SELECT b.at_micros, b.debt AS debt_before, b.rate_quota, b.rate_period_micros, b.entry_micros,
                    b.entry_costs, b.lease_micros, b.lease_tokens, b.returned
               FROM hm_api_rate_limit b
              WHERE b.tenant_id = w.tenant AND b.policy = w.policy AND b.bucket = w.bucket
                FOR UPDATE
             ) b
    ),
    clock AS MATERIALIZED (
      SELECT ${clockOf(sql, offsetMicros)} AS now
        FROM (SELECT count(*) AS held FROM locked) l
       WHERE l.held >= 0
    ),
    measured AS MATERIALIZED (
      SELECT w.*, c.now, ${sql.literal(measuredColumns.replaceAll("b.debt", "b.debt_before"))}
        FROM locked w
       CROSS JOIN clock c
       CROSS JOIN LATERAL (
             SELECT w.at_micros, w.debt_before, w.rate_quota, w.rate_period_micros, w.entry_micros, w.entry_costs,
                    w.lease_micros
             ) b
    ),
    roomy AS MATERIALIZED (
      SELECT m.*,
             (SELECT count(*)
                FROM unnest(m.costs) AS u (cost)
               WHERE u.cost <= coalesce(m.counted_room,
                                        floor((m.burst::numeric * m.period - m.debt) / m.period)))::int AS fit
        FROM measured m
    ),
    decided AS MATERIALIZED (
      SELECT g, CASE WHEN count(*) = max(size) THEN min(fit) ELSE 0 END AS granted
        FROM roomy
       GROUP BY g
    ),
    written AS (
      UPDATE hm_api_rate_limit b
         SET at_micros = greatest(b.at_micros, m.now),
             debt = m.debt + CASE m.kind WHEN 'gcra' THEN m.costs[d.granted]::numeric * m.period ELSE 0 END,
             -- At another rate nothing is certain of what unused leases have charged.
             returned = b.returned
                        + CASE WHEN b.rate_quota = m.quota AND b.rate_period_micros = m.period THEN 0
                               ELSE b.debt END,
             rate_quota = m.quota,
             rate_period_micros = m.period,
             entry_micros = CASE m.kind
                                 WHEN 'window' THEN array_append(ARRAY (
                                      SELECT e.micros
                                        FROM unnest(m.entry_micros, m.entry_costs) AS e (micros, cost)
                                       WHERE e.micros > m.now - m.period
                                       ORDER BY e.micros), m.now)
                                 ELSE '{}' END,
             entry_costs = CASE m.kind
                                WHEN 'window' THEN array_append(ARRAY (
                                     SELECT e.cost
                                       FROM unnest(m.entry_micros, m.entry_costs) AS e (micros, cost)
                                      WHERE e.micros > m.now - m.period
                                      ORDER BY e.micros), m.costs[d.granted])
                                ELSE '{}' END,
             lease_micros = CASE m.kind
                                 WHEN 'concurrency' THEN ARRAY (
                                      SELECT e.micros
                                        FROM unnest(m.lease_micros, m.lease_tokens) AS e (micros, token)
                                       WHERE e.micros > m.now
                                       ORDER BY e.micros, e.token)
                                      || array_fill(m.now + m.period, ARRAY[d.granted])
                                 ELSE '{}' END,
             lease_tokens = CASE m.kind
                                 WHEN 'concurrency' THEN ARRAY (
                                      SELECT e.token
                                        FROM unnest(m.lease_micros, m.lease_tokens) AS e (micros, token)
                                       WHERE e.micros > m.now
                                       ORDER BY e.micros, e.token)
                                      || m.tokens[1:d.granted]
                                 ELSE '{}' END,
             full_micros = m.now + CASE m.kind
                                        WHEN 'gcra' THEN ceil((m.debt + m.costs[d.granted]::numeric * m.period)
                                                                / m.quota)::bigint
                                        ELSE m.period END
        FROM measured m
        JOIN decided d USING (g)
       WHERE d.granted > 0
         AND b.tenant_id = m.tenant AND b.policy = m.policy AND b.bucket = m.bucket
      RETURNING 1
    )
    SELECT json_agg(json_build_object('n', r.place, 'now', r.now, 'granted', d.granted, 'debt', r.debt::text,
                                      'returned', r.returned::text, 'entries', r.entries))::text AS answer
      FROM roomy r
      JOIN decided d USING (g)
     WHERE (SELECT count(*) FROM written) >= 0
  `
  return yield* answersOf(groups, sorted, rows)
})

/** A row without use is deleted by the job after this time: the check that made it comes within milliseconds. */
const freshMicros = 60_000_000

/** Makes the rows of buckets that have none, in the order of their keys. */
export const open = (sql: SqlClient.SqlClient, bounds: ReadonlyArray<Bound>, offsetMicros: number) =>
  sql`
    INSERT INTO hm_api_rate_limit (tenant_id, policy, bucket, full_micros)
    SELECT r.tenant, r.policy, r.bucket, ${clockOf(sql, offsetMicros)} + ${String(freshMicros)}::text::bigint
      FROM json_to_recordset(${JSON.stringify(
        bounds
          .map((bound) => ({
            key: bound.key,
            tenant: bound.owner,
            policy: bound.policy,
            bucket: bound.bucket
          }))
          .toSorted((left, right) => comparedBy(left.key, right.key))
      )}::text::json) AS r (tenant text, policy text, bucket text)
        ON CONFLICT DO NOTHING
  `

/** Reads buckets without a lock. A bucket without a row is untouched: its answer is not complete. */
export const measure = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  bound: Bound,
  offsetMicros: number
) {
  const groups = [{ bounds: [bound], costs: [1], tokens: [] }]
  const sorted = sortedRows(groups)
  const rows = yield* sql<{ readonly answer: string | null }>`
    SELECT json_agg(json_build_object('n', 0, 'now', s.now, 'granted', 0, 'debt', s.debt::text,
                                      'returned', s.returned::text, 'entries', s.entries))::text AS answer
      FROM (
           SELECT c.now, b.returned, ${sql.literal(measuredColumns)}
             FROM json_to_recordset(${JSON.stringify(sorted)}::text::json) AS w (${sql.literal(wantedColumns)})
            CROSS JOIN (SELECT ${clockOf(sql, offsetMicros)} AS now) c
             JOIN hm_api_rate_limit b
               ON b.tenant_id = w.tenant AND b.policy = w.policy AND b.bucket = w.bucket
           ) s
  `
  return yield* answersOf(groups, sorted, rows)
})
