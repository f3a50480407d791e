/** The command as a user runs it: a separate process, its two outputs, its exit code. */
import { PgClient } from "@effect/sql-pg"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { Effect, Redacted, Schedule, Schema } from "effect"
import * as Fs from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"

const mainScript = Path.resolve(import.meta.dirname, "../src/main.ts")

/** Variables that a developer's shell may have set must not decide a test. */
const environment = { FORCE_COLOR: "", NO_COLOR: "", HM_LOG_LEVEL: "Warn" }

export const start = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
  ServiceProcess.start(mainScript, args, { ...environment, ...env })

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export const run = Effect.fnUntraced(function* (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
) {
  const process = yield* start(args, env)
  const { code } = yield* process.exit
  const finished: Finished = { code, stdout: process.output(), stderr: process.log() }
  return finished
}, Effect.scoped)

/** Reads an output that must be one JSON document of exactly this form. */
export const decode =
  <A, I>(schema: Schema.Codec<A, I>) =>
  ({ stdout }: Finished) =>
    Schema.decodeEffect(Schema.fromJsonString(schema))(stdout, { onExcessProperty: "error" })

export const query = (url: string, text: string) =>
  Effect.flatMap(PgClient.PgClient, (sql) => sql.unsafe<Record<string, unknown>>(text)).pipe(
    Effect.provide(PgClient.layer({ url: Redacted.make(url), maxConnections: 1 }))
  )

/** A folder that Postgres, which does not run as root, can enter. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => {
    const made = Fs.mkdtempSync(Path.join(tmpdir(), "hm-test-cli-"))
    Fs.chmodSync(made, 0o755)
    return made
  }),
  (made) => Effect.sync(() => Fs.rmSync(made, { recursive: true, force: true }))
)

/** The processes that work in a folder or below: for a data folder its Postgres. */
export const processesIn = (directory: string): ReadonlyArray<number> =>
  Fs.readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      return Fs.readlinkSync(`/proc/${name}/cwd`).startsWith(directory) ? [Number(name)] : []
    } catch {
      // It has ended meanwhile.
      return []
    }
  })

export const until = (condition: () => boolean) =>
  Effect.sync(condition).pipe(
    Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("10 millis") })
  )
