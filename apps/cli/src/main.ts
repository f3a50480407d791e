#!/usr/bin/env node
/** The command `hypermarket`. */
import { NodeServices } from "@effect/platform-node"
import * as Actor from "@hypermarket/core/Actor"
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
import * as Analytics from "./command/Analytics.ts"
import * as Audit from "./command/Audit.ts"
import * as Console from "./command/Console.ts"
import * as Doctor from "./command/Doctor.ts"
import * as Import from "./command/Import.ts"
import * as Keys from "./command/Keys.ts"
import * as Mail from "./command/Mail.ts"
import * as Migrate from "./command/Migrate.ts"
import * as Partitions from "./command/Partitions.ts"
import * as Quickstart from "./command/Quickstart.ts"
import * as Risk from "./command/Risk.ts"
import * as Search from "./command/Search.ts"
import * as Secrets from "./command/Secrets.ts"
import * as Services from "./command/Services.ts"
import * as Subjects from "./command/Subjects.ts"
import * as Tenants from "./command/Tenants.ts"

/** Help was printed with what is wrong; only the exit code is left to say. */
class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", {}) {
  override readonly [Runtime.errorExitCode] = exitCodes.usage
  override readonly [Runtime.errorReported] = false
}

const hypermarket = Command.make("hypermarket").pipe(
  Command.withDescription(
    "Marketplace infrastructure on one Postgres. `migrate`, `doctor`, `tenants`, `keys` and `console` use DATABASE_URL."
  ),
  Command.withSubcommands([
    Quickstart.command,
    Services.api,
    Services.worker,
    Migrate.command,
    Partitions.command,
    Secrets.command,
    Doctor.command,
    Tenants.command,
    Keys.command,
    Console.command,
    Audit.command,
    Subjects.command,
    Mail.command,
    Import.command,
    Analytics.command,
    Search.command,
    Risk.command
  ]),
  Command.withExamples([
    {
      command: "hypermarket quickstart",
      description: "Run everything on this machine, with a separate Postgres"
    },
    { command: "hypermarket migrate --plan", description: "Show the SQL that is pending" },
    { command: "hypermarket keys create acme --scope platform:read", description: "Make a key" }
  ])
)

Command.run(hypermarket, { version: manifest.version }).pipe(
  Effect.catchTag("ShowHelp", (help: CliError.ShowHelp) =>
    help.errors.length > 0 ? Effect.fail(new UsageWrong()) : Effect.void
  ),
  Effect.provideService(Actor.Actor, { type: "operator", id: "cli" }),
  Effect.provide([Shutdown.layer, Startup.layerLogger, NodeServices.layer]),
  Main.run
)
