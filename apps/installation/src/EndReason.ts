/** The reason for which a process or command ended, as a sentence for the person who started it. */
import { MigrationRefused } from "@hypermarket/core/Migrations"
import * as Storage from "@hypermarket/core/Storage"
import { QueueTablesOutdated } from "@hypermarket/queue/QueueMigrations"
import * as Config from "effect/Config"
import { ServeError } from "effect/http/HttpServerError"
import { SqlError } from "effect/sql/SqlError"
import * as SettingWrong from "./SettingWrong.ts"

/** Errors that have a sentence. */
export type Known = MigrationRefused | QueueTablesOutdated | SqlError | Config.ConfigError | ServeError

export interface EndReason {
  readonly kind: "setting" | "database" | "schema" | "address"
  readonly message: string
}

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

export const isKnown = (error: unknown): error is Known =>
  error instanceof Config.ConfigError ||
  error instanceof SqlError ||
  error instanceof ServeError ||
  error instanceof MigrationRefused ||
  error instanceof QueueTablesOutdated

export const make = (error: Known): EndReason => {
  switch (error._tag) {
    case "MigrationRefused":
    case "QueueTablesOutdated":
      return { kind: "schema", message: error.message }
    case "SqlError":
      return {
        kind: "database",
        message: Storage.isRetryable(error)
          ? `The database cannot be reached: ${causeOf(error)}. Is DATABASE_URL right?`
          : `The database refused: ${causeOf(error)}`
      }
    case "ConfigError":
      return { kind: "setting", message: SettingWrong.textOf(error, process.env) }
    case "ServeError":
      return { kind: "address", message: `Cannot listen: ${causeOf(error)}` }
  }
}
