/**
 * Effect's `RateLimiter` over Postgres: windows, token buckets and adaptive limits that all processes share.
 *
 * ```ts
 * RateLimiter.layer.pipe(Layer.provide(RateLimiterStore.layer), Layer.provide(Layer.succeed(Tenant, { id })))
 * ```
 *
 * @since 0.1.0
 */
import { Tenant } from "@hypermarket/core/Tenant"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { clockOf } from "./internal/bucketStatements.ts"
import { Json } from "./internal/column.ts"
import { refusalOf } from "./internal/limiterOptions.ts"
import * as LimiterState from "./internal/limiterState.ts"
import { RateClock } from "./RateClock.ts"
import { RateLimitClient } from "./RateLimitClient.ts"

/** The year 9999. Tokens of a window without a limit add up to any end; its row is kept until then at most. */
const expiresMillisMax = 253_402_300_799_000

const failed = (message: string, cause?: unknown) =>
  new RateLimiter.RateLimiterError({
    reason: new RateLimiter.RateLimitStoreError({ message, ...(cause === undefined ? {} : { cause }) })
  })

/**
 * A store of one tenant: its interface knows none. Requests of a key take turns, by the database's clock and outside the
 * caller's transaction. The table is unlogged: a crash of Postgres empties it.
 *
 * Refuses with `RateLimitStoreError`, whose message begins with the field: a window that is endless or not above 0, amounts that
 * are negative or no numbers, keys above 1,000 characters. Nothing is charged then.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<RateLimiter.RateLimiterStore, never, Tenant | SqlClient.SqlClient> =
  Layer.effect(
    RateLimiter.RateLimiterStore,
    Effect.gen(function* () {
      const shared = yield* SqlClient.SqlClient
      const sql = (yield* RateLimitClient) ?? shared
      const { id } = yield* Tenant
      const { offsetMicros } = yield* RateClock

      /** Locks the state of a key, changes it and answers, in a transaction of this store. */
      const make = <State, Options extends Parameters<typeof refusalOf>[0], Answer>(
        kind: "adaptive" | "bucket" | "window",
        schema: Schema.Codec<State, unknown>,
        step: (before: State | undefined, options: Options, now: number) => LimiterState.Step<State, Answer>
      ) => {
        const decode = Schema.decodeUnknownEffect(Json(schema))
        const run = Effect.fnUntraced(function* (options: Options) {
          const [row] = yield* sql<{ readonly state: unknown; readonly micros: string }>`
            INSERT INTO hm_rate_store AS s (tenant_id, kind, key, state, expires_at)
            VALUES (${id}, ${kind}, ${options.key}, NULL, clock_timestamp())
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
             WHERE tenant_id = ${id} AND kind = ${kind} AND key = ${options.key}
          `
          return answer
        })
        return (options: Options): Effect.Effect<Answer, RateLimiter.RateLimiterError> => {
          const refusal = refusalOf(options)
          if (refusal !== undefined) return Effect.fail(failed(refusal))
          return Effect.updateContext(sql.withTransaction(run(options)), (context: Context.Context<never>) =>
            Context.omit(sql.transactionService)(context)
          ).pipe(Effect.mapError((cause) => failed("The state of the limit was not read", cause)))
        }
      }

      return RateLimiter.RateLimiterStore.of({
        fixedWindow: make("window", LimiterState.Window, LimiterState.window),
        tokenBucket: make("bucket", LimiterState.Bucket, LimiterState.bucket),
        adaptiveConsume: make("adaptive", LimiterState.Adaptive, LimiterState.consume),
        adaptiveFeedback: make("adaptive", LimiterState.Adaptive, LimiterState.feedback)
      })
    })
  )
