/**
 * Servers of their own, and the programs of an installed Postgres. The binaries that tests use come without `pg_dump`, so a
 * test of a dump is skipped where no Postgres is installed.
 */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import * as Command from "./Command.ts"

const versions = "/usr/lib/postgresql"

/** The folder of an installed server of a version that is supported, with its `pg_dump` and `pg_restore`. */
export const binaries: string | undefined = existsSync(versions)
  ? readdirSync(versions)
      .filter((version) => Number(version) >= 15)
      .map((version) => join(versions, version, "bin"))
      .find((folder) => ["initdb", "pg_dump", "pg_restore"].every((name) => existsSync(join(folder, name))))
  : undefined

/** For the end of a test's title. */
export const absence =
  binaries === undefined ? ": skipped, since it is not installed (apt-get install postgresql)" : ""

/** Starts another server, whose transaction ids begin again, and returns its address. */
export const cluster = (folder?: string) =>
  Effect.map(EmbeddedPostgres.start({ durability: "fast", binaries: folder }), ({ url }) => url)

const program = Effect.fnUntraced(function* (name: string, ...args: ReadonlyArray<string>) {
  const { code, stderr } = yield* Command.run(join(binaries ?? "", name), args, { cwd: "/" })
  if (code !== 0) return yield* Effect.die(new Error(`${name}: ${stderr}`))
})

/** Writes the whole database to a file. */
export const dump = (url: string, file: string) =>
  program("pg_dump", "--format=custom", `--file=${file}`, url).pipe(Effect.provide(NodeServices.layer))

/** Reads a file of `dump` into an empty database. */
export const restore = (url: string, file: string) =>
  program("pg_restore", "--exit-on-error", `--dbname=${url}`, file).pipe(Effect.provide(NodeServices.layer))
