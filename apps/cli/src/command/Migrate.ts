/** `hypermarket migrate [--plan [--json]] [--sql]`. */
import * as Database from "@hypermarket/core/Database"
import type * as MigrationPlan from "@hypermarket/core/MigrationPlan"
import * as Startup from "@hypermarket/installation/Startup"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { misused, orCommandFailed } from "../CommandFailed.ts"
import * as Output from "../Output.ts"

const nameOf = (domain: string, { id, name }: { readonly id: number; readonly name: string }) =>
  `${domain} ${String(id).padStart(4, "0")}_${name}`

const textOf = (planned: MigrationPlan.PlannedMigration) => {
  const commits = planned.transactional ? "" : " (each statement commits by itself)"
  const tables = planned.tables.map(({ rows, table }) => `${table} (about ${rows} rows)`)
  return [
    `-- ${nameOf(planned.domain, planned)}${commits}`,
    `-- locks: ${planned.locks}; works with ${planned.oldestRelease} and newer${
      tables.length === 0 ? "" : `; touches ${tables.join(", ")}`
    }`,
    planned.sql
  ].join("\n")
}

const showPlan = Effect.fnUntraced(function* (database: Database.Options, json: boolean) {
  const migrations = yield* Startup.plan(database)
  if (json) return yield* Output.json({ migrations })
  yield* Console.log(migrations.length === 0 ? "-- nothing is pending" : migrations.map(textOf).join("\n\n"))
})

/** As `api=hm_app,read=hm_read`, in any order, one of them at least. */
const rolesOf = (text: string) => {
  const roles: { api?: string; read?: string } = {}
  for (const entry of text.split(",")) {
    const [, part, role] = /^(api|read)=(.{1,63})$/.exec(entry) ?? []
    if (role === undefined || (part !== "api" && part !== "read") || roles[part] !== undefined) {
      return Effect.fail(misused(`--grants is api=<role>,read=<role>, and not "${text}"`))
    }
    roles[part] = role
  }
  return Effect.succeed(roles)
}

export const command = Command.make(
  "migrate",
  {
    plan: Flag.Boolean("plan").pipe(
      Flag.withDescription("Print the SQL that is pending, its locks and tables, and change nothing"),
      Flag.withDefault(false)
    ),
    sql: Flag.Boolean("sql").pipe(
      Flag.withDescription("Print what is pending as one file for psql, and change nothing"),
      Flag.withDefault(false)
    ),
    grants: Flag.String("grants").pipe(
      Flag.withDescription(
        "Give roles what they need, as api=<role>,read=<role>, after migrating; with --sql print the statements only"
      ),
      Flag.optional
    ),
    json: Output.jsonFlag
  },
  Effect.fn(function* ({ grants, json, plan, sql }) {
    const roles = Option.isNone(grants) ? undefined : yield* rolesOf(grants.value)
    if (roles !== undefined && plan)
      return yield* misused("--grants is applied, or printed with --sql: leave out --plan")
    if (json && !plan) return yield* misused("--json prints a plan: it needs --plan")
    if (plan && sql) return yield* misused("--plan and --sql are two forms of the same: choose one")
    const database = yield* Database.options
    if (plan) return yield* showPlan(database, json)
    if (sql) {
      return yield* Console.log(
        yield* roles === undefined ? Startup.script(database) : Startup.grantScript(database, roles)
      )
    }
    const applied = yield* Startup.migrate(database)
    yield* Console.log(
      applied.length === 0
        ? "The schema is up to date"
        : ["Applied:", ...applied.map(({ domain, migration }) => `  ${nameOf(domain, migration)}`)].join("\n")
    )
    if (roles !== undefined) {
      const granted = yield* Startup.grant(database, roles)
      yield* Console.log(`Granted, in ${granted} statements`)
    }
  }, orCommandFailed)
).pipe(
  Command.withDescription("Bring the schema up to this version. Any number of processes may do it at once")
)
