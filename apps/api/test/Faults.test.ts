import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Schedule } from "effect"
import { spawn } from "node:child_process"
import { openSync } from "node:fs"
import { apiScript, makeKey, startApi } from "./apiProcess.ts"
import { connect, head, type RawAnswer } from "./rawClient.ts"

const ask = (url: string, path: string, headers: Readonly<Record<string, string>> = {}) =>
  Effect.scoped(
    Effect.flatMap(connect(url), (connection) =>
      Effect.andThen(connection.write(head("GET", path, headers)), connection.answer)
    )
  )

const publish = (url: string, key: string, id: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* connect(url)
      const body = JSON.stringify({ specversion: "1.0", id, source: "/faults", type: "test.fault", data: {} })
      yield* connection.write(
        head("POST", "/v1/events", {
          authorization: `Bearer ${key}`,
          "content-type": "application/cloudevents+json",
          "content-length": body.length
        }) + body
      )
      return yield* connection.answer
    })
  )

const until = <E, R>(answer: Effect.Effect<RawAnswer, E, R>, holds: (answer: RawAnswer) => boolean) =>
  Effect.repeat(answer, { until: holds, schedule: Schedule.spaced("50 millis") })

const isStatus = (status: number) => (answer: RawAnswer) => answer.status === status

const stop = Effect.fnUntraced(function* ({ service }: { readonly service: ServiceProcess.ServiceProcess }) {
  yield* service.signal("SIGTERM")
  assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null }, service.log())
})

describe("an API process whose database", () => {
  it.live("is read-only is not ready, says why it answers 503, and writes again when the database does", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const sql = yield* PgClient.PgClient
      const api = yield* startApi(url)
      const key = yield* makeKey(url, { tenant: "shop", scopes: ["events:write"] })
      const name = new URL(url).pathname.slice(1)
      yield* sql`ALTER DATABASE ${sql(name)} SET default_transaction_read_only = on`
      yield* sql`
        SELECT pg_terminate_backend(pid)
          FROM pg_stat_activity
         WHERE datname = ${name} AND application_name = 'hypermarket-api'
      `
      const notReady = yield* until(ask(api.url, "/health/ready"), isStatus(503))
      assert.include(notReady.body, "read-only")
      let n = 0
      const refused = yield* until(
        Effect.suspend(() => publish(api.url, key, `refused-${n++}`)),
        isStatus(503)
      )
      assert.include(refused.body, "storage-unavailable")
      // As many at once as the pool has connections for transactions: all of their sessions are read-only.
      yield* Effect.forEach(Array.from({ length: 24 }), () => publish(api.url, key, `refused-${n++}`), {
        concurrency: "unbounded"
      })
      yield* sql.withTransaction(
        Effect.andThen(
          sql`SET TRANSACTION READ WRITE`,
          sql`ALTER DATABASE ${sql(name)} RESET default_transaction_read_only`
        )
      )
      yield* until(ask(api.url, "/health/ready"), isStatus(200))
      yield* until(
        Effect.suspend(() => publish(api.url, key, `accepted-${n++}`)),
        isStatus(202)
      )
      // No session of the pool is left that cannot write.
      yield* Effect.sleep("1100 millis")
      yield* publish(api.url, key, "again")
      const statuses = yield* Effect.forEach(
        Array.from({ length: 24 }),
        (_, m) => Effect.map(publish(api.url, key, `after-${m}`), ({ status }) => status),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(new Set(statuses), new Set([202]))
      const metrics = yield* ask(api.url, "/metrics")
      assert.match(metrics.body, /hm_api_unavailable_total\{reason="read-only"\} \d+/)
      yield* stop(api)
      assert.match(api.service.log(), /Requests are answered 503.*25006/)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer()))
  )

  it.live("has its queue locked is not ready, and closes no gate", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const sql = yield* PgClient.PgClient
      const api = yield* startApi(url)
      const key = yield* makeKey(url, { tenant: "shop", scopes: ["platform:read"] })
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`LOCK TABLE hm_event_queue IN ACCESS EXCLUSIVE MODE`
          const notReady = yield* until(ask(api.url, "/health/ready"), isStatus(503))
          assert.include(notReady.body, "locked")
          const read = yield* ask(api.url, "/v1/platform/tenant", { authorization: `Bearer ${key}` })
          assert.strictEqual(read.status, 200)
        })
      )
      yield* until(ask(api.url, "/health/ready"), isStatus(200))
      yield* stop(api)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer()))
  )

  it.live("refuses to write temporary files, as with a full disk, is not ready", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const sql = yield* PgClient.PgClient
      const api = yield* startApi(url)
      const name = new URL(url).pathname.slice(1)
      yield* sql`ALTER DATABASE ${sql(name)} SET temp_file_limit = '64kB'`
      const notReady = yield* until(ask(api.url, "/health/ready"), isStatus(503))
      assert.include(notReady.body, "disk-full")
      yield* sql`ALTER DATABASE ${sql(name)} RESET temp_file_limit`
      yield* until(ask(api.url, "/health/ready"), isStatus(200))
      yield* stop(api)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer()))
  )

  it.live("gives it one connection answers all reads and writes of many clients", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const sql = yield* PgClient.PgClient
      const limited = yield* TestDatabase.limitedRole(20)
      const api = yield* startApi(limited.url, { env: { DATABASE_DIRECT_URL: url } })
      const key = yield* makeKey(url, { tenant: "shop", scopes: ["events:write", "platform:read"] })
      yield* limited.setLimit(1)
      yield* sql`
        SELECT pg_terminate_backend(pid)
          FROM pg_stat_activity
         WHERE usename = ${limited.role}
      `
      // The first may meet a connection that has just been ended.
      yield* until(publish(api.url, key, "first"), isStatus(202))
      for (const round of [1, 2, 3]) {
        const answers = yield* Effect.forEach(
          Array.from({ length: 40 }),
          (_, index) =>
            index % 2 === 0
              ? publish(api.url, key, `${round}-${index}`)
              : ask(api.url, "/v1/platform/tenant", { authorization: `Bearer ${key}` }),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          answers.map(({ status }) => status),
          answers.map((_, index) => (index % 2 === 0 ? 202 : 200))
        )
      }
      yield* stop(api)
      assert.include(api.service.log(), "The server refuses further connections")
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer()))
  )

  it.live("has no connection to spare stays ready", () =>
    Effect.gen(function* () {
      const limited = yield* TestDatabase.limitedRole(20)
      const api = yield* startApi(limited.url)
      yield* limited.setLimit(0)
      const answer = yield* until(ask(api.url, "/health/ready"), ({ body }) => body.includes("busy"))
      assert.strictEqual(answer.status, 200)
      yield* stop(api)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer()))
  )
})

describe("an API process whose log", () => {
  /** Starts the API with a standard error of the test's choice. */
  const startWith = (databaseUrl: string, port: number, stderr: number | "pipe") =>
    Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [apiScript], {
          env: { ...process.env, DATABASE_URL: databaseUrl, HM_API_PORT: String(port) },
          stdio: ["ignore", "ignore", stderr]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
  const exitOf = (child: ReturnType<typeof spawn>) =>
    Effect.callback<number | null>((resume) => {
      child.once("exit", (code) => resume(Effect.succeed(code)))
      child.kill("SIGTERM")
    })
  const answersOn = Effect.fnUntraced(function* (url: string) {
    yield* until(ask(url, "/health/ready"), isStatus(200))
    // Each flush of the access log meets the fault.
    yield* until(ask(url, "/metrics"), ({ body }) => /hm_log_lines_lost_total [1-9]/.test(body))
    for (let n = 0; n < 5; n++) assert.strictEqual((yield* ask(url, "/health/live")).status, 200)
  })

  it.live("is on a full disk answers on, counts the lines that are lost, and stops with code 0", () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* TestDatabase.TestDatabase
      const port = yield* ServiceProcess.freePort
      const child = yield* startWith(databaseUrl, port, openSync("/dev/full", "w"))
      yield* answersOn(`http://127.0.0.1:${port}`)
      assert.strictEqual(yield* exitOf(child), 0)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase()))
  )

  it.live("has lost its reader answers on, counts the lines that are lost, and stops with code 0", () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* TestDatabase.TestDatabase
      const port = yield* ServiceProcess.freePort
      const child = yield* startWith(databaseUrl, port, "pipe")
      child.stderr?.destroy()
      yield* answersOn(`http://127.0.0.1:${port}`)
      assert.strictEqual(yield* exitOf(child), 0)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase()))
  )
})

describe("what Node refuses by itself", () => {
  it.live("is answered by a problem document with a request id", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const api = yield* startApi(url)
      for (const [bytes, status, type] of [
        ["GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\n", 400, "bad-request"],
        ["GET /health/live HTTP/1.1\r\n\r\n", 400, "bad-request"],
        [head("GET", "/health/live", { filler: "f".repeat(40_000) }), 431, "head-too-large"],
        [head("POST", "/v1/events", { expect: "a-miracle", "content-length": 0 }), 417, "expectation-failed"]
      ] as const) {
        const connection = yield* connect(api.url)
        yield* connection.write(bytes)
        const answer = yield* connection.answer
        assert.strictEqual(answer.status, status)
        assert.include(answer.headers.get("content-type") ?? "", "application/problem+json")
        assert.isDefined(answer.headers.get("x-request-id"))
        assert.include(answer.body, `urn:hypermarket:problem:core:${type}`)
      }
      yield* stop(api)
      assert.match(api.service.log(), /"Started".*"process":"api"/s)
      assert.match(api.service.log(), /Stopped/)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase()))
  )
})
