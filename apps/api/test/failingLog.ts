/** Makes the activity log refuse rows, and shows what a request has left in all other tables. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

/**
 * Processes write the first three by themselves: the use of keys, tokens of limits that a lease has left, and decisions that were
 * added up. The log refuses all rows, and its changes would void the plan of the reading.
 */
const beside: ReadonlySet<string> = new Set([
  "hm_api_key_use",
  "hm_api_rate_limit",
  "hm_platform_policy_decision",
  "hm_platform_activity_log"
])

/** Reads the number and a hash of the rows of every table, by table. */
export const stateReader = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<{ readonly name: string }>`
    SELECT relname AS name
      FROM pg_class
     WHERE relkind IN ('r', 'p') AND NOT relispartition AND relname LIKE 'hm\_%'
       AND relnamespace = current_schema()::regnamespace
     ORDER BY relname
  `
  const parts = tables.flatMap(({ name }) =>
    beside.has(name)
      ? []
      : [
          `SELECT '${name}' AS name, count(*)::text || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0)::text AS state FROM ${name} AS t`
        ]
  )
  // A template, so that each connection plans it once.
  const statement = sql.literal(parts.join(" UNION ALL "))
  return Effect.map(sql<{ readonly name: string; readonly state: string }>`${statement}`, (rows) =>
    Object.fromEntries(rows.map(({ name, state }) => [name, state]))
  )
})

/** Runs with a log that refuses every row. */
export const withFailingLog = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    return yield* Effect.acquireUseRelease(
      sql`ALTER TABLE hm_platform_activity_log ADD CONSTRAINT refuses_all CHECK (false) NOT VALID`,
      () => self,
      () => Effect.orDie(sql`ALTER TABLE hm_platform_activity_log DROP CONSTRAINT refuses_all`)
    )
  })
