/** The command `hypermarket`: it loads the modules of the command that it runs. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Actor from "@hypermarket/core/Actor"
import * as Main from "@hypermarket/core/Main"
import * as StandardError from "@hypermarket/core/StandardError"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as ProcessLog from "@hypermarket/installation/ProcessLog"
import type * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import { exitCodes, fromKnown } from "./CommandFailed.ts"

/** The modules of the commands, in the order in which help shows them. */
const modules = {
  quickstart: () => import("./command/Quickstart.ts"),
  api: () => import("./command/Services.ts").then(({ api }) => ({ command: api })),
  worker: () => import("./command/Services.ts").then(({ worker }) => ({ command: worker })),
  migrate: () => import("./command/Migrate.ts"),
  partitions: () => import("./command/Partitions.ts"),
  secrets: () => import("./command/Secrets.ts"),
  doctor: () => import("./command/Doctor.ts"),
  tenants: () => import("./command/Tenants.ts"),
  keys: () => import("./command/Keys.ts"),
  console: () => import("./command/Console.ts"),
  audit: () => import("./command/Audit.ts"),
  subjects: () => import("./command/Subjects.ts"),
  mail: () => import("./command/Mail.ts"),
  import: () => import("./command/Import.ts"),
  analytics: () => import("./command/Analytics.ts"),
  search: () => import("./command/Search.ts"),
  risk: () => import("./command/Risk.ts")
}

type Name = keyof typeof modules

const names = Object.keys(modules) as ReadonlyArray<Name>

/** The command that the arguments name. Without one, as for `--help`, all of them are loaded. */
const wanted = (args: ReadonlyArray<string>): ReadonlyArray<Name> => {
  const first = args.find((argument) => !argument.startsWith("-"))
  const named = names.filter((name) => name === first)
  return named.length === 0 ? names : named
}

/** Help was printed with what is wrong; only the exit code is left to say. */
class UsageWrong extends Schema.TaggedError<UsageWrong>()("UsageWrong", {}) {
  override readonly [Runtime.errorExitCode] = exitCodes.usage
  override readonly [Runtime.errorReported] = false
}

const load = async (args: ReadonlyArray<string>) => {
  const loaded = await Promise.all(wanted(args).map((name) => modules[name]()))
  return Command.make("hypermarket").pipe(
    Command.withDescription(
      "Marketplace infrastructure on one Postgres. `migrate`, `doctor`, `tenants`, `keys` and `console` use DATABASE_URL."
    ),
    Command.withSubcommands(loaded.map(({ command }) => command)),
    Command.withExamples([
      {
        command: "hypermarket quickstart",
        description: "Run everything on this machine, with a separate Postgres"
      },
      { command: "hypermarket migrate --plan", description: "Show the SQL that is pending" },
      { command: "hypermarket keys create acme --scope platform:read", description: "Make a key" }
    ])
  )
}

/** Runs the command that the arguments name. */
export const run = (args: ReadonlyArray<string>, version: string): void =>
  Effect.promise(() => load(args)).pipe(
    Effect.flatMap((hypermarket) => Command.run(hypermarket, { version })),
    Effect.catchTag("ShowHelp", (help: CliError.ShowHelp) =>
      help.errors.length > 0 ? Effect.fail(new UsageWrong()) : Effect.void
    ),
    Effect.provideService(Actor.Actor, { type: "operator", id: "cli" }),
    Effect.provide([Shutdown.layer, ProcessLog.layer, NodeServices.layer]),
    // Of the log's own settings: commands have sentences for theirs.
    Effect.catchTag("ConfigError", (error) => {
      const known = fromKnown(error)
      StandardError.write(`${known.message}\n`)
      return Effect.fail(known)
    }),
    Main.run
  )
