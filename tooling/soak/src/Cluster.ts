/**
 * A separate Postgres with production durability. It is killed, stopped or frozen, and comes back on the same port with the
 * same data.
 */
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"

export interface Cluster {
  readonly url: string
  /** `kill -9` of the postmaster, and a new one. */
  readonly killAndStart: Effect.Effect<void, EmbeddedPostgres.EmbeddedPostgresError>
  /** The same with a time in which there is no server. */
  readonly killAndStartAfter: (
    pause: Duration.Input
  ) => Effect.Effect<void, EmbeddedPostgres.EmbeddedPostgresError>
  /** A shutdown in order, as for an upgrade: sessions end with an error. A new server after a pause. */
  readonly stopAndStartAfter: (
    pause: Duration.Input
  ) => Effect.Effect<void, EmbeddedPostgres.EmbeddedPostgresError>
  /** Stops all processes of the server for a time, as a machine that is moved does: sessions hang. */
  readonly freeze: (millis: number) => Effect.Effect<void>
}

/** The processes that a process has started. */
const childrenOf = (pid: number): ReadonlyArray<number> =>
  Fs.readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        // The name of the program is in parentheses and may have spaces.
        const stat = Fs.readFileSync(`/proc/${name}/stat`, "utf8")
        const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
        return Number(parent) === pid ? [Number(name)] : []
      } catch {
        // It has ended meanwhile.
        return []
      }
    })

const signalAll = (pids: ReadonlyArray<number>, signal: NodeJS.Signals) =>
  Effect.forEach(pids, (pid) => Effect.ignore(Effect.try(() => process.kill(pid, signal))), { discard: true })

/** A folder that every user can pass through: as root, Postgres runs as another user. */
export const temporaryFolder = (name: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const made = Fs.mkdtempSync(Path.join(tmpdir(), `hm-test-${name}-`))
      Fs.chmodSync(made, 0o711)
      return made
    }),
    (made) => Effect.sync(() => Fs.rmSync(made, { recursive: true, force: true }))
  )

const isGone = (pid: number) =>
  Effect.try(() => process.kill(pid, 0)).pipe(
    Effect.as(false),
    Effect.orElseSucceed(() => true)
  )

export const make = Effect.fnUntraced(function* (settings: Readonly<Record<string, string>> = {}) {
  const directory = yield* temporaryFolder("soak")
  const port = yield* ServiceProcess.freePort
  const startServer = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const server = yield* EmbeddedPostgres.start({
      directory,
      port,
      durability: "production",
      settings
    }).pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
    return { server, scope }
  })
  let current = yield* startServer
  yield* Effect.addFinalizer(() => Scope.close(current.scope, Exit.void))
  const killAndStartAfter = Effect.fnUntraced(function* (pause: Duration.Input) {
    const { scope, server } = current
    yield* Effect.sync(() => process.kill(server.pid, "SIGKILL"))
    yield* isGone(server.pid).pipe(
      Effect.repeat({ until: (gone) => gone, schedule: Schedule.spaced("5 millis") })
    )
    yield* Scope.close(scope, Exit.void)
    yield* Effect.sleep(pause)
    current = yield* startServer
  }, Effect.uninterruptible)
  const stopAndStartAfter = Effect.fnUntraced(function* (pause: Duration.Input) {
    yield* Scope.close(current.scope, Exit.void)
    yield* Effect.sleep(pause)
    current = yield* startServer
  }, Effect.uninterruptible)
  const freeze = (millis: number) =>
    Effect.suspend(() => {
      const { pid } = current.server
      // The postmaster first: it starts no more.
      const frozen = signalAll([pid], "SIGSTOP").pipe(
        Effect.andThen(Effect.sync(() => [...childrenOf(pid), pid])),
        Effect.tap((pids) => signalAll(pids, "SIGSTOP"))
      )
      return Effect.acquireUseRelease(
        frozen,
        () => Effect.sleep(millis),
        (pids) => signalAll(pids, "SIGCONT")
      )
    })
  const cluster: Cluster = {
    url: current.server.url,
    killAndStart: killAndStartAfter(0),
    killAndStartAfter,
    stopAndStartAfter,
    freeze
  }
  return cluster
})
