/** Sums that are beyond a bigint. */
import * as Storage from "@hypermarket/core/Storage"
import type { SqlError } from "effect/sql/SqlError"

/** `numeric_value_out_of_range`. */
const outOfRange = "22003"

/** True when Postgres refused a sum that does not fit into a bigint. */
export const isOverflow = (error: SqlError): boolean => Storage.failureOf(error).state === outOfRange
