/**
 * Privileges of a process's role on the tables, read from the catalogue.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Check from "./Check.ts"

/** Named one by one up to here; a role without any privilege lacks a hundred. */
const namedMax = 5

/**
 * Fails for each privilege that API and worker need and the role of the connection does not have. They read and write the
 * rows of every table `hm_*`, use its sequences and functions, and read the bookkeeping of migrations.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check.Check = Check.make(
  "privileges",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const missing = yield* sql<{ readonly role: string; readonly privilege: string; readonly name: string }>`
      WITH ours AS (
        SELECT c.oid, c.relname, c.relkind, c.relname LIKE '%\\_migrations' AS "isBookkeeping"
          FROM pg_class AS c
         WHERE c.relnamespace = to_regnamespace(quote_ident(current_schema()))
           AND c.relkind IN ('r', 'p', 'S')
           AND c.relname LIKE 'hm\\_%')
      SELECT current_user::text AS role, needed.privilege, ours.relname::text AS name
        FROM ours
       CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS needed (privilege)
       WHERE ours.relkind <> 'S'
         AND (needed.privilege = 'SELECT' OR NOT ours."isBookkeeping")
         AND NOT has_table_privilege(ours.oid, needed.privilege)
       UNION ALL
      SELECT current_user::text, 'USAGE', ours.relname::text
        FROM ours
       -- Within CASE: the function fails on what is no sequence, and conditions have no order.
       WHERE CASE WHEN ours.relkind = 'S' THEN NOT has_sequence_privilege(ours.oid, 'USAGE') ELSE false END
       UNION ALL
      SELECT current_user::text, 'EXECUTE', proc.oid::regprocedure::text
        FROM pg_proc AS proc
       WHERE proc.pronamespace = to_regnamespace(quote_ident(current_schema()))
         AND proc.proname LIKE 'hm\\_%'
         AND NOT has_function_privilege(proc.oid, 'EXECUTE')
       ORDER BY 3, 2
    `
    if (missing.length === 0) {
      return [{ status: "ok" as const, message: "the role may do all that API and worker do" }]
    }
    const hint = "run `hypermarket migrate --grants api=<role>` as the owner of the tables"
    const further = missing.length - namedMax
    return [
      ...missing.slice(0, namedMax).map(({ name, privilege, role }) => ({
        status: "fail" as const,
        message: `the role ${role} lacks ${privilege} on ${name}`,
        hint
      })),
      ...(further > 0
        ? [{ status: "fail" as const, message: `it lacks ${further} further privileges`, hint }]
        : [])
    ]
  })
)
