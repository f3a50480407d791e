/**
 * Where the rows of a version stand.
 *
 * A version of a large index has its own partitions, so that retiring it is a DROP. They are built as plain tables
 * with their CHECK and attached, and detached CONCURRENTLY before they are dropped: CREATE TABLE ... PARTITION OF and a
 * DROP of an attached partition wait for every reader of the parent, and hold up the readers behind them. Small versions
 * share one partition, because a table takes three files, a row in every plan and a lock: their rows are deleted.
 *
 * These statements go over the connection for DDL, as the owner of the tables. Rows are written over the caller's.
 */
import * as Ddl from "@hypermarket/core/Ddl"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"

/** Ids from here on have partitions of their own; the migration says the same. */
const ownFrom = 2n ** 40n

const parents = ["hm_search_posting", "hm_search_document", "hm_search_column"] as const

export type Parent = (typeof parents)[number]

/** {@link ownFrom} as a parameter. */
const ownFromText = String(ownFrom)

export const isOwn = (versionId: string): boolean => BigInt(versionId) >= ownFrom

/** The id of a new version, by its number in the sequence. */
export const idOf = (number: string, own: boolean): string =>
  String(own ? ownFrom + BigInt(number) : BigInt(number))

/**
 * Returns the expression of a new version's id, from columns of the statement: above the boundary when the index has
 * enough documents for its own partitions.
 */
export const nextId = (
  sql: SqlClient.SqlClient,
  partitionDocuments: number,
  column: { readonly tenant: string; readonly index: string }
): Fragment => sql`
  (SELECT nextval('hm_search_index_version_seq')
          + CASE WHEN count(*) >= ${partitionDocuments}::int THEN ${ownFromText}::text::bigint ELSE 0 END
     FROM (
          SELECT 1
            FROM hm_search_change c
           WHERE c.tenant_id = ${sql.literal(column.tenant)} AND c.index_name = ${sql.literal(column.index)}
             AND c.fields IS NOT NULL
           LIMIT ${partitionDocuments}::int
          ) counted)
`

/** The table that a build writes to. */
export const tableOf = (parent: Parent, versionId: string): string =>
  isOwn(versionId) ? `${parent}_${BigInt(versionId) - ownFrom}` : `${parent}_shared`

const clausesOf: Readonly<Record<Parent, ReadonlyArray<string>>> = {
  hm_search_posting: ["SET (toast_tuple_target = 8160)", "ALTER data SET STORAGE EXTERNAL"],
  hm_search_document: [],
  hm_search_column: ["ALTER data SET STORAGE EXTERNAL"]
}

const createTables = Effect.fnUntraced(function* (
  versionId: string
): Effect.fn.Return<void, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  for (const parent of parents) {
    const table = tableOf(parent, versionId)
    const [found] = yield* sql<{
      readonly exists: boolean
    }>`SELECT to_regclass(${table}) IS NOT NULL AS exists`
    if (found?.exists === true) continue
    yield* sql`CREATE TABLE ${sql(table)} (LIKE ${sql(parent)} INCLUDING ALL)`
    for (const clause of clausesOf[parent]) yield* sql`ALTER TABLE ${sql(table)} ${sql.literal(clause)}`
    // With this the attachment reads no row. DDL takes no parameters: the id is digits, as isOwn has parsed it.
    const next = String(BigInt(versionId) + 1n)
    yield* sql`
      ALTER TABLE ${sql(table)}
        ADD CONSTRAINT version_of_partition CHECK (version >= ${sql.literal(versionId)} AND version < ${sql.literal(next)})
    `
  }
})

/** Makes the tables of a version that has its own, not yet attached. Nothing when they are there. */
export const create = (versionId: string): Effect.Effect<void, SqlError, SqlClient.SqlClient> =>
  isOwn(versionId) ? Ddl.run(createTables(versionId)) : Effect.void

const isAttached = (table: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ readonly pending: boolean }>`
        SELECT inhdetachpending AS pending
          FROM pg_inherits
         WHERE inhrelid = to_regclass(${table})
      `,
      ([row]) => (row === undefined ? ("no" as const) : row.pending ? ("pending" as const) : ("yes" as const))
    )
  )

const attachTables = Effect.fnUntraced(function* (
  versionId: string
): Effect.fn.Return<void, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  const next = String(BigInt(versionId) + 1n)
  for (const parent of parents) {
    const table = tableOf(parent, versionId)
    yield* sql`ANALYZE ${sql(table)}`
    if ((yield* isAttached(table)) !== "no") continue
    yield* sql`
      ALTER TABLE ${sql(parent)} ATTACH PARTITION ${sql(table)}
        FOR VALUES FROM (${sql.literal(versionId)}) TO (${sql.literal(next)})
    `
  }
})

/** Shows the tables of a version under their parents. */
export const attach = (versionId: string): Effect.Effect<void, SqlError, SqlClient.SqlClient> =>
  isOwn(versionId) ? Ddl.run(attachTables(versionId)) : Effect.void

/** A delete of this many rows holds its locks for a fraction of a second. */
const deleteMax = 10_000

const removeRows = Effect.fnUntraced(function* (
  tenantId: string,
  versionId: string
): Effect.fn.Return<void, SqlError, SqlClient.SqlClient> {
  const sql = yield* SqlClient.SqlClient
  for (const parent of parents) {
    const table = tableOf(parent, versionId)
    if (!isOwn(versionId)) {
      const deleted = sql<{ readonly count: number }>`
        WITH deleted AS (
          DELETE FROM ${sql(table)}
           WHERE tenant_id = ${tenantId} AND version = ${versionId}::text::bigint
             AND ctid = ANY (ARRAY (SELECT ctid
                                      FROM ${sql(table)}
                                     WHERE tenant_id = ${tenantId} AND version = ${versionId}::text::bigint
                                     LIMIT ${deleteMax}))
          RETURNING 1)
        SELECT count(*)::int AS count
          FROM deleted
      `
      yield* deleted.pipe(Effect.repeat({ until: ([row]) => (row?.count ?? 0) < deleteMax }))
      continue
    }
    const state = yield* isAttached(table)
    if (state === "yes") yield* sql`ALTER TABLE ${sql(parent)} DETACH PARTITION ${sql(table)} CONCURRENTLY`
    // A detachment that was cut short: it only waits for readers that began before it.
    if (state === "pending") yield* sql`ALTER TABLE ${sql(parent)} DETACH PARTITION ${sql(table)} FINALIZE`
    yield* sql`DROP TABLE IF EXISTS ${sql(table)}`
  }
})

/** Removes all rows of a version. May be repeated after a failure. Outside a transaction. */
export const remove = (tenantId: string, versionId: string) => {
  const removal = removeRows(tenantId, versionId)
  return isOwn(versionId) ? Ddl.run(removal) : removal
}

/** True for a statement that an old reader held up: the same will work when the reader is gone. */
export const isHeldUp = (error: unknown): boolean =>
  isSqlError(error) &&
  (error.reason._tag === "LockTimeoutError" || error.reason._tag === "StatementTimeoutError")
