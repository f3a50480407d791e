/**
 * The connections that checks of rate limits use.
 *
 * A check inside a transaction of the caller would keep a hot row locked until that transaction ends. Behind slow statements of
 * the shared pool it would wait for them. Where a process provides a client here, checks use it. Otherwise they use a
 * connection of the shared pool, outside the caller's transaction.
 *
 * @since 0.1.0
 */
import { PgClient } from "@effect/sql-pg"
import * as Database from "@hypermarket/core/Database"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/**
 * @category services
 * @since 0.1.0
 */
export const RateLimitClient = Context.Reference<SqlClient.SqlClient | undefined>(
  "@hypermarket/quotas/RateLimitClient",
  { defaultValue: () => undefined }
)

/** Two batches in flight, the reader of policies, and one for refunds, resets and releases. */
const connectionsMax = 4

/** A check waits 100 ms; a batch behind a lock for longer is better given up. */
const lockTimeoutMillis = "1000"

/**
 * A pool for checks alone. Its planner looks up by key with or without statistics.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Database.Options): Layer.Layer<never, SqlError> =>
  Layer.effect(
    RateLimitClient,
    Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
  ).pipe(
    Layer.provide(
      Database.layerPool({
        url: options.directUrl,
        applicationName: "hypermarket-limits",
        connectTimeout: "3 seconds",
        maxConnections: connectionsMax,
        startupParameters: {
          ...Database.sessionSettings(options),
          lock_timeout: lockTimeoutMillis,
          enable_seqscan: "off",
          enable_hashjoin: "off",
          enable_mergejoin: "off",
          plan_cache_mode: "force_generic_plan"
        }
      })
    )
  )
