#!/usr/bin/env node
/** The command `hypermarket`. */
import { NodeServices } from "@effect/platform-node"
import * as Main from "@hypermarket/core/Main"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Startup from "@hypermarket/installation/Startup"
import type * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import manifest from "../package.json" with { type: "json" }
import { exitCodes } from "./CommandFailed.ts"
import * as Doctor from "./command/Doctor.ts"
import * as Import from "./command/Import.ts"
import * as Keys from "./command/Keys.ts"
import * as Migrate from "./command/Migrate.ts"
import * as Quickstart from "./command/Quickstart.ts"
import * as Search from "./command/Search.ts"
import * as Services from "./command/Services.ts"
import * as Tenants from "./command/Tenants.ts"

/** Help was printed with what is wrong; only the exit code is left to say. */
class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", {}) {
  override readonly [Runtime.errorExitCode] = exitCodes.usage
  override readonly [Runtime.errorReported] = false
}

const hypermarket = Command.make("hypermarket").pipe(
  Command.withDescription(
    "Marketplace infrastructure on one Postgres. `migrate`, `doctor`, `tenants` and `keys` use DATABASE_URL."
  ),
  Command.withSubcommands([
    Quickstart.command,
    Services.api,
    Services.worker,
    Migrate.command,
    Doctor.command,
    Tenants.command,
    Keys.command,
    Import.command,
    Search.command
  ]),
  Command.withExamples([
    {
      command: "hypermarket quickstart",
      description: "Run everything on this machine, with a Postgres of its own"
    },
    { command: "hypermarket migrate --plan", description: "Show the SQL that is pending" },
    { command: "hypermarket keys create acme --scope platform:read", description: "Make a key" }
  ])
)

Command.run(hypermarket, { version: manifest.version }).pipe(
  Effect.catchTag("ShowHelp", (help: CliError.ShowHelp) =>
    help.errors.length > 0 ? Effect.fail(new UsageWrong()) : Effect.void
  ),
  Effect.provide([Shutdown.layer, Startup.layerLogger, NodeServices.layer]),
  Main.run
)
