/**
 * The driver's client over pools whose callers wait when the server refuses further connections, and whose sessions end when
 * they cannot write any more. The driver's own constructor takes no pool.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as PgConnection from "@effect/sql-pg/PgConnection"
import * as PgPool from "@effect/sql-pg/PgPool"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import { identity } from "effect/Function"
import { hasProperty } from "effect/Predicate"
import type * as Reactivity from "effect/reactivity/Reactivity"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { Acquirer, Connection } from "effect/sql/SqlConnection"
import { SqlError, UnknownError } from "effect/sql/SqlError"
import * as Statement from "effect/sql/Statement"
import { measured } from "./poolMetrics.ts"
import * as ReadOnlySessions from "./readOnlySessions.ts"
import * as SparseConnections from "./sparseConnections.ts"

/** The options of a pool, without those that rename columns. */
export type PoolConfig = Omit<
  PgClient.PgPoolConfig,
  "transformResultNames" | "transformQueryNames" | "transformJson"
>

/** Looks at the failure of a statement. */
type Watched = <A>(statement: Effect.Effect<A, SqlError>) => Effect.Effect<A, SqlError>

/** A connection as statements see it. No option renames columns, so no row is transformed. */
class PooledConnection implements Connection {
  readonly #connection: PgConnection.PgConnection
  readonly #watched: Watched

  constructor(connection: PgConnection.PgConnection, watched: Watched) {
    this.#connection = connection
    this.#watched = watched
  }

  execute(text: string, values: ReadonlyArray<unknown>) {
    return this.#watched(Effect.map(this.#connection.query(text, values), ({ rows }) => rows))
  }

  executeUnprepared(text: string, values: ReadonlyArray<unknown>) {
    return this.#watched(Effect.map(this.#connection.query(text, values, false), ({ rows }) => rows))
  }

  executeRaw(text: string, values: ReadonlyArray<unknown>) {
    return this.#watched(this.#connection.query(text, values))
  }

  executeValues(text: string, values: ReadonlyArray<unknown>) {
    return this.#watched(this.#connection.queryValues(text, values))
  }

  executeValuesUnprepared(text: string, values: ReadonlyArray<unknown>) {
    return this.#watched(this.#connection.queryValues(text, values, false))
  }

  executeStream(text: string, values: ReadonlyArray<unknown>) {
    return this.#connection.stream(text, values)
  }
}

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

const jsonOf = Statement.custom<PgClient.PgCustom>("PgJson")

const clientOf = Effect.fnUntraced(function* (
  config: PoolConfig,
  connectionsMax: number,
  statements: SparseConnections.Lender,
  transactions: SparseConnections.Lender,
  acquired: (acquirer: Acquirer) => Acquirer = identity
): Effect.fn.Return<PgClient.PgClient, never, Scope.Scope | Reactivity.Reactivity> {
  // Outside the transaction of the statement that was refused.
  const fork = yield* FiberSet.makeRuntime()
  let endReadOnly: Effect.Effect<void> = Effect.void
  const watched: Watched = Effect.tapError((error) =>
    ReadOnlySessions.isRefusal(error) ? Effect.sync(() => fork(endReadOnly)) : Effect.void
  )
  const connectionOf = (connection: PgConnection.PgConnection): Connection =>
    new PooledConnection(connection, watched)
  const client = yield* SqlClient.make({
    acquirer: Effect.map(statements.get, connectionOf),
    borrower: (f) => statements.use((connection) => f(connectionOf(connection))),
    transactionAcquirer: acquired(Effect.map(transactions.reserve, connectionOf)),
    compiler: PgClient.makeCompiler(),
    driver: "pg",
    spanAttributes: [["db.system.name", "postgresql"]],
    // Postgres prepares transaction control like any other statement.
    prepareTransactionControls: true,
    commit,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`
  })
  endReadOnly = yield* ReadOnlySessions.make(client, connectionsMax)
  return Object.assign(client, {
    [PgClient.TypeId]: PgClient.TypeId,
    config,
    json: (value: unknown) => Statement.fragment([jsonOf(value)]),
    listen: (channel: string) =>
      Effect.flatMap(transactions.reserve, (connection) => connection.listen(channel)),
    notify: (channel: string, payload: string) =>
      Effect.asVoid(
        statements.use((connection) => connection.query("SELECT pg_notify($1, $2)", [channel, payload]))
      )
  })
})

const driverConnectionsMax = 10
const connectionsMaxOf = ({ maxConnections }: PoolConfig): number => maxConnections ?? driverConnectionsMax

const poolOf = (config: PoolConfig) => Effect.flatMap(PgPool.make(config), SparseConnections.make)

/** Makes a client over one pool. */
export const make = (
  config: PoolConfig
): Effect.Effect<PgClient.PgClient, SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.flatMap(poolOf(config), (pool) => clientOf(config, connectionsMaxOf(config), pool, pool))

/**
 * Makes a client whose single statements share the connections of one pool, and whose transactions use another. In one pool
 * a transaction that takes a connection on which statements are outstanding lets later ones queue behind it, for as long as it
 * lasts. While the server gives one of the pools no connection, its callers use those of the other.
 */
export const makeSplit = (
  sharedConfig: PoolConfig,
  exclusiveConfig: PoolConfig
): Effect.Effect<PgClient.PgClient, SqlError, Scope.Scope | Reactivity.Reactivity> =>
  Effect.gen(function* () {
    const shared = yield* poolOf(sharedConfig)
    const exclusive = yield* poolOf(exclusiveConfig)
    const transactions = exclusive.or(shared)
    return yield* clientOf(
      sharedConfig,
      connectionsMaxOf(sharedConfig) + connectionsMaxOf(exclusiveConfig),
      shared.or(exclusive),
      transactions,
      measured
    )
  })
