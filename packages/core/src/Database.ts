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
import * as EffectCopies from "./internal/effectCopies.ts"
import * as PooledClient from "./internal/pooledClient.ts"
import * as Setting from "./Setting.ts"
import * as Wakeup from "./Wakeup.ts"

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
  doc: "Where Postgres is without a pooler, for LISTEN and the worker's claims. Default: DATABASE_URL."
})

const ownerUrl = Setting.optionalSecret({
  name: "DATABASE_OWNER_URL",
  doc: "Where Postgres is without a pooler, as the role that owns the tables: for migrations and partitions only. Default: DATABASE_DIRECT_URL."
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
  ownerUrl,
  prepare,
  schema,
  poolMax,
  multiplex,
  statementTimeout,
  lockTimeout,
  idleTransactionTimeout
]

/**
 * The connection options that the settings name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly url: Redacted.Redacted
  readonly directUrl: Redacted.Redacted
  readonly ownerUrl: Redacted.Redacted
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
  ownerUrl: ownerUrl.config,
  prepare: prepare.config,
  schema: schema.config,
  poolMax: poolMax.config,
  multiplex: multiplex.config,
  statementTimeout: statementTimeout.config,
  lockTimeout: lockTimeout.config,
  idleTransactionTimeout: idleTransactionTimeout.config
}).pipe(
  Config.map((read) => {
    const direct = read.directUrl ?? read.url
    return { ...read, directUrl: direct, ownerUrl: read.ownerUrl ?? direct }
  })
)

// ---------------------------------------------------------------------------------------------------------------
// Clients
// ---------------------------------------------------------------------------------------------------------------

/**
 * The settings of every session, by the name that `SHOW` takes.
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
        SELECT name, setting
          FROM pg_settings
         WHERE name = ANY (${Object.keys(wanted)}::text[])
         ORDER BY name
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

/**
 * A server that has not completed the handshake within this time is treated as unavailable.
 *
 * @category limits
 * @since 0.1.0
 */
export const connectTimeout = "3 seconds"

/** Statements that may wait behind one another on a connection: more gains nothing, and one slow one holds up all. */
const multiplexConcurrency = 16

/** A pool that is smaller has no connections to set apart, and gives each statement a connection. */
const splitPoolMin = 4

/** Of the pool's connections: reads are small and share them sixteen at a time, transactions have theirs to themselves. */
const sharedFraction = 0.4

const layerOneEffect = Layer.effectDiscard(EffectCopies.warnOfRuntime)

/**
 * A pool whose callers wait for the connections that it has while the server refuses it more. A caller fails with the
 * server's refusal only when the pool has no connection at all.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerPool = (
  config: PooledClient.PoolConfig
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> =>
  PgClient.layerFrom(PooledClient.make(config))

/**
 * The process's pool. With `multiplex` four of ten connections are shared by single statements, and transactions have the
 * others to themselves: no statement waits behind a transaction.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options,
  applicationName = "hypermarket"
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> => {
  const pool = (maxConnections: number, isShared: boolean): PooledClient.PoolConfig => ({
    url: options.url,
    applicationName,
    connectTimeout,
    maxConnections,
    multiplex: isShared,
    multiplexConcurrency,
    prepare: options.prepare,
    // A transaction pooler refuses every other parameter at start.
    startupParameters: options.prepare ? sessionSettings(options) : { TimeZone: "UTC" }
  })
  if (!options.multiplex || options.poolMax < splitPoolMin)
    return Layer.provideMerge(layerPool(pool(options.poolMax, false)), layerOneEffect)
  const sharedMax = Math.floor(options.poolMax * sharedFraction)
  return PgClient.layerFrom(
    Effect.andThen(
      EffectCopies.warnOfRuntime,
      PooledClient.makeSplit(pool(sharedMax, true), pool(options.poolMax - sharedMax, false))
    )
  )
}

/**
 * One direct connection without a statement timeout.
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
 * {@link layerDirect} as the owner of the tables, for migrations.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerOwner = (
  options: Options,
  applicationName = "hypermarket-owner"
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> =>
  layerDirect({ ...options, directUrl: options.ownerUrl }, applicationName)

/**
 * One direct connection as the owner of the tables, for `Ddl.layer`. It has the statement timeout: detaching a partition
 * waits for readers, and is tried again.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerDdl = (
  options: Options,
  applicationName = "hypermarket-ddl"
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, SqlError> =>
  PgClient.layer({
    url: options.ownerUrl,
    applicationName,
    connectTimeout,
    maxConnections: 1,
    startupParameters: sessionSettings(options)
  })

/**
 * Listens on its own direct connection, for `Wakeup.layer`. The channel is that of the schema.
 *
 * @category sessions
 * @since 0.1.0
 */
export const listen = (options: Options): Wakeup.Listen =>
  Effect.flatMap(Layer.build(Layer.fresh(layerDirect(options, "hypermarket-listen"))), (context) =>
    Context.get(context, PgClient.PgClient).listen(Wakeup.channelOf(options.schema))
  )

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

export { identity } from "./DatabaseIdentity.ts"
export {
  layerFromQuery,
  type Query,
  type QueryTransaction,
  transactionFromQuery,
  type Value
} from "./QueryClient.ts"
export { isOpen, transaction, transactionOf } from "./Transaction.ts"
