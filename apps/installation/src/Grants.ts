/**
 * The privileges of an installation's roles, as SQL. The owner migrates and makes partitions. The application (API and
 * worker) reads and writes rows. The reader is for dashboards, and sees neither keys nor secrets nor payloads.
 *
 * The statements are made from the catalogue, so that each names what exists.
 */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** Roles by their part; one that is left out gets nothing. */
export interface Roles {
  readonly api?: string
  readonly read?: string
}

/** Tables of which a reader sees nothing. */
const hiddenTables = [
  "hm_api_key",
  "hm_console_code",
  "hm_console_session",
  "hm_idempotency_key",
  "hm_notification_caught",
  "hm_notification_profile",
  "hm_secret_key"
]

/** Columns that a reader does not see, in any table: what shops and customers have sent. */
const hiddenColumns = [
  "answer",
  "errors",
  "headers",
  "jobs",
  "last_error",
  "payload",
  "payloads",
  "secret_hash",
  "user_key"
]

interface Statement {
  readonly text: string
}

const statementsFor = Effect.fnUntraced(function* (
  schema: string,
  role: string,
  part: keyof Roles
): Effect.fn.Return<ReadonlyArray<string>, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  // format() quotes, in the server: GRANT takes no parameters.
  const head = yield* sql<Statement>`
    SELECT format('GRANT USAGE ON SCHEMA %I TO %I', ${schema}::text, ${role}::text) AS text
  `
  const body =
    part === "api"
      ? yield* sql<Statement>`
          SELECT format('GRANT %s ON %s %I.%I TO %I',
                        CASE WHEN c.relkind = 'S' THEN 'USAGE, SELECT'
                             WHEN c.relname LIKE '%\\_migrations' THEN 'SELECT'
                             ELSE 'SELECT, INSERT, UPDATE, DELETE'
                        END,
                        CASE WHEN c.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
                        ${schema}::text, c.relname, ${role}::text) AS text
            FROM pg_class AS c
           WHERE c.relnamespace = to_regnamespace(quote_ident(${schema}))
             AND c.relkind IN ('r', 'p', 'S')
             AND c.relname LIKE 'hm\\_%'
           UNION ALL
          SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I GRANT %s TO %I',
                        current_user, ${schema}::text, later.privileges, ${role}::text)
            FROM (VALUES ('SELECT, INSERT, UPDATE, DELETE ON TABLES'), ('USAGE, SELECT ON SEQUENCES'))
              AS later (privileges)
           ORDER BY 1 DESC
        `
      : yield* sql<Statement>`
          SELECT format('REVOKE ALL ON TABLE %I.%I FROM %I', ${schema}::text, c.relname, ${role}::text) AS text,
                 0 AS place
            FROM pg_class AS c
           WHERE c.relnamespace = to_regnamespace(quote_ident(${schema}))
             AND c.relkind IN ('r', 'p')
             AND c.relname LIKE 'hm\\_%'
           UNION ALL
          SELECT format('GRANT SELECT (%s) ON TABLE %I.%I TO %I',
                        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
                           FROM pg_attribute AS a
                          WHERE a.attrelid = c.oid
                            AND a.attnum > 0
                            AND NOT a.attisdropped
                            AND NOT a.attname = ANY (${hiddenColumns}::text[])),
                        ${schema}::text, c.relname, ${role}::text), 1
            FROM pg_class AS c
           WHERE c.relnamespace = to_regnamespace(quote_ident(${schema}))
             AND c.relkind IN ('r', 'p')
             AND NOT c.relispartition
             AND c.relname LIKE 'hm\\_%'
             AND NOT c.relname = ANY (${hiddenTables}::text[])
           ORDER BY 2, 1
        `
  return [...head, ...body].map(({ text }) => text)
})

/**
 * Returns the statements that give each role what its part needs. The reader's privileges are taken away first, so that
 * it keeps none that it had; tables of later releases are given to it by running this again.
 */
export const statements = Effect.fn("Grants.statements")(function* (
  schema: string,
  roles: Roles
): Effect.fn.Return<ReadonlyArray<string>, SqlError, SqlClient.SqlClient> {
  const api = roles.api === undefined ? [] : yield* statementsFor(schema, roles.api, "api")
  const read = roles.read === undefined ? [] : yield* statementsFor(schema, roles.read, "read")
  return [...api, ...read]
})

/** Grants each role what its part needs, in one transaction. */
export const apply = Effect.fn("Grants.apply")(function* (
  schema: string,
  roles: Roles
): Effect.fn.Return<number, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const all = yield* statements(schema, roles)
  yield* sql.withTransaction(Effect.forEach(all, (text) => sql.unsafe(text), { discard: true }))
  return all.length
})
