/**
 * The failure of a command: a sentence for the person at the terminal, and an exit code.
 *
 * Codes: 0 done; 1 failed, or doctor found a failure; 2 wrong usage; 3 the database cannot be reached; 4 the schema does
 * not fit this version.
 */
import type { MigrationRefused } from "@hypermarket/core/Migrations"
import * as Storage from "@hypermarket/core/Storage"
import type { EmbeddedPostgresError } from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import type { QueueTablesOutdated } from "@hypermarket/queue/QueueMigrations"
import * as CliError from "effect/cli/CliError"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type { ServeError } from "effect/http/HttpServerError"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"
import * as SettingWrong from "./SettingWrong.ts"

export const exitCodes = { failed: 1, usage: 2, databaseAway: 3, schemaRefused: 4 } as const

export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", {
  message: Schema.String,
  exitCode: Schema.Int
}) {
  override get [CliError.userMessage]() {
    return this.message
  }
  override readonly [Runtime.errorExitCode] = this.exitCode
  override readonly [Runtime.errorReported] = false
}

export const failed = (message: string) => new CommandFailed({ message, exitCode: exitCodes.failed })

/** Flags and arguments that do not go together. */
export const misused = (message: string) => new CommandFailed({ message, exitCode: exitCodes.usage })

type Known =
  | CommandFailed
  | MigrationRefused
  | QueueTablesOutdated
  | SqlError
  | Config.ConfigError
  | EmbeddedPostgresError
  | ServeError

/** The deepest message of an error: what the operating system or the server said. */
const causeOf = (error: unknown): string => {
  let message = ""
  let current: unknown = error
  while (typeof current === "object" && current !== null) {
    if ("message" in current && typeof current.message === "string" && current.message !== "")
      message = current.message
    current =
      "reason" in current && typeof current.reason === "object"
        ? current.reason
        : "cause" in current
          ? current.cause
          : undefined
  }
  return message
}

/** Turns every error that a command may meet into a {@link CommandFailed}. */
export const fromKnown = (error: Known): CommandFailed => {
  switch (error._tag) {
    case "CommandFailed":
      return error
    case "MigrationRefused":
    case "QueueTablesOutdated":
      return new CommandFailed({ message: error.message, exitCode: exitCodes.schemaRefused })
    case "SqlError":
      return new CommandFailed({
        message: Storage.isRetryable(error)
          ? `The database cannot be reached: ${causeOf(error)}. Is DATABASE_URL right?`
          : `The database refused: ${causeOf(error)}`,
        exitCode: exitCodes.databaseAway
      })
    case "ConfigError":
      return failed(SettingWrong.textOf(error, process.env))
    case "ServeError":
      return failed(`Cannot listen: ${causeOf(error)}`)
    case "EmbeddedPostgresError":
      return failed(error.message)
  }
}

export const orCommandFailed = <A, E extends Known, R>(self: Effect.Effect<A, E, R>) =>
  Effect.mapError(self, fromKnown)
