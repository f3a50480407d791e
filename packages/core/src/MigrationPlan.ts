/**
 * Pending migrations as people review them: with the tables that they touch, and as one file of SQL.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { MigrationSet } from "./Migration.ts"
import * as Migrations from "./Migrations.ts"

/**
 * A table that a migration names and that exists.
 *
 * @category models
 * @since 0.1.0
 */
export interface TouchedTable {
  readonly table: string
  /** As the server's statistics estimate them; a count would read the table. */
  readonly rows: number
}

/**
 * A pending migration, as `hypermarket migrate --plan --json` prints it.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlannedMigration {
  readonly domain: string
  readonly id: number
  readonly name: string
  readonly since: string
  readonly oldestRelease: string
  readonly locks: Migrations.Locks
  readonly transactional: boolean
  readonly sql: string
  readonly tables: ReadonlyArray<TouchedTable>
}

/** Every word that may be a table: the catalogue knows which are. */
const wordsOf = (statements: ReadonlyArray<string>): ReadonlyArray<string> =>
  Array.from(
    new Set(statements.flatMap((sql) => sql.replaceAll(/--.*$/gm, "").match(/[a-z_][a-z0-9_]*/g) ?? []))
  )

const sqlOf = (statements: ReadonlyArray<string>): string =>
  statements.map((statement) => `${statement.trim()};`).join("\n")

/**
 * Returns pending migrations with their SQL, and the existing tables that each names. Changes nothing.
 *
 * @category running
 * @since 0.1.0
 */
export const describe = Effect.fn("MigrationPlan.describe")(function* (
  pending: ReadonlyArray<Migrations.Pending>
): Effect.fn.Return<ReadonlyArray<PlannedMigration>, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const words = wordsOf(pending.flatMap(({ migration }) => migration.statements))
  // The rows of a partitioned table are those of its leaves. Statistics count what autovacuum has seen; the counters also
  // what came after.
  const tables = yield* sql<TouchedTable>`
    SELECT c.relname AS table,
           coalesce((SELECT sum(greatest(leaf.reltuples, counted.n_live_tup, 0))
                       FROM pg_partition_tree(c.oid) AS tree
                       JOIN pg_class AS leaf ON leaf.oid = tree.relid
                       LEFT JOIN pg_stat_all_tables AS counted ON counted.relid = leaf.oid
                      WHERE tree.isleaf), 0)::float8 AS rows
      FROM pg_class AS c
     WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
       AND c.relkind IN ('r', 'p')
       AND c.relname = ANY (${words}::text[])
     ORDER BY 1
  `
  return pending.map(({ domain, migration }) => {
    const { id, locks, name, oldestRelease, since, statements, transactional } = migration
    const touched = new Set(wordsOf(statements))
    return {
      domain,
      id,
      name,
      since,
      oldestRelease,
      locks,
      transactional,
      sql: sqlOf(statements),
      tables: tables.filter(({ table }) => touched.has(table))
    }
  })
})

const nameOf = ({ domain, migration }: Migrations.Pending): string =>
  `${domain} ${String(migration.id).padStart(4, "0")}_${migration.name}`

const recordOf = (set: MigrationSet, migration: Migrations.NumberedMigration): string => `
INSERT INTO ${set.table} (id, name, checksum, oldest_release, applied_by)
VALUES (${migration.id}, '${migration.name}', '${migration.checksum}', '${migration.oldestRelease}', '${set.release}');`

const blockOf = (set: MigrationSet, pending: Migrations.Pending): string => {
  const { locks, statements, transactional } = pending.migration
  const steps = `${sqlOf(statements)}${recordOf(set, pending.migration)}`
  if (!transactional) return `-- ${nameOf(pending)}: each statement commits by itself\n${steps}`
  const lockTimeout = locks === "brief" ? `SET LOCAL lock_timeout = '${Migrations.briefLockMillis}ms';\n` : ""
  return `-- ${nameOf(pending)}\nBEGIN;\n${lockTimeout}${steps}\nCOMMIT;`
}

/**
 * Returns one file for `psql` that applies pending migrations and records them, for teams that apply SQL themselves. The
 * schema must exist. A block that fails on its lock timeout may be run again from there.
 *
 * @category running
 * @since 0.1.0
 */
export const script = (
  sets: ReadonlyArray<MigrationSet>,
  pending: ReadonlyArray<Migrations.Pending>,
  schema: string
): string => {
  const blocks = sets.flatMap((set) => {
    const steps = pending.filter(({ domain }) => domain === set.domain)
    return steps.length === 0
      ? []
      : [`${Migrations.bookkeepingStatement(set).trim()};`, ...steps.map((step) => blockOf(set, step))]
  })
  const head = [
    String.raw`\set ON_ERROR_STOP on`,
    `SET search_path = ${schema};`,
    "SET TimeZone = 'UTC';",
    "SET statement_timeout = 0;"
  ]
  return blocks.length === 0 ? "-- nothing is pending" : [head.join("\n"), ...blocks].join("\n\n")
}
