/**
 * A `SqlClient` inside a transaction that another driver has opened, so that a service call commits or rolls back with
 * the caller's own writes.
 *
 * All it asks of the driver is a function from a statement and its values to rows. What drivers do differently is
 * settled here, once: values go as text, casts of values go through text, rows are decoded by the schemas of
 * {@link module:Column}, errors become `SqlError` by their SQLSTATE.
 *
 * @since 0.1.0
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import { makeConnection, type Query, runner } from "./internal/queryConnection.ts"
import * as Wakeup from "./Wakeup.ts"

/**
 * @category models
 * @since 0.1.0
 */
export type { Query, Value } from "./internal/queryConnection.ts"

/**
 * Another driver's transaction, as services see it.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryTransaction {
  /** For the calls inside the transaction. Signals are gathered for `flush`. */
  readonly layer: Layer.Layer<SqlClient.SqlClient | Wakeup.Wakeup>
  /**
   * Runs what services registered for after the commit. Call it once the transaction has committed, never after a
   * rollback. From then on the client refuses statements. `outside` runs a statement on any other connection, and wakes the
   * workers; without it, or when `flush` is not called at all, they find the work by polling.
   */
  readonly flush: (outside?: Query) => Effect.Effect<void>
}

/**
 * Options of another driver's transaction.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryOptions {
  /**
   * The schema of the tables (`HM_DATABASE_SCHEMA`), for a connection whose search path does not begin with it. Each
   * statement then takes two short ones more, which set the search path and put back the caller's.
   */
  readonly schema?: string
}

/** As the setting HM_DATABASE_SCHEMA has it. */
const schemaPattern = /^[a-z_][a-z0-9_]{0,62}$/

/** Nested transactions are savepoints of the caller's. */
const savepoint = "hypermarket"

let clients = 0

/**
 * A client that is inside a transaction from the beginning: no service begins or commits one through it.
 */
const makeClient = Effect.fnUntraced(function* (
  connection: Connection,
  pending: Array<Effect.Effect<void>>
): Effect.fn.Return<SqlClient.SqlClient, never, Reactivity.Reactivity> {
  const client = yield* SqlClient.make({
    acquirer: Effect.succeed(connection),
    compiler: PgClient.makeCompiler(),
    driver: "query",
    spanAttributes: [["db.system.name", "postgresql"]],
    beginTransaction: `SAVEPOINT ${savepoint}`,
    commit: `RELEASE SAVEPOINT ${savepoint}`,
    rollback: `ROLLBACK TO SAVEPOINT ${savepoint}`,
    releaseSavepoint: (name) => `RELEASE SAVEPOINT ${name}`
  })
  const { afterCommit, transactionService, withTransaction } = client
  // Savepoints of one connection nest: the outermost take turns, the inner ones do so by themselves.
  const turn = Semaphore.makeUnsafe(1)
  const inSavepoint = <A, E, R>(self: Effect.Effect<A, E, R>) =>
    Effect.flatMap(Effect.serviceOption(transactionService), (outer) =>
      Option.isSome(outer) ? withTransaction(self) : turn.withPermit(withTransaction(self))
    )
  return Object.assign(client, {
    transactionService: Context.Reference<SqlClient.TransactionConnection.Service>(
      `@hypermarket/core/QueryClient/Transaction/${clients++}`,
      { defaultValue: () => [connection, 0] }
    ),
    withTransaction: <A, E, R>(self: Effect.Effect<A, E, R>) =>
      Effect.flatMap(Effect.service(SqlClient.BeginTransaction), (begin) =>
        begin === undefined
          ? inSavepoint(self)
          : Effect.die(new Error("The caller's transaction has begun: its isolation is the caller's choice"))
      ),
    // Held back first by a savepoint, which may be rolled back, and then for `flush`.
    afterCommit: <R>(effect: Effect.Effect<void, never, R>) =>
      afterCommit(
        Effect.map(Effect.context<R>(), (services) => {
          pending.push(Effect.provideContext(effect, services))
        })
      )
  })
})

const callbackFailed = { log: "Warn", message: "What was to follow the commit failed" } as const

/**
 * A transaction of another driver, with `flush` for what follows its commit.
 *
 * The transaction must be open, on one connection, before a service is called, and `query` must run on that connection.
 * A statement that fails leaves the transaction aborted, as usual in Postgres: the caller rolls back. Values of a type
 * other than text, number, boolean, `Date`, bytes and arrays of these are refused with a defect. Throws on a schema that
 * is not a name of a-z, 0-9 and _.
 *
 * @category constructors
 * @since 0.1.0
 */
export const transactionFromQuery = (query: Query, options: QueryOptions = {}): QueryTransaction => {
  const { schema } = options
  if (schema !== undefined && !schemaPattern.test(schema)) {
    throw new TypeError(`"${schema}" is not a schema name of a-z, 0-9 and _`)
  }
  let ended = false
  const pending: Array<Effect.Effect<void>> = []
  const gathered = Wakeup.gather(schema)
  const layer = Layer.effectContext(
    Effect.gen(function* () {
      const client = yield* makeClient(
        makeConnection(query, () => ended, schema),
        pending
      )
      const wakeup = yield* gathered.wakeup(client)
      return Context.make(SqlClient.SqlClient, client).pipe(Context.add(Wakeup.Wakeup, wakeup))
    })
  ).pipe(Layer.provide(Reactivity.layer))

  const flush = Effect.fn("QueryTransaction.flush")(function* (outside?: Query) {
    ended = true
    yield* Effect.forEach(pending.splice(0), (effect) => Effect.ignoreCause(effect, callbackFailed), {
      discard: true
    })
    const statement = gathered.take()
    if (outside === undefined || statement === undefined) return
    yield* Effect.ignore(runner(outside)(statement.text, [statement.signals]), callbackFailed)
  })
  return { layer, flush }
}

/**
 * The client of another driver's transaction, for services called inside it; {@link transactionFromQuery} also wakes the
 * workers after the commit.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFromQuery = (query: Query, options: QueryOptions = {}): QueryTransaction["layer"] =>
  transactionFromQuery(query, options).layer
