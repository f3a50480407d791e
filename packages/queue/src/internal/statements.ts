/** The statements that move jobs. Each of them is tested to lose no job and to make none. */
import type * as SqlClient from "effect/sql/SqlClient"
import * as ClaimStatements from "./statements/claim.ts"
import * as EnqueueStatements from "./statements/enqueue.ts"
import * as HousekeepingStatements from "./statements/housekeeping.ts"
import * as LimitStatements from "./statements/limits.ts"
import * as OperationStatements from "./statements/operations.ts"
import type { Tables } from "./tables.ts"

export interface Statements
  extends
    EnqueueStatements.EnqueueStatements,
    ClaimStatements.ClaimStatements,
    HousekeepingStatements.HousekeepingStatements,
    LimitStatements.LimitStatements,
    OperationStatements.OperationStatements {}

export const make = (sql: SqlClient.SqlClient, tables: Tables): Statements => ({
  ...EnqueueStatements.make(sql, tables),
  ...ClaimStatements.make(sql, tables),
  ...HousekeepingStatements.make(sql, tables),
  ...LimitStatements.make(sql, tables),
  ...OperationStatements.make(sql, tables)
})
