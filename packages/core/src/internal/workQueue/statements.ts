/**
 * The statements that move jobs. Every one of them is tested for rows in = rows out.
 */
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

export { sourceColumns } from "./statements/enqueue.ts"
export { deadKeepDays } from "./statements/housekeeping.ts"
export type { LaneRow } from "./statements/lane.ts"
export type { DeadFilter } from "./statements/operations.ts"
