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
import { hasProperty, isObject } from "effect/Predicate"
import * as Reactivity from "effect/reactivity/Reactivity"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import type { Connection } from "effect/sql/SqlConnection"
import * as Errors from "effect/sql/SqlError"
import * as Stream from "effect/Stream"
import * as Wakeup from "./Wakeup.ts"

/**
 * What a statement's values are sent as. Text is what every driver hands through unchanged; the others have a form of
 * their own in each.
 *
 * @category models
 * @since 0.1.0
 */
export type Value = string | boolean | Uint8Array | null

/**
 * Runs a statement with its values `$1`, `$2`, ... on the connection of the caller's transaction, and gives its rows as
 * objects. The array is the function's own.
 *
 * @category models
 * @since 0.1.0
 */
export type Query = (text: string, values: Array<Value>) => PromiseLike<ReadonlyArray<unknown>>

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
   * What services left to do after the commit. Call it once the transaction has committed, and never after a rollback;
   * from then on the client refuses statements. `outside` runs a statement on any other connection, and wakes the
   * workers; without it, or when `flush` is not called at all, they find the work by polling.
   */
  readonly flush: (outside?: Query) => Effect.Effect<void>
}

const arrayText = (values: ReadonlyArray<unknown>): string =>
  `{${values
    .map((value) => {
      if (Array.isArray(value)) return arrayText(value)
      const sent = toValue(value)
      if (sent === null) return "NULL"
      const text = sent instanceof Uint8Array ? `\\x${Buffer.from(sent).toString("hex")}` : String(sent)
      return `"${text.replaceAll(/["\\]/g, "\\$&")}"`
    })
    .join(",")}}`

const toValue = (value: unknown): Value => {
  if (value === null || value === undefined) return null
  if (typeof value === "string" || typeof value === "boolean" || value instanceof Uint8Array) return value
  if (typeof value === "number" || typeof value === "bigint") return String(value)
  if (value instanceof Date) return value.toISOString()
  if (Array.isArray(value)) return arrayText(value)
  throw new TypeError(`A value of type ${typeof value} cannot be sent: send text, and cast it in SQL`)
}

/**
 * `$1::jsonb` becomes `$1::text::jsonb`. A driver that asks the server for the types of values then sees text and leaves
 * the value alone: postgres.js would encode JSON once more, and cut a `timestamptz` to milliseconds. Booleans and bytes
 * are sent in a form of the driver's own.
 */
const throughText = (statement: string): string =>
  statement.replaceAll(/\$(\d+)::(?!(?:text|bytea|bool|boolean)\b(?!\[))/g, "$$$1::text::")

/** SQLSTATE has five characters. So have Prisma's own codes, P1000 and up; Postgres uses only P0. */
const isSqlState = (code: unknown): code is string =>
  typeof code === "string" && /^(?!P[1-9])[0-9A-Z]{5}$/.test(code)

/** What Node and postgres.js call a connection that is not there. */
const isConnectionCode = (code: unknown): boolean =>
  typeof code === "string" &&
  /^(?:ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|CONNECT)/.test(code)

/** More wrappers than that no layer of an application puts around an error. */
const causesMax = 8

interface Reported {
  readonly cause: unknown
  readonly code: string | undefined
  readonly constraint: string
  readonly message: string
}

/** The server's own error, which query builders wrap in theirs: the first with a SQLSTATE among the causes. */
const reportedBy = (error: unknown): Reported => {
  let current = error
  for (let depth = 0; depth < causesMax && isObject(current); depth++) {
    const code = hasProperty(current, "originalCode")
      ? current.originalCode
      : hasProperty(current, "code")
        ? current.code
        : undefined
    if (isSqlState(code) || isConnectionCode(code)) {
      return {
        cause: current,
        code: String(code),
        constraint: constraintOf(current),
        message: hasProperty(current, "message") ? String(current.message) : String(code)
      }
    }
    current = causeOf(current)
  }
  return {
    cause: error,
    code: undefined,
    constraint: "unknown",
    message: error instanceof Error ? error.message : String(error)
  }
}

const causeOf = (error: object): unknown => {
  if (hasProperty(error, "cause")) return error.cause
  // Prisma has it beside.
  return hasProperty(error, "meta") && hasProperty(error.meta, "driverAdapterError")
    ? error.meta.driverAdapterError
    : undefined
}

const constraintOf = (error: object): string => {
  for (const name of ["constraint", "constraint_name"]) {
    if (hasProperty(error, name) && typeof error[name] === "string") return error[name]
  }
  return "unknown"
}

/** As `@effect/sql-pg` does it. */
const reasonOf = ({ cause, code, constraint, message }: Reported): Errors.SqlErrorReason => {
  const props = { cause, message, operation: "query" }
  if (code === undefined) return new Errors.UnknownError(props)
  if (code.startsWith("08") || isConnectionCode(code)) return new Errors.ConnectionError(props)
  if (code.startsWith("28")) return new Errors.AuthenticationError(props)
  if (code === "42501") return new Errors.AuthorizationError(props)
  if (code.startsWith("42")) return new Errors.SqlSyntaxError(props)
  if (code === "23505") return new Errors.UniqueViolation({ ...props, constraint })
  if (code.startsWith("23")) return new Errors.ConstraintError(props)
  if (code === "40P01") return new Errors.DeadlockError(props)
  if (code === "40001") return new Errors.SerializationError(props)
  if (code === "55P03") return new Errors.LockTimeoutError(props)
  if (code === "57014") return new Errors.StatementTimeoutError(props)
  return new Errors.UnknownError(props)
}

const toSqlError = (error: unknown): Errors.SqlError =>
  Errors.isSqlError(error) ? error : new Errors.SqlError({ reason: reasonOf(reportedBy(error)) })

/** One statement at a time, and none left running: what follows one on this connection may be the caller's COMMIT. */
const runner = (query: Query) => {
  const turn = Semaphore.makeUnsafe(1)
  return (text: string, values: ReadonlyArray<unknown>) =>
    Effect.suspend(() => {
      const sent = values.map(toValue)
      return turn.withPermit(
        Effect.uninterruptible(
          Effect.tryPromise({
            try: () => query(throughText(text), sent),
            catch: toSqlError
          })
        )
      )
    })
}

const makeConnection = (query: Query, isEnded: () => boolean): Connection => {
  const execute = runner(query)
  const run = (text: string, values: ReadonlyArray<unknown>) =>
    Effect.suspend(() =>
      isEnded()
        ? Effect.die(new Error("The transaction that this client belongs to has ended"))
        : execute(text, values)
    )
  // Rows are objects: their columns have no order, and two of one name are one.
  const noValues = Effect.die(new Error("Rows as arrays are not to be had from another driver's rows"))
  return {
    execute: run,
    executeRaw: run,
    executeUnprepared: run,
    executeStream: (text, values) => Stream.unwrap(Effect.map(run(text, values), Stream.fromIterable)),
    executeValues: () => noValues,
    executeValuesUnprepared: () => noValues
  }
}

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
 * A statement that fails leaves the transaction aborted, as ever in Postgres: the caller rolls back. Values of a type
 * other than text, number, boolean, `Date`, bytes and arrays of these are refused with a defect.
 *
 * @category constructors
 * @since 0.1.0
 */
export const transactionFromQuery = (query: Query): QueryTransaction => {
  let ended = false
  const pending: Array<Effect.Effect<void>> = []
  const gathered = Wakeup.gather()
  const layer = Layer.effectContext(
    Effect.gen(function* () {
      const client = yield* makeClient(
        makeConnection(query, () => ended),
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
export const layerFromQuery = (query: Query): QueryTransaction["layer"] => transactionFromQuery(query).layer
