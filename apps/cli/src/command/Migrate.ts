/** `hypermarket migrate [--plan]`. */
import * as Database from "@hypermarket/core/Database"
import type * as Migrations from "@hypermarket/core/Migrations"
import * as Startup from "@hypermarket/installation/Startup"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { orCommandFailed } from "../CommandFailed.ts"

const nameOf = ({ domain, migration }: Migrations.Pending) =>
  `${domain} ${String(migration.id).padStart(4, "0")}_${migration.name}`

const sqlOf = (pending: Migrations.Pending) =>
  [
    `-- ${nameOf(pending)}${pending.migration.transactional ? "" : " (each statement commits by itself)"}`,
    ...pending.migration.statements.map((statement) => `${statement.trim()};`)
  ].join("\n")

export const command = Command.make(
  "migrate",
  {
    plan: Flag.Boolean("plan").pipe(
      Flag.withDescription("Print the SQL that is pending and change nothing"),
      Flag.withDefault(false)
    )
  },
  Effect.fn(function* ({ plan }) {
    const database = yield* Database.options
    if (plan) {
      const pending = yield* Startup.plan(database)
      return yield* Console.log(
        pending.length === 0 ? "-- nothing is pending" : pending.map(sqlOf).join("\n\n")
      )
    }
    const applied = yield* Startup.migrate(database)
    yield* Console.log(
      applied.length === 0
        ? "The schema is up to date"
        : ["Applied:", ...applied.map((one) => `  ${nameOf(one)}`)].join("\n")
    )
  }, orCommandFailed)
).pipe(
  Command.withDescription("Bring the schema up to this version. Any number of processes may do it at once")
)
