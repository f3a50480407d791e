/** Statements and operations of a process. */
import type { Wakeup } from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import { prefix } from "../prefix.ts"
import * as Operations from "./operations.ts"
import * as Statements from "./statements.ts"

export interface Core {
  readonly sql: SqlClient.SqlClient
  readonly statements: Statements.Statements
  readonly operations: Operations.Operations
}

export const make: Effect.Effect<Core, never, SqlClient.SqlClient | Wakeup> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const statements = Statements.make(sql)
  const operations = Operations.make(sql, statements, yield* WorkQueue.make({ prefix }))
  return { sql, statements, operations }
})
