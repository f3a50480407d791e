/**
 * Records in the audit log that a person has read data of customers. Apart from {@link module:Withheld}, which a browser
 * imports.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Audit from "./Audit.ts"
import { Caller } from "./Credentials.ts"
import type { Tenant } from "./Tenant.ts"
import { transactionOf } from "./Transaction.ts"

/**
 * Records a reading through a session of the console. A key that reads by itself records nothing: its requests are in the
 * access log.
 *
 * @category combinators
 * @since 0.1.0
 */
export const record = (
  sql: SqlClient.SqlClient,
  entry: Pick<Audit.Entry, "action" | "target">
): Effect.Effect<void, SqlError, Caller | Tenant> =>
  Effect.flatMap(Caller, ({ session }) =>
    session === undefined ? Effect.void : transactionOf(sql)(Audit.record(entry))
  )
