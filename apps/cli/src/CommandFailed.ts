/**
 * The failure of a command: a sentence for the person at the terminal, and an exit code.
 *
 * Codes: 0 done; 1 failed, or doctor found a failure; 2 wrong usage; 3 the database cannot be reached; 4 the schema does
 * not fit this version.
 */
import type { EmbeddedPostgresError } from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as EndReason from "@hypermarket/installation/EndReason"
import * as CliError from "effect/cli/CliError"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

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

type Known = CommandFailed | EmbeddedPostgresError | EndReason.Known

const exitCodeOf: Readonly<Record<EndReason.EndReason["kind"], number>> = {
  setting: exitCodes.failed,
  address: exitCodes.failed,
  database: exitCodes.databaseAway,
  schema: exitCodes.schemaRefused
}

/** Turns every error that a command may meet into a {@link CommandFailed}. */
export const fromKnown = (error: Known): CommandFailed => {
  if (error._tag === "CommandFailed") return error
  if (error._tag === "EmbeddedPostgresError") return failed(error.message)
  const { kind, message } = EndReason.make(error)
  return new CommandFailed({ message, exitCode: exitCodeOf[kind] })
}

export const orCommandFailed = <A, E extends Known, R>(self: Effect.Effect<A, E, R>) =>
  Effect.mapError(self, fromKnown)
