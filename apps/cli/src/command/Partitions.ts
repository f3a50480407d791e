/** `hypermarket partitions maintain`: for a timer, where the workers do not own the tables. */
import * as Database from "@hypermarket/core/Database"
import * as Startup from "@hypermarket/installation/Startup"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { orCommandFailed } from "../CommandFailed.ts"

const maintain = Command.make(
  "maintain",
  {},
  Effect.fn(function* () {
    const dropped = yield* Startup.maintainPartitions(yield* Database.options)
    yield* Console.log(
      ["Every partition ahead exists", ...dropped.map((name) => `  dropped ${name}`)].join("\n")
    )
  }, orCommandFailed)
).pipe(
  Command.withDescription(
    "Make the partitions of the days ahead and drop those past their time, as the role of DATABASE_OWNER_URL"
  )
)

export const command = Command.make("partitions").pipe(
  Command.withDescription("Maintain the tables that are partitioned by time"),
  Command.withSubcommands([maintain])
)
