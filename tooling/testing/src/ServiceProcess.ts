/**
 * Service processes of ours in tests: started, waited for, signalled, killed; and random killing from a printed seed.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { createServer } from "node:net"

export class ServiceFailed extends Schema.TaggedError<ServiceFailed>()("ServiceFailed", {
  message: Schema.String
}) {}

export interface Exit {
  readonly code: number | null
  readonly signal: string | null
}

export interface ServiceProcess {
  readonly pid: number
  /** Returns its standard error so far. */
  readonly log: () => string
  /** Returns its standard output so far: all of it once it has ended. */
  readonly output: () => string
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly exit: Effect.Effect<Exit>
}

const logLengthMax = 200_000
const outputLengthMax = 2_000_000

/** A port that was free a moment ago. */
export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() =>
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
    )
  })
})

/** Starts `node <script>`; it is killed when the scope closes. */
export const start = (script: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync((): ServiceProcess => {
      const child = spawn(process.execPath, [script, ...args], {
        env: { ...process.env, ...env },
        stdio: ["ignore", "pipe", "pipe"]
      })
      let log = ""
      let output = ""
      let ended: Exit | undefined
      child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
        log = (log + chunk).slice(-logLengthMax)
      })
      child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
        output = (output + chunk).slice(-outputLengthMax)
      })
      // `close` comes when what it has written is read, `exit` may come before.
      child.once("close", (code, signal) => (ended = { code, signal }))
      return {
        pid: child.pid ?? 0,
        log: () => log,
        output: () => output,
        signal: (signal) => Effect.sync(() => void child.kill(signal)),
        exit: Effect.callback<Exit>((resume) => {
          if (ended !== undefined) return resume(Effect.succeed(ended))
          child.once("close", (code, signal) => resume(Effect.succeed({ code, signal })))
        })
      }
    }),
    (service) => Effect.andThen(service.signal("SIGKILL"), service.exit)
  )

/** A request that gets no answer by then is sent again. */
const answerMillisMax = 5_000

/** Waits until a URL answers with the status. Fails when the process ends first. */
export const answers = (service: ServiceProcess, url: string, status = 200) =>
  Effect.raceFirst(
    Effect.promise((signal) =>
      fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(answerMillisMax)]) })
        // A body that is cancelled instead has left its connection, and the wait, hanging.
        .then((response) => response.arrayBuffer().then(() => response.status))
        .catch(() => 0)
    ).pipe(
      Effect.repeat({ until: (found) => found === status, schedule: Schedule.spaced("25 millis") }),
      Effect.asVoid
    ),
    Effect.flatMap(service.exit, (exit) =>
      Effect.fail(new ServiceFailed({ message: `ended with ${exit.code ?? exit.signal}: ${service.log()}` }))
    )
  )

/** Resident memory of a process, in bytes (Linux). */
export const residentBytes = (pid: number) =>
  Effect.promise(async () => {
    const { readFile } = await import("node:fs/promises")
    const statm = await readFile(`/proc/${pid}/statm`, "utf8")
    return Number(statm.split(" ")[1]) * 4096
  })
