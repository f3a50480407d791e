/**
 * The rules for tables, checked in the catalogue of a migrated database. Every table but the named global ones begins
 * with `tenant_id text`. Every primary key, unique constraint, foreign key and unique index carries it first. Every
 * table can be replicated, and every sequence is found from a table.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

interface Table {
  readonly table: string
  readonly firstColumn: string
  readonly firstType: string
}

interface Key {
  readonly name: string
  readonly table: string
  readonly firstColumn: string | null
}

/** Returns a sentence per violation of the rules. */
export const violations = Effect.fn("SchemaRules.violations")(function* (
  globals: ReadonlyArray<string>,
  options: {
    /** Those that several tables share, so that no column owns them. */ readonly sequences?: ReadonlyArray<string>
  } = {}
) {
  const sql = yield* SqlClient.SqlClient
  const tables = yield* sql<Table>`
    SELECT c.relname AS table, a.attname AS "firstColumn", format_type(a.atttypid, a.atttypmod) AS "firstType"
      FROM pg_class c
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = 1
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname LIKE 'hm\\_%'
       AND NOT c.relname = ANY (${globals}::text[]) AND c.relname NOT LIKE '%\\_migrations'
  `
  const keys = yield* sql<Key>`
    SELECT i.relname AS name, c.relname AS table, a.attname AS "firstColumn"
      FROM pg_index x
      JOIN pg_class c ON c.oid = x.indrelid
      JOIN pg_class i ON i.oid = x.indexrelid
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = x.indkey[0]
     WHERE x.indisunique AND c.relname = ANY (${tables.map((one) => one.table)}::text[])
    UNION ALL
    SELECT k.conname, c.relname, a.attname
      FROM pg_constraint k
      JOIN pg_class c ON c.oid = k.conrelid
      LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.conkey[1]
     WHERE k.contype = 'f' AND c.relname = ANY (${tables.map((one) => one.table)}::text[])
  `
  const triggers = yield* sql<{ readonly name: string }>`
    SELECT tgname AS name
      FROM pg_trigger
     WHERE NOT tgisinternal
  `
  // Without either, a publication breaks updates and deletes of the table. Partitions inherit a primary key, and not a
  // replica identity: each is looked at.
  const unidentified = yield* sql<{ readonly table: string }>`
    SELECT c.relname AS table
      FROM pg_class c
     WHERE c.relkind IN ('r', 'p')
       AND c.relname LIKE 'hm\_%'
       AND (c.relreplident = 'n'
            OR (c.relreplident = 'd'
                AND NOT EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary)))
     ORDER BY 1
  `
  const sequences = yield* sql<{ readonly name: string }>`
    SELECT c.relname AS name
      FROM pg_class c
     WHERE c.relkind = 'S'
       AND c.relname LIKE 'hm\_%'
       AND NOT EXISTS (SELECT
                         FROM pg_depend d
                        WHERE d.classid = 'pg_class'::regclass
                          AND d.objid = c.oid
                          AND d.refclassid = 'pg_class'::regclass
                          AND d.deptype IN ('a', 'i'))
       AND NOT c.relname = ANY (${options.sequences ?? []}::text[])
     ORDER BY 1
  `
  return [
    ...unidentified.map(({ table }) => `${table} has neither a primary key nor a replica identity`),
    ...sequences.map(({ name }) => `no column owns the sequence ${name}`),
    ...tables
      .filter((one) => one.firstColumn !== "tenant_id" || one.firstType !== "text")
      .map((one) => `${one.table} begins with ${one.firstColumn} ${one.firstType}, not with tenant_id text`),
    ...keys
      .filter((one) => one.firstColumn !== "tenant_id")
      .map((one) => `${one.name} of ${one.table} does not carry tenant_id first`),
    ...triggers.map((one) => `there is a trigger ${one.name}`)
  ]
})
