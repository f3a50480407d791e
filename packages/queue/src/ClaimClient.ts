/**
 * The connections that queue workers claim with.
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

/** Two concurrent claims, and one connection each for heartbeat, mover, reaper and sweep. */
const connectionsMax = 6

/** Keeps a plan that was made on an empty table from being reused when the table has grown. */
const plannerSettings = {
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  jit: "off",
  plan_cache_mode: "force_generic_plan"
}

/**
 * The client that workers claim with: a separate pool with its own planner settings, past a transaction pooler.
 *
 * @category services
 * @since 0.1.0
 */
export class ClaimClient extends Context.Service<ClaimClient, SqlClient.SqlClient>()(
  "@hypermarket/queue/ClaimClient"
) {
  /**
   * Connects to `DATABASE_DIRECT_URL`. The commit is asynchronous by default: a claim or acknowledgement that is lost
   * when the server crashes is delivered again, and no job is lost. A synchronous commit repeats fewer jobs after a
   * crash, and makes each claim wait for the disk.
   */
  static readonly layer = (
    options: Database.Options,
    commit: "asynchronous" | "synchronous" = "asynchronous"
  ): Layer.Layer<ClaimClient, SqlError> =>
    Layer.effect(
      ClaimClient,
      Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
    ).pipe(
      Layer.provide(
        Database.layerPool({
          url: options.directUrl,
          applicationName: "hypermarket-claims",
          connectTimeout: Database.connectTimeout,
          maxConnections: connectionsMax,
          startupParameters: {
            ...Database.sessionSettings(options),
            ...plannerSettings,
            synchronous_commit: commit === "synchronous" ? "on" : "off"
          }
        })
      )
    )
}
