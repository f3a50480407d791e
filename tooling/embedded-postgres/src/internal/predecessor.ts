/** A server that outlived the process that started it. */
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as OwnedProcess from "../OwnedProcess.ts"
import { attempt } from "./host.ts"

const goneInterval = "20 millis"

interface PidFile {
  readonly pid: number
  readonly port: number
  readonly status: string
}

export const readPidFile = (data: string): PidFile | undefined => {
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
    Effect.repeat({ until: (isGone) => isGone, schedule: Schedule.spaced(goneInterval) })
  )

export const stopProcess = Effect.fnUntraced(function* (pid: number) {
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
export const stopOrphan = Effect.fnUntraced(function* (data: string) {
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

export const urlOf = (home: string, port: number) =>
  attempt(() => {
    const password = Fs.readFileSync(Path.join(home, "password"), "utf8").trim()
    return `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  })
