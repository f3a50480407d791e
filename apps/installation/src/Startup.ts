/**
 * What api, worker and CLI do alike when they start: logging, the database, migrations.
 */
import type { PgClient } from "@effect/sql-pg"
import * as Database from "@hypermarket/core/Database"
import * as Main from "@hypermarket/core/Main"
import * as Partitions from "@hypermarket/core/Partitions"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Setting from "@hypermarket/core/Setting"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as EventWorker from "@hypermarket/events/EventWorker"
import * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { domains, migrationSets } from "./domains.ts"

export const logLevel = Setting.make({
  name: "HM_LOG_LEVEL",
  doc: "The least severe level that is logged: Fatal, Error, Warn, Info, Debug or Trace.",
  read: (name) => Config.Literals(["Fatal", "Error", "Warn", "Info", "Debug", "Trace"], name),
  defaultValue: "Info" as const
})

export const migrateOnStart = Setting.make({
  name: "HM_MIGRATE_ON_START",
  doc: "Whether api and worker apply pending migrations when they start. With false they refuse to start on a schema that is behind.",
  read: (name) => Config.Boolean(name),
  defaultValue: true
})

export const settings: ReadonlyArray<Setting.Any> = [logLevel, migrateOnStart]

/** Lines of JSON on standard error; standard output is for results. */
export const layerLogger: Layer.Layer<never, Config.ConfigError> = Layer.unwrap(
  Effect.map(logLevel.config, (level) =>
    Layer.mergeAll(
      Logger.layer([
        Logger.make((options) => {
          process.stderr.write(`${Logger.formatJson.log(options)}\n`)
        })
      ]),
      Layer.succeed(References.MinimumLogLevel, level),
      // Without an exporter nobody sees a span, and making them costs a sixth of a request.
      Layer.succeed(References.TracerEnabled, false)
    )
  )
)

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

const partitions = domains.flatMap((domain) => domain.partitions)

/** Applies what is pending and makes the partitions of the days ahead, over a direct connection that it closes again. */
export const migrate = (
  options: Database.Options
): Effect.Effect<ReadonlyArray<Migrations.Pending>, Migrations.MigrationRefused | SqlError> =>
  Migrations.run(migrationSets, options.schema).pipe(
    Effect.tap(() => (options.prepare ? Effect.void : setRoleDefaults(options))),
    Effect.tap(() => EventWorker.register(domains)),
    Effect.tap(() => Effect.forEach(partitions, Partitions.ensureAhead, { discard: true })),
    Effect.provide(Database.layerDirect(options, "hypermarket-migrate"))
  )

export const plan = (options: Database.Options) =>
  Migrations.plan(migrationSets).pipe(Effect.provide(Database.layerDirect(options, "hypermarket-migrate")))

/** The pool, on a schema that fits this code. */
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
      return Database.layer(options, applicationName)
    })
  )

/** The log has said what ended the process; only the exit code is left to say. */
class ServiceEnded extends Schema.TaggedError<ServiceEnded>()("ServiceEnded", {}) {
  override readonly [Runtime.errorReported] = false
}

/**
 * Runs a service process until it is signalled. What ends it otherwise is logged like everything else: as a line of JSON
 * on standard error.
 */
export const run = <A, E>(service: Layer.Layer<A, E, Shutdown>): void =>
  Main.run(
    Main.launch(service).pipe(
      Effect.catchCauseIf(
        (cause) => !Cause.hasInterruptsOnly(cause),
        (cause) => Effect.andThen(Effect.logFatal("Ended", cause), Effect.fail(new ServiceEnded()))
      ),
      Effect.provide([Shutdown.layer, layerLogger])
    )
  )

/** How long requests in flight may go on after SIGTERM; the promise is an exit within 10 seconds. */
export const gracefulShutdownTimeout = Duration.seconds(8)
