/**
 * PgBouncer in transaction mode, as Debian packages it.
 */
import { Effect, Schedule } from "effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { accessSync, chmodSync, constants, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"

const isExecutable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const folders = [...(process.env["PATH"] ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"]

/** Where it is installed; undefined when it is not. */
export const binary = folders.map((folder) => Path.join(folder, "pgbouncer")).find(isExecutable)

/** Fewer than the clients have connections, so that transactions of several share one. */
export const serverConnectionsMax = 3

/** It refuses to run as root. */
const nobody = 65_534
const identity = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {}

const settingsOf = (server: URL, port: number): string => `
[databases]
* = host=${server.hostname} port=${server.port} user=${server.username} password=${server.password}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${serverConnectionsMax}
`

const isListening = (port: number) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", () => resume(Effect.succeed(false)))
  })

/** Starts one in front of a server, and gives the URL of the same database through it. */
export const start = Effect.fn("PgBouncer.start")(function* (program: string, url: string) {
  const port = yield* ServiceProcess.freePort
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(Path.join(tmpdir(), "hm-pgbouncer-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )
  const settings = Path.join(folder, "pgbouncer.ini")
  writeFileSync(settings, settingsOf(new URL(url), port))
  chmodSync(folder, 0o755)
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(program, ["--quiet", settings], { ...identity, stdio: ["ignore", "ignore", "pipe"] })
    ),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null) return
        const exited = once(child, "exit")
        child.kill("SIGKILL")
        await exited
      })
  )
  let log = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => (log += text))
  yield* isListening(port).pipe(
    Effect.repeat({
      until: (listening) => listening || child.exitCode !== null,
      schedule: Schedule.spaced("10 millis")
    })
  )
  if (child.exitCode !== null) return yield* Effect.die(new Error(`pgbouncer ended: ${log}`))
  const pooled = new URL(url)
  pooled.host = `127.0.0.1:${port}`
  return pooled.toString()
})
