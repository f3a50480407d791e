/** `hypermarket doctor`: looks at the installation behind DATABASE_URL. */
import type * as Check from "@hypermarket/core/Check"
import * as Database from "@hypermarket/core/Database"
import * as DatabaseSchema from "@hypermarket/core/DatabaseSchema"
import * as Migrations from "@hypermarket/core/Migrations"
import { domains } from "@hypermarket/installation/domains"
import * as Startup from "@hypermarket/installation/Startup"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { failed, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"

interface Line extends Check.Finding {
  readonly domain: string
  readonly check: string
}

const schemaLine = Effect.fnUntraced(function* (database: Database.Options) {
  const { newer, pending } = yield* Startup.examine(database)
  const newerText = Migrations.newerText(newer)
  const lineOf = (finding: Check.Finding): Line => ({ domain: "core", check: "schema", ...finding })
  if (pending.length > 0) {
    return lineOf({
      status: "fail",
      message: `${pending.length} migrations are pending`,
      hint: "run `hypermarket migrate`"
    })
  }
  return newerText === undefined
    ? lineOf({ status: "ok", message: "every migration is applied" })
    : lineOf({
        status: "warn",
        message: newerText,
        hint: "this release works with it; replace it when the upgrade is over"
      })
})

const linesOf = (domain: string, checks: ReadonlyArray<Check.Check>) =>
  Effect.forEach(checks, (check) =>
    Effect.map(check.run, (findings) =>
      findings.map((finding): Line => ({ domain, check: check.name, ...finding }))
    )
  ).pipe(Effect.map((lines) => lines.flat()))

/** A missing table would fail every check behind it: the schema is looked at first. */
const examine = Effect.fn("Doctor.examine")(function* (database: Database.Options) {
  const schema = yield* schemaLine(database)
  if (schema.status === "fail") return [schema]
  const found = yield* Effect.all([
    linesOf("core", [DatabaseSchema.check(database.schema), Database.sessionCheck(database)]),
    ...domains.map((domain) => linesOf(domain.name, domain.checks))
  ]).pipe(Effect.provide(Database.layer(database, "hypermarket-doctor")))
  return [schema, ...found.flat()]
})

const render = (lines: ReadonlyArray<Line>) =>
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
