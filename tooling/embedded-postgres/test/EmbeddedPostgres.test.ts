import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"

const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const made = Fs.mkdtempSync(Path.join(tmpdir(), "hm-test-"))
    Fs.chmodSync(made, 0o755)
    return made
  }),
  (made) => Effect.sync(() => Fs.rmSync(made, { recursive: true, force: true }))
)

const query = (url: string, text: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe<Record<string, unknown>>(text)).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
  )

const isAlive = (pid: number): boolean => {
  const stat = Fs.existsSync(`/proc/${pid}/stat`) ? Fs.readFileSync(`/proc/${pid}/stat`, "utf8") : ""
  return stat !== "" && !stat.includes(") Z ")
}

const until = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("20 millis") })
  )

/** Another process that starts a persistent server, prints its pid and sleeps, until it is killed. */
const startElsewhere = (directory: string) =>
  Effect.callback<{ readonly child: ChildProcess; readonly pid: number }>((resume) => {
    const child = spawn(process.execPath, [Path.join(import.meta.dirname, "holder.ts"), directory], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    child.stdout.setEncoding("utf8").once("data", (line: string) => {
      resume(Effect.succeed({ child, pid: Number(line) }))
    })
  })

const kill = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

/** Removes the data of a closed folder. Where the tests run as root it is elsewhere, and no one else removes it. */
const removeMoved = (server: EmbeddedPostgres.Server, directory: string) => {
  const home = Path.dirname(server.dataDirectory)
  return home === directory
    ? Effect.void
    : Effect.addFinalizer(() => Effect.sync(() => Fs.rmSync(home, { recursive: true, force: true })))
}

describe("EmbeddedPostgres", () => {
  it.live("throws a server without a directory away, with its folder and its process", () =>
    Effect.gen(function* () {
      const gone = yield* Effect.scoped(
        Effect.gen(function* () {
          const server = yield* EmbeddedPostgres.start({ durability: "fast" })
          const [row] = yield* query(
            server.url,
            "SELECT current_setting('server_version_num')::int / 10000 AS major"
          )
          assert.strictEqual(row?.major, EmbeddedPostgres.majorVersion)
          return server
        })
      )
      assert.isFalse(Fs.existsSync(gone.dataDirectory))
      assert.isFalse(isAlive(gone.pid))
    })
  )

  it.live("keeps what was written to a directory for the next start", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const start = EmbeddedPostgres.start({ directory })
      yield* Effect.scoped(
        Effect.flatMap(start, ({ url }) => query(url, "CREATE TABLE kept AS SELECT 42 AS n"))
      )
      const rows = yield* Effect.scoped(Effect.flatMap(start, ({ url }) => query(url, "SELECT n FROM kept")))
      assert.deepStrictEqual(rows, [{ n: 42 }])
    })
  )

  it.live("takes over from a predecessor that was killed while its server runs on", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const { child, pid } = yield* startElsewhere(directory)
      yield* kill(child)
      assert.isTrue(isAlive(pid), "the orphan should have outlived its parent")
      const server = yield* EmbeddedPostgres.start({ directory })
      assert.isFalse(isAlive(pid))
      assert.deepStrictEqual(yield* query(server.url, "SELECT n FROM kept"), [{ n: 1 }])
    })
  )

  it.live("takes over from a predecessor whose orphaned server is frozen", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const { child, pid } = yield* startElsewhere(directory)
      yield* kill(child)
      process.kill(pid, "SIGSTOP")
      const server = yield* EmbeddedPostgres.start({ directory })
      assert.isFalse(isAlive(pid))
      assert.deepStrictEqual(yield* query(server.url, "SELECT n FROM kept"), [{ n: 1 }])
    })
  )

  it.live("starts after the postmaster itself was killed and left its pid file and shared memory", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const { child, pid } = yield* startElsewhere(directory)
      process.kill(pid, "SIGKILL")
      yield* kill(child)
      yield* until(() => !isAlive(pid))
      const server = yield* EmbeddedPostgres.start({ directory })
      assert.deepStrictEqual(yield* query(server.url, "SELECT n FROM kept"), [{ n: 1 }])
    })
  )

  it.live("does not touch a process that was given a dead postmaster's pid", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const { child, pid } = yield* startElsewhere(directory)
      const pidFile = Path.join(directory, "data", "postmaster.pid")
      const lines = Fs.readFileSync(pidFile, "utf8").split("\n")
      process.kill(pid, "SIGQUIT")
      yield* kill(child)
      yield* until(() => !isAlive(pid))
      const bystander = spawn("sleep", ["600"])
      lines[0] = String(bystander.pid)
      Fs.writeFileSync(pidFile, lines.join("\n"))
      const server = yield* EmbeddedPostgres.start({ directory })
      assert.deepStrictEqual(yield* query(server.url, "SELECT n FROM kept"), [{ n: 1 }])
      assert.isTrue(isAlive(bystander.pid ?? 0))
      yield* kill(bystander)
    })
  )

  it.live("refuses a directory that a living process runs, and says which", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const { child, pid } = yield* startElsewhere(directory)
      const error = yield* Effect.flip(Effect.scoped(EmbeddedPostgres.start({ directory })))
      assert.strictEqual(error.reason, "in_use")
      assert.include(error.message, String(child.pid))
      assert.isTrue(isAlive(pid))
      yield* kill(child)
      // Takes the orphan along.
      yield* Effect.scoped(EmbeddedPostgres.start({ directory }))
    })
  )

  it.live("refuses a directory that this process runs already", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const first = yield* EmbeddedPostgres.start({ directory })
      const error = yield* Effect.flip(Effect.scoped(EmbeddedPostgres.start({ directory })))
      assert.strictEqual(error.reason, "in_use")
      assert.lengthOf(yield* query(first.url, "SELECT 1 AS one"), 1)
    })
  )

  it.live("sets a half-made cluster aside and makes a new one", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      Fs.mkdirSync(Path.join(directory, "data", "base"), { recursive: true })
      Fs.writeFileSync(Path.join(directory, "data", "PG_VERSION"), "18\n")
      const server = yield* EmbeddedPostgres.start({ directory })
      assert.lengthOf(yield* query(server.url, "SELECT 1 AS one"), 1)
      assert.isTrue(Fs.readdirSync(directory).some((name) => name.startsWith("data.half-made-")))
    })
  )

  it.live("refuses a cluster of another major version", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      yield* Effect.scoped(EmbeddedPostgres.start({ directory }))
      Fs.writeFileSync(Path.join(directory, "data", "PG_VERSION"), "17\n")
      const error = yield* Effect.flip(Effect.scoped(EmbeddedPostgres.start({ directory })))
      assert.strictEqual(error.reason, "wrong_version")
      assert.include(error.message, "Postgres 17")
    })
  )

  it.live("names the program that is missing from the binaries it was given", () =>
    Effect.gen(function* () {
      const binaries = yield* folder
      const error = yield* Effect.flip(Effect.scoped(EmbeddedPostgres.start({ binaries })))
      assert.strictEqual(error.reason, "start_failed")
      assert.include(error.message, Path.join(binaries, "postgres"))
    })
  )

  it.live("refuses a folder that holds something else, and leaves it", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      Fs.mkdirSync(Path.join(directory, "data"))
      Fs.writeFileSync(Path.join(directory, "data", "holiday.txt"), "sea")
      const error = yield* Effect.flip(Effect.scoped(EmbeddedPostgres.start({ directory })))
      assert.strictEqual(error.reason, "not_a_data_folder")
      assert.strictEqual(Fs.readFileSync(Path.join(directory, "data", "holiday.txt"), "utf8"), "sea")
    })
  )

  it.live("runs below a folder that only its owner may enter", () =>
    Effect.gen(function* () {
      const closed = yield* folder
      Fs.chmodSync(closed, 0o700)
      const directory = Path.join(closed, "deep", "postgres")
      const server = yield* EmbeddedPostgres.start({ directory })
      assert.lengthOf(yield* query(server.url, "SELECT 1 AS one"), 1)
      yield* removeMoved(server, directory)
    })
  )

  it.live("keeps the data of such a folder for the next start, and not beyond the folder itself", () =>
    Effect.gen(function* () {
      const closed = yield* folder
      Fs.chmodSync(closed, 0o700)
      const directory = Path.join(closed, "deep", "postgres")
      const tables = Effect.scoped(
        Effect.gen(function* () {
          const server = yield* EmbeddedPostgres.start({ directory })
          yield* query(server.url, "CREATE TABLE IF NOT EXISTS kept (n int)")
          yield* query(server.url, "INSERT INTO kept VALUES (1)")
          return { server, rows: yield* query(server.url, "SELECT n FROM kept") }
        })
      )
      yield* removeMoved((yield* tables).server, directory)
      assert.lengthOf((yield* tables).rows, 2)
      Fs.rmSync(Path.join(closed, "deep"), { recursive: true })
      assert.lengthOf((yield* tables).rows, 1)
    })
  )

  it.live("sweeps a throw-away server whose process was killed, and nothing of others", () =>
    Effect.gen(function* () {
      const { child, pid } = yield* startElsewhere("")
      const home = Path.dirname(Fs.readlinkSync(`/proc/${pid}/cwd`))
      const mine = yield* EmbeddedPostgres.start({ durability: "fast" })
      yield* kill(child)
      yield* Effect.scoped(EmbeddedPostgres.start({ durability: "fast" }))
      assert.isFalse(isAlive(pid))
      assert.isFalse(Fs.existsSync(home))
      assert.isTrue(isAlive(mine.pid))
    })
  )
})
