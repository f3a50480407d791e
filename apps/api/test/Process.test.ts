import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Clock, Effect, Redacted, Schedule } from "effect"
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

interface Answer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly millis: number
}

/** One request over a connection pool of the given agent; status 0 for a broken connection. */
const request = (agent: Http.Agent, url: string, headers: Record<string, string> = {}) =>
  Effect.callback<Answer>((resume) => {
    const startedAt = performance.now()
    const answer = (status: number, retryAfter?: string) =>
      resume(Effect.succeed({ status, retryAfter, millis: performance.now() - startedAt }))
    const sent = Http.get(url, { agent, headers }, (response) => {
      response.on("error", () => answer(0))
      response.on("end", () => answer(response.statusCode ?? 0, response.headers["retry-after"]))
      response.resume()
    })
    sent.on("error", () => answer(0))
    return Effect.sync(() => sent.destroy())
  })

const agentOf = (maxSockets: number) =>
  Effect.acquireRelease(
    Effect.sync(() => new Http.Agent({ keepAlive: true, maxSockets })),
    (agent) => Effect.sync(() => agent.destroy())
  )

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

describe("the API process", () => {
  it.live("ends within 10 seconds of SIGTERM with code 0, under 200 open streams and 20 slow requests", () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* TestDatabase.TestDatabase
      const api = yield* startApi(databaseUrl, stoppableScript)
      yield* api.ready
      const agent = yield* agentOf(Infinity)
      const streams = Array.from({ length: 200 }, (_, n) =>
        n % 10 === 0 ? "/test/deaf-stream" : "/test/stream"
      )
      yield* Effect.forEach(streams, (path) => openStream(agent, api.url + path), { concurrency: 200 })
      for (let n = 0; n < 20; n++) yield* Effect.forkScoped(request(agent, `${api.url}/test/slow`))
      const brief = yield* Effect.forkScoped(request(agent, `${api.url}/test/brief`))
      // Each of them has arrived when another, sent later over its own connection, is answered.
      yield* request(agent, `${api.url}/health/live`)
      const before = yield* Clock.currentTimeMillis
      yield* api.service.signal("SIGTERM")
      const exit = yield* api.service.exit
      const millis = (yield* Clock.currentTimeMillis) - before
      assert.deepStrictEqual(exit, { code: 0, signal: null }, api.service.log())
      // The promise itself, and no statement about speed: slow requests are given 8 seconds.
      assert.isBelow(millis, 10_000)
      assert.strictEqual(brief.pollUnsafe()?._tag, "Success")
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

  /** What one absence of the database looked like to 1,000 clients who ask all the time. */
  const outage = Effect.fnUntraced(function* (
    away: (server: EmbeddedPostgres.Server) => Effect.Effect<void>,
    back: (server: EmbeddedPostgres.Server) => Effect.Effect<void>,
    start: (port?: number) => ReturnType<typeof EmbeddedPostgres.start>
  ) {
    const server = yield* start()
    const api = yield* startApi(server.url)
    yield* api.ready
    const key = yield* Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      yield* sql`INSERT INTO hm_tenant (tenant_id, name, plan, status, recorded_at, updated_at) VALUES ('acme', 'Acme', 'standard', 'active', now(), now())`
      const secret = "A".repeat(43)
      yield* sql`
        INSERT INTO hm_api_key (api_key_id, tenant_id, kind, name, environment, scopes, secret_hash, recorded_at, updated_at)
        VALUES ('0199a000-0000-7000-8000-000000000001', 'acme', 'server', 'test', 'live', '{platform:read}',
                sha256(${secret}::text::bytea), now(), now())
      `
      return `hm_0199a000000070008000000000000001_${secret}`
    }).pipe(Effect.provide(PgClient.layer({ url: Redacted.make(server.url), maxConnections: 1 })))
    const idleBytes = yield* ServiceProcess.residentBytes(api.service.pid)

    const agent = yield* agentOf(1_000)
    const answers: Array<Answer & { readonly at: number }> = []
    // A request without an answer leaves no trace among the answers: it is looked for here.
    const unanswered = new Set<{ readonly since: number }>()
    const ask = Effect.suspend(() => {
      const asked = { since: performance.now() }
      unanswered.add(asked)
      return request(agent, `${api.url}/v1/platform/tenant`, { authorization: `Bearer ${key}` }).pipe(
        Effect.tap((answer) =>
          Effect.sync(() => {
            unanswered.delete(asked)
            answers.push({ ...answer, at: performance.now() })
          })
        )
      )
    })
    assert.strictEqual((yield* ask).status, 200)
    // A client does what Retry-After says.
    const client = Effect.flatMap(ask, ({ status }) =>
      status === 200 ? Effect.yieldNow : Effect.sleep("1 second")
    )
    for (let n = 0; n < clients; n++) yield* Effect.forkScoped(Effect.forever(client))
    let peakBytes = 0
    let longestWaitMillis = 0
    let inFlightMax = 0
    yield* ServiceProcess.residentBytes(api.service.pid).pipe(
      Effect.tap((bytes) =>
        Effect.sync(() => {
          peakBytes = Math.max(peakBytes, bytes)
          inFlightMax = Math.max(inFlightMax, unanswered.size)
          for (const { since } of unanswered) {
            longestWaitMillis = Math.max(longestWaitMillis, performance.now() - since)
          }
        })
      ),
      Effect.repeat(Schedule.spaced("100 millis")),
      Effect.forkScoped
    )
    yield* Effect.sleep("2 seconds")
    yield* away(server)
    const awayAt = performance.now()
    yield* Effect.sleep("20 seconds")
    yield* back(server)
    const backAt = performance.now()
    const firstGood = yield* Effect.sync(() =>
      answers.find(({ at, millis, status }) => at - millis > backAt && status === 200)
    ).pipe(Effect.repeat({ until: (found) => found !== undefined, schedule: Schedule.spaced("20 millis") }))
    return { answers, awayAt, backAt, firstGood, idleBytes, inFlightMax, longestWaitMillis, peakBytes }
  }, Effect.scoped)

  const assertHeld = (seen: Effect.Success<ReturnType<typeof outage>>) => {
    const during = seen.answers.filter(({ at }) => at > seen.awayAt && at < seen.backAt)
    const statuses = new Map<number, number>()
    for (const { status } of during) statuses.set(status, (statuses.get(status) ?? 0) + 1)
    // Every client was there and was told, more than once: none of them hung on the absent database.
    assert.strictEqual(seen.inFlightMax, clients)
    assert.isAbove(statuses.get(503) ?? 0, 2 * clients, JSON.stringify(Array.from(statuses)))
    assert.isBelow(seen.longestWaitMillis, 5_000)
    for (const { millis, retryAfter, status } of seen.answers) {
      assert.include([200, 503], status)
      if (status === 503) assert.isDefined(retryAfter)
      assert.isBelow(millis, 5_000)
    }
    assert.isBelow(
      seen.peakBytes,
      seen.idleBytes * 1.5 + 150 * 1024 * 1024,
      `idle ${seen.idleBytes}, peak ${seen.peakBytes}`
    )
    assert.isBelow((seen.firstGood?.at ?? Infinity) - seen.backAt, 5_000)
  }

  // Promises about time: a machine that was held up for seconds by others says nothing about them, and is asked once more.
  const heldUp = { retry: 1 }

  it.live(
    "answers 1,000 clients within 5 seconds each while Postgres is shut down, and recovers",
    () =>
      Effect.gen(function* () {
        const directory = `${process.env.TMPDIR ?? "/tmp"}/hm-test-outage-${process.pid}`
        yield* Effect.addFinalizer(() =>
          Effect.promise(() =>
            import("node:fs/promises").then((fs) => fs.rm(directory, { recursive: true, force: true }))
          )
        )
        const gone = (pid: number) =>
          Effect.sync(() => {
            try {
              return process.kill(pid, 0)
            } catch {
              return false
            }
          }).pipe(Effect.repeat({ until: (alive) => !alive, schedule: Schedule.spaced("20 millis") }))
        const seen = yield* outage(
          (server) =>
            Effect.andThen(
              Effect.sync(() => process.kill(server.pid, "SIGINT")),
              gone(server.pid)
            ).pipe(Effect.asVoid),
          (server) =>
            EmbeddedPostgres.start({ directory, port: server.port }).pipe(
              Effect.asVoid,
              Effect.orDie
            ) as Effect.Effect<void>,
          () => EmbeddedPostgres.start({ directory })
        )
        assertHeld(seen)
      }),
    heldUp
  )

  it.live(
    "answers 1,000 clients within 5 seconds each while Postgres is frozen, and recovers",
    () =>
      Effect.gen(function* () {
        const signal = (name: NodeJS.Signals) => (server: EmbeddedPostgres.Server) =>
          Effect.promise(async () => {
            const { readFile } = await import("node:fs/promises")
            const children = await readFile(`/proc/${server.pid}/task/${server.pid}/children`, "utf8")
            for (const pid of [server.pid, ...children.trim().split(" ").map(Number)]) process.kill(pid, name)
          })
        const seen = yield* outage(signal("SIGSTOP"), signal("SIGCONT"), () => EmbeddedPostgres.start())
        assertHeld(seen)
      }),
    heldUp
  )
})
