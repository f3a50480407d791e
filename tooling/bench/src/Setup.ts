/**
 * Set-up of the benches: a separate Postgres with production durability, our built services, a tenant and a key.
 */
import * as Database from "@hypermarket/core/Database"
import { TenantId } from "@hypermarket/core/Tenant"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import { repository as root } from "@hypermarket/testing/PackagePrograms"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TenantKey from "@hypermarket/testing/TenantKey"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as Bench from "./Bench.ts"

export class SetupFailed extends Schema.TaggedError<SetupFailed>()("SetupFailed", {
  message: Schema.String
}) {}

/** Runs a program to its end; what it wrote to standard error is the error. */
export const command = (
  text: string,
  args: ReadonlyArray<string>,
  cwd: string,
  env: Readonly<Record<string, string>> = {}
) =>
  Effect.callback<void, SetupFailed>((resume) => {
    const child = spawn(text, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"]
    })
    let errors = ""
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (errors += chunk))
    child.once("error", (cause) => resume(Effect.fail(new SetupFailed({ message: cause.message }))))
    child.once("exit", (code) =>
      resume(
        code === 0
          ? Effect.void
          : Effect.fail(new SetupFailed({ message: `${text} ${args.join(" ")}: ${errors}` }))
      )
    )
  })

/** Builds api and worker: what is measured is what is shipped. */
export const build = Effect.andThen(
  Bench.say("building"),
  command("turbo", ["run", "build", "--output-logs=errors-only"], root)
)

/** Installs the peers from their own lockfile. */
export const installPeers = Effect.andThen(
  Bench.say("installing the peers"),
  command(
    "npx",
    ["-y", "pnpm@12.21.0", "install", "--frozen-lockfile", "--ignore-workspace"],
    Path.join(root, "tooling/bench/peers")
  )
)

/** Runs a peer's script on a job and returns its answer: both are JSON in files. */
export const peerAnswer = <S extends Schema.ConstraintDecoder<unknown>>(
  script: string,
  job: object,
  answer: S
) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(Path.join(tmpdir(), "hm-bench-peer-"))),
    (folder) =>
      Effect.gen(function* () {
        const input = Path.join(folder, "input.json")
        const output = Path.join(folder, "output.json")
        yield* Effect.try(() => writeFileSync(input, JSON.stringify(job)))
        yield* command(
          process.execPath,
          ["--max-old-space-size=4000", peerScript(script), input, output],
          folder
        )
        const text = yield* Effect.try(() => readFileSync(output, "utf8"))
        return yield* Schema.decodeUnknownEffect(Schema.fromJsonString(answer))(text)
      }),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
  )

export const peerScript = (name: string) => Path.join(root, "tooling/bench/peers", name)
const apiScript = Path.join(root, "apps/api/dist/main.js")
const workerScript = Path.join(root, "apps/worker/dist/main.js")
const cliScript = Path.join(root, "apps/cli/src/main.ts")

export const tenantId = TenantId.make("bench")

/** A migrated database with the tenant `bench` and a key that may read the platform. */
export const database = Effect.fnUntraced(function* (
  settings: Readonly<Record<string, string>>,
  scopes: ReadonlyArray<string> = ["platform:admin"]
) {
  const server = yield* EmbeddedPostgres.start({ durability: "production", settings })
  return yield* tenantWithKey(server.url, scopes)
})

/** Migrates a server's database, as an operator does, and creates the tenant `bench` with a key. */
export const tenantWithKey = Effect.fnUntraced(function* (url: string, scopes: ReadonlyArray<string>) {
  const options = TestDatabase.optionsOf(url)
  yield* command(process.execPath, [cliScript, "migrate"], root, { DATABASE_URL: url })
  const key = yield* TenantKey.makeTenant(tenantId).pipe(
    Effect.andThen(TenantKey.make({ tenant: tenantId, scopes })),
    Effect.provide(Database.layer(options, "hm-bench"))
  )
  return { url, options, key }
})

/** The API with streams that never end and requests that are slow, as its own test of stopping starts it. */
export const stoppableScript = Path.join(root, "apps/api/test/stoppable.ts")

export const startApi = Effect.fnUntraced(function* (
  url: string,
  env: Readonly<Record<string, string>> = {},
  script = apiScript
) {
  const port = yield* ServiceProcess.freePort
  const service = yield* ServiceProcess.start(script, [], {
    DATABASE_URL: url,
    HM_API_PORT: String(port),
    ...env
  })
  return { service, port, ready: ServiceProcess.answers(service, `http://127.0.0.1:${port}/health/ready`) }
})

export const startWorker = Effect.fnUntraced(function* (url: string) {
  const port = yield* ServiceProcess.freePort
  const service = yield* ServiceProcess.start(workerScript, [], {
    DATABASE_URL: url,
    HM_WORKER_PORT: String(port)
  })
  return { service, port, ready: ServiceProcess.answers(service, `http://127.0.0.1:${port}/health/ready`) }
})
