/** API and worker processes under load, a key for them, and requests that tell a closed connection from an answer. */
import { PgClient } from "@effect/sql-pg"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TenantKey from "@hypermarket/testing/TenantKey"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Http from "node:http"
import * as Path from "node:path"

const apps = Path.resolve(import.meta.dirname, "../../../apps")
const apiScript = Path.join(apps, "api/src/main.ts")
const workerScript = Path.join(apps, "worker/src/main.ts")

const start = Effect.fnUntraced(function* (
  script: string,
  port: number,
  env: Readonly<Record<string, string>>
) {
  const service = yield* ServiceProcess.start(script, [], env)
  const url = `http://127.0.0.1:${port}`
  yield* ServiceProcess.answers(service, `${url}/health/ready`)
  return { service, url }
})

/** Starts an API process and waits until it is ready. */
export const startApi = (databaseUrl: string, port: number, env: Readonly<Record<string, string>> = {}) =>
  start(apiScript, port, {
    ...env,
    DATABASE_URL: databaseUrl,
    HM_API_PORT: String(port),
    HM_API_ACCESS_LOG: "false"
  })

/** Starts a worker process and waits until it is ready. */
export const startWorker = (databaseUrl: string, port: number, env: Readonly<Record<string, string>> = {}) =>
  start(workerScript, port, { ...env, DATABASE_URL: databaseUrl, HM_WORKER_PORT: String(port) })

/** Makes a tenant and a server key of it. */
export const makeKey = (databaseUrl: string, tenant: string, scopes: ReadonlyArray<string>) =>
  TenantKey.makeTenant(tenant).pipe(
    Effect.andThen(TenantKey.make({ tenant, scopes })),
    Effect.provide(PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections: 1 }))
  )

export interface Answer {
  /** 0 for a connection that ended before the first byte, -1 for one that ended within the answer. */
  readonly status: number
  readonly text: string
}

/** One request over the connections of an agent. */
export const request = (
  agent: Http.Agent,
  url: string,
  options: {
    readonly method: string
    readonly headers: Readonly<Record<string, string>>
    readonly body?: string
  }
) =>
  Effect.callback<Answer>((resume) => {
    const sent = Http.request(
      url,
      { agent, headers: options.headers, method: options.method },
      (response) => {
        let text = ""
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
        response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, text })))
        response.on("error", ({ message }) => resume(Effect.succeed({ status: -1, text: message })))
      }
    )
    sent.on("error", ({ message }) => resume(Effect.succeed({ status: 0, text: message })))
    sent.end(options.body)
  })

/** Connections that are kept between requests, as clients keep them. */
export const agent = Effect.acquireRelease(
  Effect.sync(() => new Http.Agent({ keepAlive: true })),
  (agent) => Effect.sync(() => agent.destroy())
)
