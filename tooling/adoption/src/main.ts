/**
 * Shows that every way of adopting the packages works: the driver suite and the examples, each installed from its
 * own lockfile, against one Postgres. Prints one line a check and exits with 1 when one fails. `node src/main.ts pg drizzle`
 * runs the checks whose names hold one of these words.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { PgClient } from "@effect/sql-pg"
import * as Main from "@hypermarket/core/Main"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Command from "@hypermarket/testing/Command"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"
import * as Path from "node:path"

class CheckFailed extends Schema.TaggedError<CheckFailed>()("CheckFailed", { message: Schema.String }) {}

class AdoptionFailed extends Schema.TaggedError<AdoptionFailed>()("AdoptionFailed", {}) {
  // The lines have said it.
  override readonly [Runtime.errorReported] = false
}

const root = Path.resolve(import.meta.dirname, "../../..")
const drivers = Path.join(root, "tooling/adoption/drivers")
const prisma = Path.join(root, "tooling/adoption/prisma")
const examples = Path.join(root, "examples")

/** The own environment without what pnpm tells its scripts: an installation inside is another one. */
const inherited = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value]) =>
    value === undefined || /^p?npm_/i.test(name) ? [] : [[name, value]]
  )
)

/** Runs a command that must end with 0; else what it wrote is the failure. */
const mustRun = Effect.fnUntraced(function* (
  command: string,
  args: ReadonlyArray<string>,
  cwd: string,
  env: Readonly<Record<string, string>> = {}
) {
  const { code, stderr, stdout } = yield* Command.run(command, args, { cwd, env: { ...inherited, ...env } })
  if (code !== 0) {
    return yield* new CheckFailed({
      message: `${command} ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`
    })
  }
  return stdout
})

const install = (folder: string) =>
  mustRun("npx", ["-y", "pnpm@12.21.0", "install", "--frozen-lockfile"], folder)

const tool = (name: string) => Path.join(root, "tooling/adoption/node_modules/.bin", name)

const connected = (url: URL) =>
  Effect.provide(PgClient.layer({ url: Redacted.make(url.toString()), maxConnections: 1 }))

/**
 * A database of an example's own, migrated by the command that an adopter would use. The example has the role of an application,
 * which owns none of the tables. It may make tables of its shop beside them.
 */
const migratedDatabase = Effect.fnUntraced(function* (server: EmbeddedPostgres.Server, example: string) {
  const name = example.replaceAll(/\W+/g, "_")
  const role = { application: `app_${name}`, reader: `read_${name}` }
  const owner = new URL(server.url)
  yield* Effect.flatMap(PgClient.PgClient, (sql) =>
    Effect.gen(function* () {
      yield* sql`CREATE DATABASE ${sql(name)}`
      yield* sql`CREATE ROLE ${sql(role.reader)}`
      // The server is this run's alone, and its password is good enough for a role that may do less.
      yield* sql`CREATE ROLE ${sql(role.application)} LOGIN PASSWORD ${sql.literal(`'${owner.password}'`)}`
    })
  ).pipe(connected(owner))
  owner.pathname = `/${name}`
  yield* mustRun(
    "node",
    [
      Path.join(root, "apps/cli/src/main.ts"),
      "migrate",
      "--grants",
      `api=${role.application},read=${role.reader}`
    ],
    root,
    { DATABASE_URL: owner.toString() }
  )
  yield* Effect.flatMap(
    PgClient.PgClient,
    (sql) => sql`GRANT CREATE ON SCHEMA public TO ${sql(role.application)}`
  ).pipe(connected(owner))
  const application = new URL(owner)
  application.username = role.application
  return { DATABASE_URL: application.toString(), DATABASE_OWNER_URL: owner.toString() }
})

/** They wait for processes to start more than they compute. */
const examplesAtOnce = 2

const seconds = (millis: number) => `${(millis / 1000).toFixed(1)} s`

const program = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const words = process.argv.slice(2)
  const isWanted = (name: string) => words.length === 0 || words.some((word) => name.includes(word))
  const startedAt = yield* Clock.currentTimeMillis
  let failures = 0

  /** Prints how a check went, and tells whether what stands on it can run. */
  const check = Effect.fnUntraced(function* <A, E, R>(claim: string, effect: Effect.Effect<A, E, R>) {
    const before = yield* Clock.currentTimeMillis
    const result = yield* Effect.result(effect)
    const took = seconds((yield* Clock.currentTimeMillis) - before)
    if (result._tag === "Success") {
      yield* Console.log(`ok    ${claim} (${took})`)
      return true
    }
    failures++
    const reason = result.failure instanceof Error ? result.failure.message : String(result.failure)
    yield* Console.log(`FAIL  ${claim} (${took})\n${reason.trim().replaceAll(/^/gm, "      ")}`)
    return false
  })

  const server = yield* EmbeddedPostgres.start({ durability: "fast" })

  const suiteEnv = { HM_TEST_DATABASE_URL: server.url }
  const suite = (folder: string, drivers: string) =>
    Effect.gen(function* () {
      yield* check(`${drivers}: the suite type-checks`, mustRun(tool("tsc"), ["-b", folder], folder))
      yield* check(
        `${drivers}: services run inside their transactions`,
        mustRun(tool("vitest"), ["run"], folder, suiteEnv)
      )
    })
  if (isWanted("drivers") && (yield* check("drivers: installed from their lockfile", install(drivers)))) {
    yield* suite(drivers, "drivers pg, postgres.js, Kysely and Drizzle")
  }
  const generated = Effect.andThen(
    install(prisma),
    mustRun("npx", ["-y", "pnpm@12.21.0", "generate"], prisma)
  )
  if (
    isWanted("prisma") &&
    (yield* check("prisma: installed from its lockfile, client generated", generated))
  ) {
    yield* suite(prisma, "driver Prisma")
  }

  const names = (yield* fs.readDirectory(examples)).filter(
    (name) => name !== "node_modules" && isWanted(name)
  )
  const wanted = yield* Effect.filter(names.toSorted(), (name) =>
    Effect.map(fs.stat(`${examples}/${name}`), ({ type }) => type === "Directory")
  )
  // An example without its own lockfile is part of the one that they share.
  const isAlone = (name: string) => fs.exists(`${examples}/${name}/pnpm-lock.yaml`)
  const alone = yield* Effect.filter(wanted, isAlone)
  const installed = new Set<string>()
  if (
    wanted.length > alone.length &&
    (yield* check("examples: installed from their lockfile", install(examples)))
  ) {
    for (const name of wanted) if (!alone.includes(name)) installed.add(name)
  }
  for (const name of alone) {
    const folder = `${examples}/${name}`
    if (yield* check(`examples/${name}: installed from its lockfile`, install(folder))) installed.add(name)
  }
  const runExample = Effect.fnUntraced(function* (name: string) {
    const folder = `${examples}/${name}`
    if (!installed.has(name)) {
      return yield* Console.log(`skip  examples/${name}: it could not be installed, see above`)
    }
    const run = Effect.gen(function* () {
      const env = yield* migratedDatabase(server, name)
      yield* mustRun("npx", ["-y", "pnpm@12.21.0", "run", "check"], folder, env)
      yield* mustRun(tool("tsc"), ["-p", folder], folder)
    })
    yield* check(`examples/${name}: runs, shows what it says and type-checks`, run)
  })
  yield* Effect.forEach(wanted, runExample, { concurrency: examplesAtOnce, discard: true })

  const took = seconds((yield* Clock.currentTimeMillis) - startedAt)
  yield* Console.log(
    `adoption: ${failures === 0 ? "every check passed" : `${failures} checks failed`}, ${took}`
  )
  if (failures > 0) return yield* new AdoptionFailed()
})

Main.run(program.pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
