/**
 * The errors of the Promise door itself. A domain's errors pass through it as they are.
 *
 * An error with `outcome: "unknown"` does not tell whether the call was done: it was aborted, ran out of time or lost its
 * connection. Every other error means that nothing was written.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { type InputError, lineOf } from "./InputErrors.ts"

/**
 * An argument is not valid, and nothing was sent to the database. Each path begins with the index of the argument, or with
 * the name of the option.
 *
 * @category errors
 * @since 0.1.0
 */
export class InvalidArgument extends Schema.TaggedError<InvalidArgument>()("InvalidArgument", {
  method: Schema.String,
  errors: Schema.Array(
    Schema.Struct({
      path: Schema.Array(Schema.Union([Schema.String, Schema.Number])),
      message: Schema.String
    })
  )
}) {
  override get message(): string {
    return `${this.method}: ${lineOf(this.errors)}`
  }
}

/**
 * Makes the error of one argument.
 *
 * @category constructors
 * @since 0.1.0
 */
export const invalidArgument = (method: string, ...errors: ReadonlyArray<InputError>): InvalidArgument =>
  new InvalidArgument({ method, errors })

/**
 * The query function does not run inside a transaction: it belongs to a pool. Pass the one of the connection that began
 * the transaction.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotInTransaction extends Schema.TaggedError<NotInTransaction>()("NotInTransaction", {
  cause: Schema.Defect()
}) {
  override get message(): string {
    return "The query function does not run inside a transaction: pass that of the connection that began it, and not the pool"
  }
}

/**
 * A call was made after its transaction had ended, or was still running when the function of the transaction returned. In
 * both cases the transaction is rolled back. Await every call.
 *
 * @category errors
 * @since 0.1.0
 */
export class TransactionEnded extends Schema.TaggedError<TransactionEnded>()("TransactionEnded", {
  method: Schema.String
}) {
  override get message(): string {
    return `${this.method} was not awaited: its transaction has ended`
  }
}

/**
 * The call took longer than its `timeout`. Its statement was cancelled.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>()("DeadlineExceeded", {
  method: Schema.String,
  millis: Schema.Number,
  outcome: Schema.Literal("unknown")
}) {
  override get message(): string {
    return `${this.method} took longer than ${this.millis} ms`
  }
}

/**
 * The connection was closed by `close`: before the call, whose outcome is then `none`, or while it was running.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectionClosed extends Schema.TaggedError<ConnectionClosed>()("ConnectionClosed", {
  method: Schema.String,
  outcome: Schema.Literals(["none", "unknown"])
}) {
  override get message(): string {
    return `${this.method} was called on a connection that is closed`
  }
}

/**
 * No connection could be made, or the schema does not fit this release. Nothing is left running.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectFailed extends Schema.TaggedError<ConnectFailed>()("ConnectFailed", {
  host: Schema.String,
  database: Schema.String,
  reason: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `Cannot connect to the database ${this.database} on ${this.host}: ${this.reason}`
  }
}
