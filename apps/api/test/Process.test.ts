import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Fiber, Redacted, Schedule } from "effect"
import * as Http from "node:http"
import * as Path from "node:path"

const apps = Path.resolve(import.meta.dirname, "../..")
const apiScript = Path.join(apps, "api/src/main.ts")
const workerScript = Path.join(apps, "worker/src/main.ts")
const stoppableScript = Path.join(import.meta.dirname, "stoppable.ts")

const startApi = Effect.fnUntraced(function* (databaseUrl: string, script = apiScript) {
  const port = yield* ServiceProcess.freePort
  const service = yield* ServiceProcess.start(script, [], {
    DATABASE_URL: databaseUrl,
    HM_API_PORT: String(port),
    HM_API_ACCESS_LOG: "false"
  })
  const url = `http://127.0.0.1:${port}`
  return { service, url, ready: ServiceProcess.answers(service, `${url}/health/ready`) }
})

/** Opens a stream and waits for its first bytes. */
const openStream = (agent: Http.Agent, url: string) =>
  Effect.callback<void>((resume) => {
    const sent = Http.get(url, { agent }, (response) => {
      response.once("data", () => resume(Effect.void))
      response.on("error", () => undefined)
    })
    sent.on("error", () => undefined)
  })

const clients = 1_000

/** Inserts a tenant with a key that may read it, and returns the key. */
const insertKey = (databaseUrl: string) =>
  Effect.gen(function* () {
    const sql = yield* PgClient.PgClient
    yield* sql`
      INSERT INTO hm_tenant (tenant_id, name, plan, status, recorded_at, updated_at)
      VALUES ('acme', 'Acme', 'standard', 'active', now(), now())
    `
    const secret = "A".repeat(43)
    yield* sql`
      INSERT INTO hm_api_key (api_key_id, tenant_id, kind, name, environment, scopes, secret_hash, recorded_at, updated_at)
      VALUES ('0199a000-0000-7000-8000-000000000001', 'acme', 'server', 'test', 'live', '{platform:read}',
              sha256(${secret}::text::bytea), now(), now())
    `
    return `hm_0199a000000070008000000000000001_${secret}`
  }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(databaseUrl), maxConnections: 1 })))

describe("the API process", () => {
  it.live("ends with code 0 on SIGTERM, under 2,000 event streams, 20 deaf ones and 20 slow requests", () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* TestDatabase.TestDatabase
      const api = yield* startApi(databaseUrl, stoppableScript)
      yield* api.ready
      const agent = yield* DatabaseOutage.agentOf(Infinity)
      const streams = Array.from({ length: 2_020 }, (_, n) =>
        n % 101 === 0 ? "/test/deaf-stream" : "/test/events"
      )
      yield* Effect.forEach(streams, (path) => openStream(agent, api.url + path), { concurrency: 200 })
      for (let n = 0; n < 20; n++)
        yield* Effect.forkScoped(DatabaseOutage.request(agent, `${api.url}/test/slow`))
      const brief = yield* Effect.forkScoped(DatabaseOutage.request(agent, `${api.url}/test/brief`))
      // Each of them has arrived when another, sent later over its own connection, is answered.
      yield* DatabaseOutage.request(agent, `${api.url}/health/live`)
      yield* api.service.signal("SIGTERM")
      const exit = yield* api.service.exit
      assert.deepStrictEqual(exit, { code: 0, signal: null }, api.service.log())
      assert.strictEqual((yield* Fiber.join(brief)).status, 200)
    }).pipe(Effect.provide(TestDatabase.layerDatabase()))
  )

  it.live("and the worker migrate an empty database once when two of each start together", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const services = yield* Effect.forEach([apiScript, apiScript, workerScript, workerScript], (script) =>
        Effect.gen(function* () {
          const port = String(yield* ServiceProcess.freePort)
          const service = yield* ServiceProcess.start(script, [], {
            DATABASE_URL: url,
            HM_API_PORT: port,
            HM_WORKER_PORT: port
          })
          return { service, ready: ServiceProcess.answers(service, `http://127.0.0.1:${port}/health/ready`) }
        })
      )
      yield* Effect.forEach(services, ({ ready }) => ready, { concurrency: 4 })
      const applied = services.flatMap(({ service }) => service.log().match(/Applied \w+ \d{4}_\w+/g) ?? [])
      assert.isAbove(applied.length, 0)
      assert.lengthOf(new Set(applied), applied.length)
      yield* Effect.forEach(services, ({ service }) => service.signal("SIGTERM"))
      for (const { service } of services)
        assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null })
    }).pipe(Effect.provide(TestDatabase.layerDatabase()))
  )

  /** One outage as 1,000 clients see it that keep asking. */
  const outage = <E, R>(start: Effect.Effect<DatabaseOutage.Database, E, R>) =>
    Effect.gen(function* () {
      const database = yield* start
      const api = yield* startApi(database.server.url)
      yield* api.ready
      const key = yield* insertKey(database.server.url)
      const idleBytes = yield* ServiceProcess.residentBytes(api.service.pid)
      const asking = yield* DatabaseOutage.startClients({
        url: `${api.url}/v1/platform/tenant`,
        headers: { authorization: `Bearer ${key}` },
        clients
      })
      let peakBytes = 0
      yield* ServiceProcess.residentBytes(api.service.pid).pipe(
        Effect.tap((bytes) => Effect.sync(() => (peakBytes = Math.max(peakBytes, bytes)))),
        Effect.repeat(Schedule.spaced("100 millis")),
        Effect.forkScoped
      )
      yield* asking.untilEachGot(200, 1)
      yield* database.leave
      // No client waits for the database: each is refused, comes back, and is refused again.
      yield* asking.untilEachGot(503, 2)
      yield* database.comeBack
      yield* asking.untilEachGot(200, 1)
      const answers = asking.answers()
      const statuses = new Set(answers.map(({ status }) => status))
      assert.deepStrictEqual(statuses, new Set([200, 503]))
      for (const { retryAfter, status } of answers) if (status === 503) assert.isDefined(retryAfter)
      assert.isBelow(peakBytes, idleBytes * 1.5 + 150 * 1024 * 1024, `idle ${idleBytes}, peak ${peakBytes}`)
    })

  it.live("tells each of 1,000 clients to retry while Postgres is shut down, and recovers", () =>
    outage(DatabaseOutage.shutDown)
  )

  it.live("tells each of 1,000 clients to retry while Postgres is frozen, and recovers", () =>
    outage(DatabaseOutage.frozen)
  )
})
