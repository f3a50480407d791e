/**
 * Checks that `doctor` runs against an installation.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/**
 * `warn` needs a look this week, `fail` needs one now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly status: "ok" | "warn" | "fail"
  readonly message: string
  /** The remedy, in the imperative. */
  readonly hint?: string
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Check {
  readonly name: string
  readonly run: Effect.Effect<ReadonlyArray<Finding>, SqlError, SqlClient.SqlClient>
}

/**
 * @category constructors
 * @since 0.1.0
 */
export const make = (name: string, run: Check["run"]): Check => ({ name, run })
