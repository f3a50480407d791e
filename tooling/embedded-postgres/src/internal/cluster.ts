/** The cluster of a home: made by initdb, refused, or taken over. */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import type { Versioned } from "./binaries.ts"
import { attempt, failure, identity, isRoot, nobody } from "./host.ts"
import { stopOrphan } from "./predecessor.ts"

/** From it on `initdb` knows the locale that is the same everywhere. */
const builtinLocaleSince = 17

/** Reads the state of the cluster's folder. `half_made` is that of an initdb that was killed. */
const inspect = (home: string): "absent" | "half_made" | "foreign" | { readonly version: string } => {
  const data = Path.join(home, "data")
  if (!Fs.existsSync(data) || Fs.readdirSync(data).length === 0) return "absent"
  const versionFile = Path.join(data, "PG_VERSION")
  if (!Fs.existsSync(versionFile)) return Fs.existsSync(Path.join(data, "base")) ? "half_made" : "foreign"
  const isWhole =
    Fs.existsSync(Path.join(data, "global", "pg_control")) && Fs.existsSync(Path.join(home, "password"))
  return isWhole ? { version: Fs.readFileSync(versionFile, "utf8").trim() } : "half_made"
}

const initialise = Effect.fnUntraced(function* (binaries: Versioned, home: string, durable: boolean) {
  const data = Path.join(home, "data")
  const fresh = Path.join(home, `new-${process.pid}`)
  const password = randomBytes(18).toString("hex")
  yield* attempt(() => {
    for (const name of Fs.readdirSync(home)) {
      if (name.startsWith("new-")) Fs.rmSync(Path.join(home, name), { recursive: true, force: true })
    }
    Fs.mkdirSync(fresh)
    Fs.writeFileSync(Path.join(fresh, "password"), password, { mode: 0o600 })
    if (isRoot) {
      Fs.chownSync(fresh, nobody, nobody)
      Fs.chownSync(Path.join(fresh, "password"), nobody, nobody)
    }
  })
  const made = yield* Effect.sync(() =>
    spawnSync(
      binaries.initdb,
      [
        "-D",
        Path.join(fresh, "data"),
        "-U",
        "postgres",
        "--auth=scram-sha-256",
        `--pwfile=${Path.join(fresh, "password")}`,
        "--encoding=UTF8",
        ...(binaries.major >= builtinLocaleSince
          ? ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
          : ["--locale=C.UTF-8"]),
        ...(durable ? [] : ["--no-sync"])
      ],
      { ...identity, cwd: "/", encoding: "utf8" }
    )
  )
  if (made.status !== 0) {
    return yield* failure("start_failed", `initdb failed: ${made.stderr || made.error?.message}`)
  }
  yield* attempt(() => {
    Fs.rmSync(data, { recursive: true, force: true })
    Fs.renameSync(Path.join(fresh, "password"), Path.join(home, "password"))
    if (isRoot) Fs.chownSync(Path.join(home, "password"), 0, 0)
    // Last: a cluster that stands at its place is whole.
    Fs.renameSync(Path.join(fresh, "data"), data)
    Fs.rmSync(fresh, { recursive: true, force: true })
  })
})

export const prepare = Effect.fnUntraced(function* (binaries: Versioned, home: string, durable: boolean) {
  const data = Path.join(home, "data")
  const found = yield* attempt(() => inspect(home))
  if (found === "foreign") {
    return yield* failure("not_a_data_folder", `${data} holds something that is not a Postgres cluster`)
  }
  if (found === "half_made") {
    yield* attempt(() => Fs.renameSync(data, `${data}.half-made-${randomBytes(4).toString("hex")}`))
    yield* Effect.logWarning(`${data} was half made; it was set aside and a new cluster is made`)
  }
  if (found === "absent" || found === "half_made") return yield* initialise(binaries, home, durable)
  if (found.version !== String(binaries.major)) {
    return yield* failure(
      "wrong_version",
      `${data} belongs to Postgres ${found.version}, these binaries are Postgres ${binaries.major}: dump it with the old version, or choose another folder`
    )
  }
  yield* stopOrphan(data)
})
