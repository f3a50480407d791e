/**
 * The tables of the installation with their row counts.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

export interface TableCount {
  readonly name: string
  readonly rows: number
}

/** Every `hm_*` table, partitions under their parent, counted exactly in one statement. */
export const tables = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const names = yield* sql<{ readonly name: string }>`
    SELECT c.relname AS name
      FROM pg_class c
     WHERE c.relnamespace = current_schema()::regnamespace
       AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND c.relname LIKE 'hm\\_%'
     ORDER BY c.relname
  `
  if (names.length === 0) return []
  const counts = names.map(
    ({ name }) => sql`SELECT ${name}::text AS name, count(*)::int AS rows FROM ${sql(name)}`
  )
  return yield* sql<TableCount>`${sql.join(" UNION ALL ", false)(counts)} ORDER BY name`
})
