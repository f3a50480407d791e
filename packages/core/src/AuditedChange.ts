/**
 * Runs a change and records it in the audit log, in one transaction. Apart from {@link module:Audit}, whose annotations a
 * browser imports.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Audit from "./Audit.ts"
import type * as Tenant from "./Tenant.ts"
import { transactionOf } from "./Transaction.ts"

const decodeJson = Schema.decodeSync(Schema.fromJsonString(Schema.Json))

/**
 * Returns a model as the log keeps it: its plain JSON, with integers of 64 bits as text.
 *
 * @category accessors
 * @since 0.1.0
 */
export const toJson = (value: object): Schema.Json =>
  decodeJson(
    JSON.stringify(value, (_, member: unknown) => (typeof member === "bigint" ? String(member) : member))
  )

/**
 * Runs a change and records it in one transaction: that of the caller, or a new one. Neither is there without the other.
 *
 * `before` reads the target before the change. It is not run while nothing records. `after` returns the target after it.
 *
 * @category combinators
 * @since 0.1.0
 */
export const change = <A, E, R, B extends object = never, E2 = never, R2 = never>(
  sql: SqlClient.SqlClient,
  self: Effect.Effect<A, E, R>,
  options: {
    readonly action: string
    readonly target: Audit.Entry["target"] | ((result: A) => Audit.Entry["target"])
    readonly before?: Effect.Effect<B, E2, R2>
    readonly after?: (result: A) => object | undefined
  }
): Effect.Effect<A, E | E2 | SqlError, R | R2 | Tenant.Tenant> =>
  Effect.flatMap(Audit.Audit, (audit): Effect.Effect<A, E | E2 | SqlError, R | R2 | Tenant.Tenant> => {
    if (audit === Audit.nothing) return self
    const { action, after, before, target } = options
    return transactionOf(sql)(
      Effect.gen(function* () {
        const previous = before === undefined ? undefined : toJson(yield* before)
        const result = yield* self
        const next = after?.(result)
        yield* audit.record({
          action,
          target: typeof target === "function" ? target(result) : target,
          ...(previous === undefined ? {} : { before: previous }),
          ...(next === undefined ? {} : { after: toJson(next) })
        })
        return result
      })
    )
  })
