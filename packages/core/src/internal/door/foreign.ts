/**
 * The transaction of another driver in which a fiber runs, and the client that joins it. Services are built once over
 * that client; nothing is built per transaction.
 */
import type { PgClient } from "@effect/sql-pg"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import type { SqlError } from "effect/sql/SqlError"

/** A transaction of another driver. */
export interface Foreign {
  readonly connection: Connection
  /** The work that follows the caller's COMMIT. */
  readonly pending: Array<Effect.Effect<void>>
}

/** The transaction of another driver that the effect at hand runs in; undefined outside of one. */
const Current = Context.Reference<Foreign | undefined>("@hypermarket/core/internal/Foreign", {
  defaultValue: () => undefined
})

const control = (connection: Connection, statement: string) =>
  Effect.asVoid(connection.executeUnprepared(statement, [], undefined))

/** Makes a client join the transaction of another driver when the fiber is in one. */
export const joinable = (
  client: PgClient.PgClient
): {
  readonly client: PgClient.PgClient
  /** Runs an effect in another driver's transaction, which its caller commits or rolls back. */
  readonly join: (
    foreign: Foreign
  ) => <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
} => {
  const { afterCommit, withTransaction } = client
  // The caller has begun: the outermost level sends nothing, and those inside are savepoints.
  const inForeign = SqlClient.makeWithTransaction<
    SqlClient.TransactionConnection,
    SqlClient.TransactionConnection.Service[0]
  >({
    transactionService: client.transactionService,
    spanAttributes: [["db.system.name", "postgresql"]],
    acquireConnection: () =>
      Effect.flatMap(Effect.service(Current), (foreign) =>
        foreign === undefined
          ? Effect.die(new Error("No transaction of another driver is open"))
          : Effect.succeed(foreign.connection)
      ),
    begin: () => Effect.void,
    commit: () => Effect.void,
    rollback: () => Effect.void,
    savepoint: (connection, id) => control(connection, `SAVEPOINT hm_${id}`),
    releaseSavepoint: (connection, id) => control(connection, `RELEASE SAVEPOINT hm_${id}`),
    rollbackSavepoint: (connection, id) => control(connection, `ROLLBACK TO SAVEPOINT hm_${id}`)
  })
  const joining = Object.assign(client, {
    withTransaction: <A, E, R>(self: Effect.Effect<A, E, R>) =>
      Effect.flatMap(Effect.service(Current), (foreign) =>
        foreign === undefined ? withTransaction(self) : inForeign(self)
      ),
    // Held back first by savepoints, which may be rolled back, and then for `flush`.
    afterCommit: <R>(effect: Effect.Effect<void, never, R>) =>
      Effect.flatMap(Effect.service(Current), (foreign) =>
        foreign === undefined
          ? afterCommit(effect)
          : afterCommit(
              Effect.map(Effect.context<R>(), (services) => {
                foreign.pending.push(
                  Effect.provideService(Effect.provideContext(effect, services), Current, undefined)
                )
              })
            )
      )
  })
  return {
    client: joining,
    join: (foreign) => (self) => Effect.provideService(inForeign(self), Current, foreign)
  }
}
