/** The API's process and a key for it, for tests that need the process itself. */
import { PgClient } from "@effect/sql-pg"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { Effect, Redacted } from "effect"
import * as Path from "node:path"

export const apiScript = Path.resolve(import.meta.dirname, "../src/main.ts")
export const workerScript = Path.resolve(import.meta.dirname, "../../worker/src/main.ts")

/** The API with routes that wait, echo and stream under /test. */
export const stoppableScript = Path.join(import.meta.dirname, "stoppable.ts")

/** Starts an API process and waits until it is ready. */
export const startApi = Effect.fnUntraced(function* (
  databaseUrl: string,
  options: {
    readonly port?: number
    readonly script?: string
    readonly env?: Readonly<Record<string, string>>
  } = {}
) {
  const port = options.port ?? (yield* ServiceProcess.freePort)
  const service = yield* ServiceProcess.start(options.script ?? apiScript, [], {
    DATABASE_URL: databaseUrl,
    HM_API_PORT: String(port),
    ...options.env
  })
  const url = `http://127.0.0.1:${port}`
  yield* ServiceProcess.answers(service, `${url}/health/ready`)
  return { service, url }
})

/** Makes a tenant, when it is new, and a key of it. */
export const makeKey = (
  databaseUrl: string,
  options: {
    readonly tenant: string
    readonly scopes: ReadonlyArray<string>
    readonly kind?: "server" | "client"
  }
) =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    const keyId = crypto.randomUUID()
    const secret = keyId.replaceAll("-", "").padEnd(43, "B")
    yield* sql`
      INSERT INTO hm_tenant (tenant_id, name, plan, status, recorded_at, updated_at)
      VALUES (${options.tenant}, ${options.tenant}, 'standard', 'active', now(), now())
      ON CONFLICT DO NOTHING
    `
    yield* sql`
      INSERT INTO hm_api_key (api_key_id, tenant_id, kind, name, environment, scopes, secret_hash, recorded_at, updated_at)
      VALUES (${keyId}, ${options.tenant}, ${options.kind ?? "server"}, 'test', 'live', ${options.scopes}::text[],
              sha256(${secret}::text::bytea), now(), now())
    `
    return `hm_${keyId.replaceAll("-", "")}_${secret}`
  }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections: 1 })))
