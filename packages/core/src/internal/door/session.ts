/** Builds what a connection runs on: one client that joins transactions, and the services of the domains over it. */
import { PgClient } from "@effect/sql-pg"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { hasProperty, isObject } from "effect/Predicate"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Actor from "../../Actor.ts"
import * as CoreDomain from "../../CoreDomain.ts"
import * as Database from "../../Database.ts"
import * as Ddl from "../../Ddl.ts"
import * as Domain from "../../Domain.ts"
import * as Migrations from "../../Migrations.ts"
import * as Partitions from "../../Partitions.ts"
import * as Wakeup from "../../Wakeup.ts"
import * as Foreign from "./foreign.ts"
import type { Checked, LogLine } from "./options.ts"

export interface Session {
  readonly sql: SqlClient.SqlClient
  readonly join: ReturnType<typeof Foreign.joinable>["join"]
  /** Everything that a service or a method may require, but a tenant. */
  readonly context: Context.Context<never>
}

const textOf = (message: unknown): string =>
  Array.isArray(message) ? message.map(String).join(" ") : String(message)

const layerLogger = (logger: ((line: LogLine) => void) | undefined): Layer.Layer<never> =>
  logger === undefined
    ? // Standard output belongs to the program.
      Layer.merge(Layer.succeed(References.MinimumLogLevel, "Warn"), Layer.succeed(Logger.LogToStderr, true))
    : Logger.layer([
        Logger.make<unknown, void>(({ date, logLevel, message }) =>
          logger({ level: logLevel, message: textOf(message), at: date.toISOString() })
        )
      ])

const setsOf = (domains: ReadonlyArray<Domain.Any>) => [
  CoreDomain.domain.migrations,
  ...domains.map(({ migrations }) => migrations)
]

/** Builds the session in the scope. The listener is opened last but the services: a connection that fails leaves none. */
export const open = Effect.fnUntraced(function* (
  { applicationName, database }: Checked,
  domains: ReadonlyArray<Domain.Any>,
  logger: ((line: LogLine) => void) | undefined
): Effect.fn.Return<Session, SqlError | Config.ConfigError | Migrations.MigrationRefused, Scope.Scope> {
  const references = yield* Layer.build(
    Layer.mergeAll(
      layerLogger(logger),
      // Without an exporter a span is work that is thrown away.
      Layer.succeed(References.TracerEnabled, false),
      Layer.succeed(Actor.Actor, Actor.process(applicationName))
    )
  )
  const pool = yield* Layer.build(Database.layer(database, applicationName))
  const { client, join } = Foreign.joinable(Context.get(pool, PgClient.PgClient))
  const withClient = Context.merge(references, Context.make(SqlClient.SqlClient, client))
  yield* Effect.provideContext(Migrations.examine(setsOf(domains)), withClient)
  const wakeup = yield* Effect.provideContext(
    Layer.build(Wakeup.layer(Database.listen(database))),
    withClient
  )
  const infrastructure = Context.merge(withClient, wakeup)
  const started = yield* Effect.provideContext(Domain.start(domains), infrastructure)
  return {
    sql: client,
    join,
    context: started.reduce<Context.Context<never>>(
      (context, domain) => Context.merge(context, domain.context),
      infrastructure
    )
  }
})

/** Applies what is pending as `hypermarket migrate` does, over a connection that it closes again. */
export const migrate = (
  { applicationName, database }: Checked,
  domains: ReadonlyArray<Domain.Any>
): Effect.Effect<ReadonlyArray<string>, SqlError | Migrations.MigrationRefused> => {
  const all = [CoreDomain.domain, ...domains]
  const partitions = all.flatMap((domain) => domain.partitions)
  return Migrations.run(setsOf(domains), database.schema).pipe(
    Effect.tap(() =>
      Effect.forEach(domains, ({ register }) => register?.(all) ?? Effect.void, { discard: true })
    ),
    Effect.tap(() =>
      Effect.flatMap(Ddl.ownsTables, (owns) =>
        owns ? Effect.forEach(partitions, Partitions.ensureAhead, { discard: true }) : Effect.void
      )
    ),
    Effect.map((applied) =>
      applied.map(
        ({ domain, migration }) => `${domain} ${String(migration.id).padStart(4, "0")}_${migration.name}`
      )
    ),
    Effect.provide(Database.layerOwner(database, `${applicationName}-migrate`))
  )
}

const causesMax = 8

/** Returns the innermost message of an error: that of the driver or of the system. */
export const reasonOf = (error: unknown): string => {
  let text = ""
  let current = error
  for (let depth = 0; depth < causesMax && isObject(current); depth++) {
    if (hasProperty(current, "message") && typeof current.message === "string" && current.message !== "") {
      text = current.message
    } else if (hasProperty(current, "code") && typeof current.code === "string") text = current.code
    current = hasProperty(current, "reason")
      ? current.reason
      : hasProperty(current, "cause")
        ? current.cause
        : undefined
  }
  return text === "" ? String(error) : text
}
