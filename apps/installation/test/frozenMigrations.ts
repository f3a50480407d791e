/**
 * The list of migrations as they were released: `frozenMigrations.json`, kept by `node test/frozenMigrations.ts --update`.
 *
 * Before the first release the list follows the code. From then on it only grows: a line that is in it never changes.
 */
import { migrationSets } from "@hypermarket/installation/domains"
import * as Fs from "node:fs"
import * as Path from "node:path"
import manifest from "../package.json" with { type: "json" }

type Lines = Readonly<Record<string, string>>

const file = Path.join(import.meta.dirname, "frozenMigrations.json")

/** The version of a checkout from which nothing has been released. */
export const unreleased = "0.0.0"

export const release = manifest.version

/** Each migration of the code by its name: checksum and all that other releases rely on. */
export const current = (): Lines =>
  Object.fromEntries(
    migrationSets.flatMap(({ domain, migrations }) =>
      migrations.map(({ checksum, id, locks, name, oldestRelease, since, transactional }) => [
        `${domain} ${String(id).padStart(4, "0")}_${name}`,
        `${checksum} since ${since}, works with ${oldestRelease}, locks ${locks}${transactional ? "" : ", not transactional"}`
      ])
    )
  )

export const listed = (): Lines => {
  const lines: unknown = JSON.parse(Fs.readFileSync(file, "utf8"))
  if (typeof lines !== "object" || lines === null) throw new TypeError(`${file} is not a list of migrations`)
  return Object.fromEntries(Object.entries(lines).map(([name, line]) => [name, String(line)]))
}

/** The list after an update. Throws when the update would change what has been released. */
export const updated = (before: Lines, now: Lines, version: string): Lines => {
  if (version === unreleased) return now
  for (const [name, line] of Object.entries(before)) {
    if (now[name] !== line)
      throw new Error(`${name} has been released and may not change: write a new migration`)
  }
  return now
}

if (import.meta.main && process.argv.includes("--update")) {
  const before = Fs.existsSync(file) ? listed() : {}
  Fs.writeFileSync(file, `${JSON.stringify(updated(before, current(), release), null, 2)}\n`)
}
