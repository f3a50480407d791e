/**
 * A connection over a function that runs a statement: values go as text, errors become `SqlError` by their SQLSTATE.
 */
import * as Effect from "effect/Effect"
import { hasProperty, isObject } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { Connection } from "effect/sql/SqlConnection"
import * as Errors from "effect/sql/SqlError"
import * as Stream from "effect/Stream"

/**
 * A value of a statement, in a form that every driver hands through unchanged: text. The others have a form of
 * their own in each driver.
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

/** Recognises the codes by which Node and postgres.js name a connection that is not there. */
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

/** The path before is read first: a materialised row is there before the list of the outer statement is computed. */
const switchPath = `
  WITH before AS MATERIALIZED (SELECT current_setting('search_path') AS path)
  SELECT path, set_config('search_path', $1::text, true) AS set
    FROM before
`

const restorePath = `SELECT set_config('search_path', $1::text, true) AS set`

const PathRow = Schema.Struct({ path: Schema.String })
const decodePath = Schema.decodeUnknownEffect(PathRow)

/**
 * Runs a statement with the search path of the tables, and puts back the caller's, on which its own unqualified names
 * rely. After a failure there is nothing to put back: the end of the transaction or savepoint does it.
 */
const inSchema = (
  schema: string,
  send: (text: string, values: Array<Value>) => Effect.Effect<ReadonlyArray<unknown>, Errors.SqlError>
) =>
  Effect.fnUntraced(function* (text: string, values: Array<Value>) {
    const [row] = yield* send(switchPath, [schema])
    const { path } = yield* Effect.orDie(decodePath(row))
    const rows = yield* send(text, values)
    yield* send(restorePath, [path])
    return rows
  })

/** Returns how a statement is run: one at a time; none is left running, because what follows one on this connection may be the caller's COMMIT. */
export const runner = (query: Query, schema?: string) => {
  const turn = Semaphore.makeUnsafe(1)
  const send = (text: string, values: Array<Value>) =>
    Effect.tryPromise({
      try: () => query(throughText(text), values),
      catch: toSqlError
    })
  const sendThere = schema === undefined ? send : inSchema(schema, send)
  return (text: string, values: ReadonlyArray<unknown>) =>
    Effect.suspend(() => {
      const sent = values.map(toValue)
      // A savepoint that is rolled back restores the path that it began with: the caller's, as after every statement.
      const isControl = /^(?:SAVEPOINT|RELEASE|ROLLBACK)\b/.test(text)
      return turn.withPermit(Effect.uninterruptible((isControl ? send : sendThere)(text, sent)))
    })
}

/** Makes a connection of the caller's transaction, for a client. */
export const makeConnection = (
  query: Query,
  isEnded: () => boolean,
  schema: string | undefined
): Connection => {
  const execute = runner(query, schema)
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
