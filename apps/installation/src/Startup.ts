/**
 * The start that API, worker and CLI share: logging, the database, migrations.
 */
import type { PgClient } from "@effect/sql-pg"
import * as Database from "@hypermarket/core/Database"
import * as DatabaseProbe from "@hypermarket/core/DatabaseProbe"
import * as LongRequests from "@hypermarket/core/LongRequests"
import * as DatabaseSchema from "@hypermarket/core/DatabaseSchema"
import * as Ddl from "@hypermarket/core/Ddl"
import * as Main from "@hypermarket/core/Main"
import * as MigrationPlan from "@hypermarket/core/MigrationPlan"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Partitions from "@hypermarket/core/Partitions"
import * as Setting from "@hypermarket/core/Setting"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as EventWorker from "@hypermarket/events/EventWorker"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as ServerClock from "@hypermarket/queue/ServerClock"
import * as ErrorReports from "@hypermarket/observability/ErrorReports"
import * as ObservabilityDomain from "@hypermarket/observability/ObservabilityDomain"
import manifest from "@hypermarket/core/package.json" with { type: "json" }
import { domains, layerContracts, migrationSets } from "./domains.ts"
import * as EndReason from "./EndReason.ts"
import * as Grants from "./Grants.ts"
import * as ProcessLog from "./ProcessLog.ts"

export const migrateOnStart = Setting.make({
  name: "HM_MIGRATE_ON_START",
  doc: "Whether api and worker apply pending migrations when they start. With false they refuse to start on a schema that is behind.",
  read: (name) => Config.Boolean(name),
  defaultValue: true
})

export const settings: ReadonlyArray<Setting.Any> = [...ProcessLog.settings, migrateOnStart]

/**
 * Behind a transaction pooler sessions get their settings from the role, because nothing may be sent at start.
 */
const setRoleDefaults = Effect.fnUntraced(function* (options: Database.Options) {
  const sql = yield* SqlClient.SqlClient
  const [names] = yield* sql<{ readonly role: string; readonly database: string }>`
    SELECT current_user AS role, current_database() AS database
  `
  if (names === undefined) return
  for (const [name, value] of Object.entries(Database.sessionSettings(options))) {
    // ALTER ROLE takes no parameters: format() quotes, in the server.
    const [command] = yield* sql<{ readonly text: string }>`
      SELECT format('ALTER ROLE %I IN DATABASE %I SET %I = %L', ${names.role}::text, ${names.database}::text,
                    ${name}::text, ${value}::text) AS text
    `
    if (command !== undefined) yield* sql.unsafe(command.text)
  }
})

/** Sets, behind a pooler, the defaults of the role, which is that of the application and not the owner. */
const withRoleDefaults = <A, E>(options: Database.Options, migrated: Effect.Effect<A, E>) => {
  if (options.prepare) return migrated
  const direct = Effect.provide(Layer.fresh(Database.layerDirect(options, "hypermarket-migrate")))
  return DatabaseSchema.requireRoleIsFree(options.schema).pipe(
    direct,
    Effect.andThen(migrated),
    Effect.tap(() => direct(setRoleDefaults(options)))
  )
}

const partitions = domains.flatMap((domain) => domain.partitions)

/** A role that does not own the tables leaves it to one that does. */
const ensurePartitions = Effect.flatMap(Ddl.ownsTables, (owns) =>
  owns ? Effect.forEach(partitions, Partitions.ensureAhead, { discard: true }) : Effect.void
)

/** Applies what is pending and makes the partitions of the days ahead, over a direct connection that it closes again. */
export const migrate = (
  options: Database.Options
): Effect.Effect<ReadonlyArray<Migrations.Pending>, Migrations.MigrationRefused | SqlError> =>
  withRoleDefaults(
    options,
    Migrations.run(migrationSets, options.schema).pipe(
      Effect.tap(() => EventWorker.register(domains)),
      Effect.tap(() => ensurePartitions),
      Effect.provide(Database.layerOwner(options, "hypermarket-migrate"))
    )
  )

/** Makes the partitions of the days ahead and drops those past their time, as the owner. Returns the dropped ones. */
export const maintainPartitions = (options: Database.Options) =>
  Effect.forEach(partitions, Partitions.maintain).pipe(
    Effect.map((dropped) => dropped.flat()),
    Effect.provide(Database.layerOwner(options, "hypermarket-partitions"))
  )

/** Grants the roles what their part needs, as the owner; returns the number of statements. */
export const grant = (options: Database.Options, roles: Grants.Roles) =>
  Grants.apply(options.schema, roles).pipe(
    Effect.provide(Database.layerOwner(options, "hypermarket-migrate"))
  )

/** The statements that {@link grant} runs. */
export const grantScript = (options: Database.Options, roles: Grants.Roles) =>
  Grants.statements(options.schema, roles).pipe(
    Effect.map((statements) => ["BEGIN", ...statements, "COMMIT"].map((text) => `${text};`).join("\n")),
    Effect.provide(Database.layerOwner(options, "hypermarket-migrate"))
  )

/** Statements that make, attach and drop tables while a worker runs. */
export const layerDdl = (options: Database.Options): Layer.Layer<never, SqlError> =>
  Layer.effectDiscard(
    Effect.flatMap(Effect.service(Ddl.Ddl), ({ isOwner }) =>
      isOwner
        ? Effect.void
        : Effect.logWarning(
            "The role of DATABASE_OWNER_URL does not own the tables: this worker leaves their partitions alone, and `hypermarket partitions maintain` has to run"
          )
    )
  ).pipe(Layer.provideMerge(Ddl.layer(Database.layerDdl(options))))

/** How the database compares with this release. Changes nothing. */
export const examine = (options: Database.Options) =>
  Migrations.examine(migrationSets).pipe(Effect.provide(Database.layerDirect(options, "hypermarket-migrate")))

/** Returns what is pending, and the tables that it touches. */
export const plan = (options: Database.Options) =>
  Effect.flatMap(Migrations.plan(migrationSets), MigrationPlan.describe).pipe(
    Effect.provide(Database.layerDirect(options, "hypermarket-migrate"))
  )

/** Returns what is pending, as one file of SQL. */
export const script = (options: Database.Options) =>
  Effect.map(examine(options), ({ pending }) => MigrationPlan.script(migrationSets, pending, options.schema))

/** The pool, on a schema that fits this code, and its server's clock. */
export const layerDatabase = (
  options: Database.Options,
  applicationName: string
): Layer.Layer<
  PgClient.PgClient | SqlClient.SqlClient,
  Migrations.MigrationRefused | SqlError | Config.ConfigError
> =>
  Layer.unwrap(
    Effect.gen(function* () {
      if (yield* migrateOnStart.config) {
        yield* migrate(options)
      } else {
        yield* Migrations.requireApplied(migrationSets).pipe(
          Effect.provide(Database.layerDirect(options, applicationName))
        )
      }
      return Layer.effectDiscard(DatabaseSchema.requireOnly(options.schema)).pipe(
        Layer.provideMerge(ServerClock.layer),
        Layer.provideMerge(Database.layer(options, applicationName))
      )
    })
  )

/** A lock on it that stays stops publishing and every job. */
const tablesOfAllWork = ["hm_event_queue"]

/** How a process tells a fault of the database from a slow request, and keeps the slow from stopping the others. */
export const layerFaults = (options: Database.Options) =>
  Layer.mergeAll(
    DatabaseProbe.layer(options, tablesOfAllWork),
    Layer.succeed(LongRequests.Current, LongRequests.make(options.poolMax))
  )

/** Where a database is, without user and password. */
const placeOf = (url: Redacted.Redacted): string => {
  const text = Redacted.value(url)
  if (!URL.canParse(text)) return "unknown"
  const { hostname, pathname, port } = new URL(text)
  return `${hostname}:${port === "" ? "5432" : port}${pathname}`
}

/** Queues that a worker takes jobs from. */
const queueCount = domains.reduce(
  (sum, { handlers, jobs, subscriptions }) => sum + handlers.length + jobs.length + subscriptions.length,
  0
)

/**
 * Logs that a process takes work, with its address, version, database, schema and queues, and that it begins to stop.
 */
export const layerAnnounced = (
  name: "api" | "worker",
  listen: { readonly host: string; readonly port: number },
  database: Database.Options
) =>
  Layer.effectDiscard(
    Effect.acquireRelease(
      Effect.logInfo("Started", {
        process: name,
        address: `${listen.host}:${listen.port}`,
        version: manifest.version,
        node: process.versions.node,
        database: placeOf(database.url),
        schema: database.schema,
        ...(name === "worker" ? { queues: queueCount } : {}),
        migrations: domains
          .map(({ migrations, name }) => `${name} ${migrations.migrations.length}`)
          .join(", ")
      }),
      () => Effect.logInfo("Stopping", { process: name })
    )
  )

/**
 * Reports the errors of the process to the project of `_system`: through the intake in this process, which spools while the
 * database is unavailable.
 */
export const layerErrorReports = (name: "api" | "worker") =>
  ErrorReports.layerReporting.pipe(
    Layer.provide(
      ErrorReports.layerSystem({ release: `hypermarket@${manifest.version}`, tags: { process: name } })
    ),
    Layer.provide(ObservabilityDomain.layerIntake),
    Layer.provide(layerContracts)
  )

/** The log has said what ended the process; only the exit code is left to say. */
class ServiceEnded extends Schema.TaggedError<ServiceEnded>()("ServiceEnded", {}) {
  override readonly [Runtime.errorReported] = false
}

/** A wrong setting, or a database that is not there, is one sentence. Anything else is logged with its cause. */
const logEnd = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const error = Cause.squash(cause)
  if (error instanceof ServiceEnded) return Effect.void
  return EndReason.isKnown(error)
    ? Effect.logFatal(EndReason.make(error).message)
    : Effect.logFatal("Ended", cause)
}

const endLogged = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.catchCauseIf(
    self,
    (cause) => !Cause.hasInterruptsOnly(cause),
    (cause) => Effect.andThen(logEnd(cause), Effect.fail(new ServiceEnded()))
  )

/**
 * Runs a service process until it is signalled. What ends it otherwise is logged like everything else, on standard error.
 */
export const run = <A, E>(service: Layer.Layer<A, E, Shutdown>): void =>
  Main.run(
    Main.launch(service).pipe(
      endLogged,
      Effect.onInterrupt(() => Effect.logInfo("Stopped")),
      Effect.provide([Shutdown.layer, ProcessLog.layer]),
      // A wrong setting of the log itself is logged in its default form.
      endLogged,
      Effect.provide(ProcessLog.layerDefault)
    )
  )
