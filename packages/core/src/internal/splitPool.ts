/**
 * A client whose single statements share connections and whose transactions use a separate pool. In
 * one pool a transaction that takes a connection on which statements are outstanding lets later ones queue behind it, for
 * as long as it lasts.
 */
import type { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import { hasProperty } from "effect/Predicate"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import { measured } from "./poolMetrics.ts"
import * as SparseConnections from "./sparseConnections.ts"

const control = (connection: Connection, statement: string) =>
  Effect.asVoid(connection.execute(statement, [], undefined))

/** Postgres ends an aborted transaction with a ROLLBACK when it is asked to commit, and calls that a success. */
const commit = (connection: Connection): Effect.Effect<void, SqlError> =>
  Effect.flatMap(connection.executeRaw("COMMIT", []), (result) =>
    hasProperty(result, "command") && result.command === "ROLLBACK"
      ? Effect.fail(
          new SqlError({
            reason: new UnknownError({
              cause: new Error("COMMIT rolled back an aborted transaction"),
              message: "COMMIT rolled back an aborted transaction",
              operation: "commit"
            })
          })
        )
      : Effect.void
  )

/** Makes the shared client's transactions run on connections of the exclusive one. */
export const make = (
  shared: PgClient.PgClient,
  exclusive: PgClient.PgClient,
  exclusiveMax: number
): PgClient.PgClient => {
  const reserve = SparseConnections.make(exclusive.reserve, exclusiveMax)
  return Object.assign(shared, {
    reserve: measured(reserve),
    withTransaction: SqlClient.makeWithTransaction({
      transactionService: shared.transactionService,
      spanAttributes: [["db.system.name", "postgresql"]],
      acquireConnection: (restore) => restore(measured(reserve)),
      begin: (connection, statement) => control(connection, statement ?? "BEGIN"),
      savepoint: (connection, id) => control(connection, `SAVEPOINT hm_${id}`),
      releaseSavepoint: (connection, id) => control(connection, `RELEASE SAVEPOINT hm_${id}`),
      commit,
      rollback: (connection) => control(connection, "ROLLBACK"),
      rollbackSavepoint: (connection, id) => control(connection, `ROLLBACK TO SAVEPOINT hm_${id}`)
    })
  })
}
