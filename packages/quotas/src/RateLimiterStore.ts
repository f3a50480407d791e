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
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as KeyedState from "./internal/keyedState.ts"
import { refusalOf } from "./internal/limiterOptions.ts"
import * as LimiterState from "./internal/limiterState.ts"
import { RateClock } from "./RateClock.ts"
import { RateLimitClient } from "./RateLimitClient.ts"

const failed = (message: string, cause?: unknown) =>
  new RateLimiter.RateLimiterError({
    reason: new RateLimiter.RateLimitStoreError({ message, ...(cause === undefined ? {} : { cause }) })
  })

/**
 * A store of one tenant: its interface knows none. Requests of a key take turns, by the database's clock and outside the
 * caller's transaction. The table is unlogged: a crash of Postgres empties it.
 *
 * Refuses with `RateLimitStoreError`, whose message begins with the field: a window that is endless or not above 0, amounts that
 * are negative or no numbers, keys above 1,000 characters or 2,000 bytes of
 * UTF-8. Nothing is charged then.
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

      const keyed = KeyedState.make(sql, id, offsetMicros)

      const make = <State, Options extends Parameters<typeof refusalOf>[0], Answer>(
        kind: "adaptive" | "bucket" | "window",
        schema: Schema.Codec<State, unknown>,
        step: (before: State | undefined, options: Options, now: number) => KeyedState.Step<State, Answer>
      ) => {
        const change = keyed(kind, schema, step)
        return (options: Options): Effect.Effect<Answer, RateLimiter.RateLimiterError> => {
          const refusal = refusalOf(options)
          if (refusal !== undefined) return Effect.fail(failed(refusal))
          return Effect.mapError(change(options), (cause) =>
            failed("The state of the limit was not read", cause)
          )
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
