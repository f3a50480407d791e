/** State of one key in `hm_rate_store`: locked, changed and written by the database's clock, outside the caller's transaction. */
import type { TenantId } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { clockOf } from "./bucketStatements.ts"
import { Json } from "./column.ts"

/** The state after a request, and its answer. */
export interface Step<State, Answer> {
  readonly state: State | undefined
  /** Until then the state is kept. */
  readonly expiresMillis: number
  readonly answer: Answer
}

/** The year 9999. A state that ends later, or never, is kept until then. */
export const expiresMillisMax = 253_402_300_799_000

/** A btree entry holds 2,704 bytes; tenant, kind and headers take some 100 of them. A longer key is refused before a statement. */
export const keyBytesMax = 2_000

/** Requests of a key take turns. */
export const make =
  (sql: SqlClient.SqlClient, tenantId: TenantId, offsetMicros: () => number) =>
  <State, Options extends { readonly key: string }, Answer>(
    kind: "adaptive" | "bucket" | "flexible" | "window",
    schema: Schema.Codec<State, unknown>,
    step: (before: State | undefined, options: Options, now: number) => Step<State, Answer>
  ) => {
    const decode = Schema.decodeUnknownEffect(Json(schema))
    const run = Effect.fnUntraced(function* (options: Options) {
      const [row] = yield* sql<{ readonly state: unknown; readonly micros: string }>`
        INSERT INTO hm_rate_store AS s (tenant_id, kind, key, state, expires_at)
        VALUES (${tenantId}, ${kind}, ${options.key}, NULL, clock_timestamp())
            ON CONFLICT (tenant_id, kind, key)
            DO UPDATE SET expires_at = s.expires_at
        RETURNING s.state, (${clockOf(sql, offsetMicros())})::text AS micros
      `
      const stored = row?.state ?? undefined
      const before = stored === undefined ? undefined : yield* Effect.orDie(decode(stored))
      const { answer, expiresMillis, state } = step(before, options, Number(row?.micros) / 1_000)
      yield* sql`
        UPDATE hm_rate_store
           SET state = ${state === undefined ? null : JSON.stringify(state)}::text::json,
               expires_at = to_timestamp(${String(Math.min(expiresMillis, expiresMillisMax) / 1_000)}::text::float8)
         WHERE tenant_id = ${tenantId} AND kind = ${kind} AND key = ${options.key}
      `
      return answer
    })
    return (options: Options): Effect.Effect<Answer, SqlError> =>
      Effect.updateContext(sql.withTransaction(run(options)), (context: Context.Context<never>) =>
        Context.omit(sql.transactionService)(context)
      )
  }
