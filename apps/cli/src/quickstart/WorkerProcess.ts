/** Runs the worker in its own process, so that the system can serve requests before background work. */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { domains } from "@hypermarket/installation/domains"
import * as Startup from "@hypermarket/installation/Startup"
import * as Worker from "@hypermarket/worker/Worker"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { type ChildProcess, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { failed } from "../CommandFailed.ts"
import type * as Roles from "./Roles.ts"

/** The script of the worker: a bundle has it in a folder beside this code. */
const script = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./workerMain.ts" : "./quickstart/workerMain.js", import.meta.url)
)

const settingNames = [
  ...[CoreDomain.domain, ...domains].flatMap((domain) => domain.settings),
  ...Startup.settings,
  ...Worker.settings
].map(({ name }) => name)

/** The settings of this process: those of its environment, and those that the quickstart has set for itself. */
const environment = Effect.gen(function* () {
  const settings: Record<string, string> = { HM_LOG_LEVEL: "Warn" }
  for (const name of settingNames) {
    const value = yield* Config.option(Config.String(name))
    if (Option.isSome(value)) settings[name] = value.value
  }
  return settings
})

const ended = (child: ChildProcess) =>
  Effect.callback<string>((resume) => {
    const resumeWith = () => resume(Effect.succeed(String(child.exitCode ?? child.signalCode)))
    if (child.exitCode !== null || child.signalCode !== null) resumeWith()
    else child.once("exit", resumeWith)
  })

/** Starts the worker and returns its port when it takes work. It stops with the scope. */
export const start = Effect.fn("WorkerProcess.start")(function* ({ api, owner }: Roles.Urls) {
  const settings = yield* environment
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [script], {
        env: {
          ...process.env,
          ...settings,
          DATABASE_URL: api,
          DATABASE_DIRECT_URL: api,
          DATABASE_OWNER_URL: owner
        },
        // Standard output is for the results of the quickstart.
        stdio: ["ignore", process.stderr.fd, "inherit", "ipc"]
      })
    ),
    (running) =>
      Effect.suspend(() => {
        running.kill("SIGTERM")
        return ended(running)
      })
  )
  const port = Effect.callback<number>((resume) => {
    child.once("message", (message) => resume(Effect.succeed(Number(message))))
  })
  const failedEarly = Effect.flatMap(ended(child), (code) =>
    failed(`The worker ended with ${code} before it took work`)
  )
  const listening = yield* Effect.raceFirst(port, failedEarly)
  yield* Effect.forkScoped(
    Effect.flatMap(ended(child), (code) => Effect.logError(`The worker ended with ${code}`))
  )
  return listening
})
