/**
 * The one Postgres: how a process connects, and transactions that join the caller's.
 *
 * Domain layers require `SqlClient` and never build one: a second client writes outside the caller's transaction.
 *
 * @since 0.1.0
 */
import { PgClient } from "@effect/sql-pg"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Check from "./Check.ts"
import * as Setting from "./Setting.ts"
import type * as Wakeup from "./Wakeup.ts"
import * as WorkQueue from "./WorkQueue.ts"

// ---------------------------------------------------------------------------------------------------------------
// Settings
// ---------------------------------------------------------------------------------------------------------------

const SchemaName = Schema.String.check(
  Schema.isPattern(/^[a-z_][a-z0-9_]{0,62}$/, { message: "Expected a schema name of a-z, 0-9 and _" })
)

const url = Setting.required({
  name: "DATABASE_URL",
  doc: "Where Postgres is: postgres://user:password@host:port/database?sslmode=... A transaction pooler may stand there.",
  read: (name) => Config.Redacted(name)
})

const directUrl = Setting.optionalSecret({
  name: "DATABASE_DIRECT_URL",
  doc: "Where Postgres is without a pooler, for migrations, LISTEN, the worker's claims and run-time DDL. Default: DATABASE_URL."
})

const prepare = Setting.make({
  name: "HM_DATABASE_PREPARE",
  doc: "false behind a transaction pooler: no prepared statements, and nothing but the time zone is sent at start; `hypermarket migrate` then sets timeouts and search path on the role.",
  read: (name) => Config.Boolean(name),
  defaultValue: true
})

const schema = Setting.make({
  name: "HM_DATABASE_SCHEMA",
  doc: "The schema of all hm_* tables.",
  read: (name) => Config.schema(SchemaName, name),
  defaultValue: "public"
})

const poolMax = Setting.make({
  name: "HM_DATABASE_POOL_MAX",
  doc: "Connections a process opens at most.",
  read: (name) => Config.Int(name),
  defaultValue: 10
})

const multiplex = Setting.make({
  name: "HM_DATABASE_MULTIPLEX",
  doc: "Whether the API pipelines statements of several requests over one connection. It answers about a quarter more reads; false keeps a slow statement from holding up those behind it. Transactions have a connection of their own either way.",
  read: (name) => Config.Boolean(name),
  defaultValue: true
})

const timeout = (name: string, doc: string, defaultValue: Duration.Duration) =>
  Setting.make({
    name,
    doc,
    read: (name) => Config.Duration(name),
    defaultValue,
    defaultText: Duration.format(defaultValue)
  })

const statementTimeout = timeout(
  "HM_DATABASE_STATEMENT_TIMEOUT",
  "Postgres ends a statement that runs longer.",
  Duration.seconds(30)
)

const lockTimeout = timeout(
  "HM_DATABASE_LOCK_TIMEOUT",
  "Postgres ends a statement that waits longer for a lock.",
  Duration.seconds(5)
)

const idleTransactionTimeout = timeout(
  "HM_DATABASE_IDLE_TRANSACTION_TIMEOUT",
  "Postgres ends a session that sits longer in an open transaction.",
  Duration.seconds(30)
)

/**
 * @category settings
 * @since 0.1.0
 */
export const settings: ReadonlyArray<Setting.Any> = [
  url,
  directUrl,
  prepare,
  schema,
  poolMax,
  multiplex,
  statementTimeout,
  lockTimeout,
  idleTransactionTimeout
]

/**
 * What the settings say.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly url: Redacted.Redacted
  readonly directUrl: Redacted.Redacted
  readonly prepare: boolean
  readonly schema: string
  readonly poolMax: number
  readonly multiplex: boolean
  readonly statementTimeout: Duration.Duration
  readonly lockTimeout: Duration.Duration
  readonly idleTransactionTimeout: Duration.Duration
}

/**
 * Reads the settings.
 *
 * @category settings
 * @since 0.1.0
 */
export const options: Config.Config<Options> = Config.all({
  url: url.config,
  directUrl: directUrl.config,
  prepare: prepare.config,
  schema: schema.config,
  poolMax: poolMax.config,
  multiplex: multiplex.config,
  statementTimeout: statementTimeout.config,
  lockTimeout: lockTimeout.config,
  idleTransactionTimeout: idleTransactionTimeout.config
}).pipe(Config.map((read) => ({ ...read, directUrl: read.directUrl ?? read.url })))

// ---------------------------------------------------------------------------------------------------------------
// Clients
// ---------------------------------------------------------------------------------------------------------------

/**
 * What every session is set to, by name as `SHOW` knows it.
 *
 * @category sessions
 * @since 0.1.0
 */
export const sessionSettings = (options: Options): Readonly<Record<string, string>> => ({
  TimeZone: "UTC",
  search_path: options.schema,
  // Compiling a statement of some milliseconds takes longer than running it.
  jit: "off",
  statement_timeout: String(Duration.toMillis(options.statementTimeout)),
  lock_timeout: String(Duration.toMillis(options.lockTimeout)),
  idle_in_transaction_session_timeout: String(Duration.toMillis(options.idleTransactionTimeout))
})

/**
 * Compares what sessions are set to with {@link sessionSettings}. Behind a transaction pooler nothing is sent at start,
 * and the role's settings, which `migrate` writes, must say it.
 *
 * @category sessions
 * @since 0.1.0
 */
export const sessionCheck = (options: Options): Check.Check =>
  Check.make(
    "session settings",
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const wanted = sessionSettings(options)
      const rows = yield* sql<{ readonly name: string; readonly setting: string }>`
        SELECT name, setting FROM pg_settings WHERE name = ANY (${Object.keys(wanted)}::text[]) ORDER BY name
      `
      return rows.map(({ name, setting }): Check.Finding => {
        const message = `${name} = ${setting}`
        return setting === wanted[name]
          ? { status: "ok", message }
          : {
              status: "warn",
              message: `${message} instead of ${wanted[name]}`,
              hint: "run `hypermarket migrate` with HM_DATABASE_PREPARE=false: it sets it on the role; then let the pooler reconnect"
            }
      })
    })
  )

/** A server that does not answer the handshake by then is treated as away. */
const connectTimeout = "3 seconds"

/** Statements that may wait behind one another on a connection: more gains nothing, and one slow one holds up all. */
const multiplexConcurrency = 16

/**
 * The process's pool.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options,
  applicationName = "hypermarket"
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> =>
  PgClient.layer({
    url: options.url,
    applicationName,
    connectTimeout,
    maxConnections: options.poolMax,
    multiplex: options.multiplex,
    multiplexConcurrency,
    prepare: options.prepare,
    // A transaction pooler refuses every other parameter at start.
    startupParameters: options.prepare ? sessionSettings(options) : { TimeZone: "UTC" }
  })

/**
 * One direct connection without a statement timeout, for migrations and DDL.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDirect = (
  options: Options,
  applicationName = "hypermarket-direct"
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> =>
  PgClient.layer({
    url: options.directUrl,
    applicationName,
    connectTimeout,
    maxConnections: 1,
    idleTimeout: Duration.infinity,
    startupParameters: { ...sessionSettings(options), statement_timeout: "0" }
  })

/**
 * Listens on a direct connection of its own, for `Wakeup.layer`.
 *
 * @category sessions
 * @since 0.1.0
 */
export const listen =
  (options: Options): Wakeup.Listen =>
  (channel) =>
    Effect.flatMap(Layer.build(Layer.fresh(layerDirect(options, "hypermarket-listen"))), (context) =>
      Context.get(context, PgClient.PgClient).listen(channel)
    )

/**
 * The client that queue workers claim with. A plan taken on an empty table must not stick, and the claim's commit may be
 * asynchronous, as it is by default: a claim or acknowledgement that is lost with the server is a redelivery, never a loss.
 * With a synchronous one the server's end repeats less, and each claim waits for the disk. Its settings are the session's,
 * so it goes past a transaction pooler.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClaims = (
  options: Options,
  commit: "asynchronous" | "synchronous" = "asynchronous"
): Layer.Layer<WorkQueue.ClaimClient, SqlError> =>
  Layer.effect(
    WorkQueue.ClaimClient,
    Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
  ).pipe(
    Layer.provide(
      PgClient.layer({
        url: options.directUrl,
        applicationName: "hypermarket-claims",
        connectTimeout,
        maxConnections: claimConnectionsMax,
        startupParameters: {
          ...sessionSettings(options),
          ...claimPlanner,
          synchronous_commit: commit === "synchronous" ? "on" : "off"
        }
      })
    )
  )

/** Two pipes, and one each for heartbeat, mover, reaper and sweep. */
const claimConnectionsMax = 6

const claimPlanner = {
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  jit: "off",
  plan_cache_mode: "force_generic_plan"
}

/**
 * The pool, from the environment.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig: Layer.Layer<
  PgClient.PgClient | SqlClient.SqlClient,
  SqlError | Config.ConfigError
> = Layer.unwrap(Effect.map(options, (read) => layer(read)))

export {
  layerFromQuery,
  type Query,
  type QueryTransaction,
  transactionFromQuery,
  type Value
} from "./QueryClient.ts"
export { isOpen, transaction, transactionOf } from "./Transaction.ts"
