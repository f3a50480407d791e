/** `hypermarket doctor`: looks at the installation behind DATABASE_URL. */
import * as Database from "@hypermarket/core/Database"
import * as DatabaseSchema from "@hypermarket/core/DatabaseSchema"
import * as Doctor from "@hypermarket/core/Doctor"
import { domains } from "@hypermarket/installation/domains"
import * as Startup from "@hypermarket/installation/Startup"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { failed, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"

const examine = Effect.fn("Doctor.examine")(function* (database: Database.Options) {
  const schema = Doctor.schemaFinding(yield* Startup.examine(database))
  if (schema.status === "fail") return [schema]
  const found = yield* Doctor.run(
    [DatabaseSchema.check(database.schema), Database.sessionCheck(database)],
    domains
  ).pipe(Effect.provide(Database.layer(database, "hypermarket-doctor")))
  return [schema, ...found]
})

const render = (lines: ReadonlyArray<Doctor.Line>) =>
  lines.flatMap((line) => [
    [line.status, `${line.domain}: ${line.check}`, line.message],
    ...(line.hint === undefined || line.status === "ok" ? [] : [["", "", `-> ${line.hint}`]])
  ])

export const command = Command.make(
  "doctor",
  { json: Output.jsonFlag },
  Effect.fn(function* ({ json }) {
    const lines = yield* examine(yield* Database.options)
    yield* json ? Output.json({ findings: lines }) : Console.log(Output.columns(render(lines)))
    const failures = lines.filter((line) => line.status === "fail").length
    if (failures > 0) return yield* failed(`${failures} checks failed`)
  }, orCommandFailed)
).pipe(
  Command.withDescription("Check the database, the schema and every domain. Exits with 1 when a check fails")
)
