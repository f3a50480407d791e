/**
 * Keeps two installations in two schemas of one database apart: a session that looks for tables elsewhere would read and
 * write those of the other.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Check from "./Check.ts"
import { MigrationRefused } from "./Migrations.ts"

interface SearchPath {
  readonly path: string
  readonly exists: boolean
  readonly isOnly: boolean
  readonly isMigrated: boolean
}

const read = Effect.fnUntraced(function* (
  schema: string
): Effect.fn.Return<SearchPath | undefined, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<SearchPath>`
    SELECT current_setting('search_path') AS path,
           to_regnamespace(quote_ident(${schema})) IS NOT NULL AS exists,
           current_schemas(false) = ARRAY[${schema}]::name[] AS "isOnly",
           to_regclass(format('%I.hm_core_migrations', ${schema}::text)) IS NOT NULL AS "isMigrated"
  `
  return row
})

const refused = (message: string) =>
  new MigrationRefused({ domain: "core", id: null, reason: "search_path", message: `core: ${message}` })

/**
 * Refuses a session that does not look for tables in the configured schema, and there only. A schema that does not exist
 * yet is not refused: nothing is mixed up with it.
 *
 * @category running
 * @since 0.1.0
 */
export const requireOnly = Effect.fn("DatabaseSchema.requireOnly")(function* (
  schema: string
): Effect.fn.Return<void, MigrationRefused | SqlError, SqlClient.SqlClient> {
  const row = yield* read(schema)
  if (row === undefined || row.isOnly || !row.exists) return
  return yield* refused(
    `the session looks for tables in ${row.path}, and HM_DATABASE_SCHEMA is ${schema}: behind a pooler run \`hypermarket migrate\` with HM_DATABASE_PREPARE=false as this role, then let the pooler reconnect`
  )
})

/**
 * Refuses to set the search path of the session's role when another installation in this database relies on it.
 *
 * @category running
 * @since 0.1.0
 */
export const requireRoleIsFree = Effect.fn("DatabaseSchema.requireRoleIsFree")(function* (
  schema: string
): Effect.fn.Return<void, MigrationRefused | SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const [other] = yield* sql<{ readonly role: string; readonly path: string }>`
    SELECT current_user::text AS role, set.path
      FROM pg_db_role_setting AS stored
      JOIN pg_database AS d ON d.oid = stored.setdatabase AND d.datname = current_database()
      JOIN pg_roles AS r ON r.oid = stored.setrole AND r.rolname = current_user
     CROSS JOIN LATERAL (
             SELECT substr(entry, length('search_path=') + 1) AS path
               FROM unnest(stored.setconfig) AS entry
              WHERE entry LIKE 'search\\_path=%') AS set
     WHERE set.path <> ${schema}
       AND to_regclass(format('%I.hm_core_migrations', set.path)) IS NOT NULL
  `
  if (other === undefined) return
  return yield* refused(
    `the role ${other.role} looks for tables in ${other.path}, where another installation is: give each installation behind a pooler a role of its own`
  )
})

/**
 * Fails while the schema is missing or not migrated, or the session looks elsewhere: a process that is not able to work,
 * however well the database answers.
 *
 * @category checks
 * @since 0.1.0
 */
export const check = (schema: string): Check.Check =>
  Check.make(
    "search path",
    Effect.map(read(schema), (row): ReadonlyArray<Check.Finding> => {
      if (row === undefined || !row.exists) {
        return [
          { status: "fail", message: `there is no schema ${schema}`, hint: "run `hypermarket migrate`" }
        ]
      }
      if (!row.isMigrated) {
        return [
          { status: "fail", message: `the schema ${schema} has no tables`, hint: "run `hypermarket migrate`" }
        ]
      }
      return row.isOnly
        ? [{ status: "ok", message: `tables are looked for in ${schema}` }]
        : [
            {
              status: "fail",
              message: `tables are looked for in ${row.path} instead of ${schema}`,
              hint: "run `hypermarket migrate` with HM_DATABASE_PREPARE=false as this role, then let the pooler reconnect"
            }
          ]
    })
  )
