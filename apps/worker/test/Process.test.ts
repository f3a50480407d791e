import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { migrationSets } from "@hypermarket/installation/domains"
import * as DatabaseOutage from "@hypermarket/testing/DatabaseOutage"
import * as PrometheusText from "@hypermarket/testing/PrometheusText"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Schedule } from "effect"
import { getPriority } from "node:os"
import * as Path from "node:path"

const script = Path.resolve(import.meta.dirname, "../src/main.ts")

const startWith = Effect.fnUntraced(function* (env: Readonly<Record<string, string>>) {
  const port = yield* ServiceProcess.freePort
  const service = yield* ServiceProcess.start(script, [], { HM_WORKER_PORT: String(port), ...env })
  const origin = `http://127.0.0.1:${port}`
  yield* ServiceProcess.answers(service, `${origin}/health/ready`)
  return { service, origin }
})

const startWorker = (env: Readonly<Record<string, string>> = {}) =>
  Effect.flatMap(TestDatabase.TestDatabase, ({ url }) => startWith({ DATABASE_URL: url, ...env }))

const metricsOf = (origin: string) =>
  Effect.promise((signal) => fetch(`${origin}/metrics`, { signal }).then((answer) => answer.text()))

describe("the worker process", () => {
  it.live("prunes idempotency keys that have expired, and only those", () =>
    Effect.gen(function* () {
      const sql = yield* PgClient.PgClient
      yield* sql`
        INSERT INTO hm_idempotency_key
               (tenant_id, idempotency_key, operation, body_hash, answer, recorded_at, expires_at)
        SELECT 'acme', name, 'test', 'x', '{}', now() - interval '1 day', now() + offset_
          FROM (VALUES ('expired', interval '-1 second'), ('kept', interval '1 hour')) AS k (name, offset_)
      `
      yield* startWorker()
      const keys = sql<{ readonly name: string }>`SELECT idempotency_key AS name FROM hm_idempotency_key`
      const left = yield* keys.pipe(
        Effect.repeat({ until: (rows) => rows.length < 2, schedule: Schedule.spaced("20 millis") })
      )
      assert.deepStrictEqual(left, [{ name: "kept" }])
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer(...migrationSets)))
  )

  it.live("shows operators its health and what its jobs did", () =>
    Effect.gen(function* () {
      const { origin } = yield* startWorker()
      const metrics = metricsOf(origin)
      const done = /^hm_queue_jobs_total\{queue="job.core.idempotency-key.prune",outcome="done"\} 1$/m
      const text = yield* metrics.pipe(
        Effect.repeat({ until: (text) => done.test(text), schedule: Schedule.spaced("20 millis") })
      )
      for (const name of [
        "hm_analytics_order_merge_waiting",
        "hm_analytics_order_merge_oldest_seconds",
        "hm_events_schedules_waiting",
        "hm_events_schedules_late_seconds"
      ])
        assert.match(text, new RegExp(`^${name} \\d`, "m"))
      PrometheusText.check(text)
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase(...migrationSets)))
  )

  // Windows has classes in place of values.
  it.live.skipIf(process.platform === "win32")(
    "has a lower priority than a process that answers requests, as the system reports it",
    () =>
      Effect.gen(function* () {
        const { service } = yield* startWorker({ HM_WORKER_NICE: "11" })
        assert.strictEqual(getPriority(service.pid), 11)
        const { service: byDefault } = yield* startWorker()
        assert.isAbove(getPriority(byDefault.pid), getPriority())
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase(...migrationSets)))
  )

  it.live("runs all its jobs over the one connection that the server gives its pool, and none fails", () =>
    Effect.gen(function* () {
      const database = yield* TestDatabase.TestDatabase
      const { url } = yield* TestDatabase.limitedRole(1)
      const { origin, service } = yield* startWith({ DATABASE_URL: url, DATABASE_DIRECT_URL: database.url })
      const text = yield* metricsOf(origin).pipe(
        Effect.repeat({
          until: (text) => (text.match(/^hm_queue_jobs_total\{.*outcome="done"\}/gm)?.length ?? 0) >= 20,
          schedule: Schedule.spaced("50 millis")
        })
      )
      assert.notMatch(text, /^hm_queue_jobs_total\{.*outcome="failed"\}/m)
      assert.notInclude(service.log(), "failed", service.log())
      yield* service.signal("SIGTERM")
      assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null }, service.log())
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer(...migrationSets)))
  )

  it.live("is not ready while its database is read-only, and its jobs run again when it is not", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const sql = yield* PgClient.PgClient
      const { origin, service } = yield* startWorker()
      const name = new URL(url).pathname.slice(1)
      yield* sql`ALTER DATABASE ${sql(name)} SET default_transaction_read_only = on`
      yield* sql`
        SELECT pg_terminate_backend(pid)
          FROM pg_stat_activity
         WHERE datname = ${name} AND application_name IN ('hypermarket-claims', 'hypermarket-worker')
      `
      yield* ServiceProcess.answers(service, `${origin}/health/ready`, 503)
      yield* Effect.sync(() => service.log().includes("25006")).pipe(
        Effect.repeat({ until: (isRefused) => isRefused, schedule: Schedule.spaced("20 millis") })
      )
      yield* sql.withTransaction(
        Effect.andThen(
          sql`SET TRANSACTION READ WRITE`,
          sql`ALTER DATABASE ${sql(name)} RESET default_transaction_read_only`
        )
      )
      yield* ServiceProcess.answers(service, `${origin}/health/ready`)
      const done = Effect.map(metricsOf(origin), (text) =>
        Array.from(text.matchAll(/^hm_queue_jobs_total\{.*outcome="done"\} (\d+)$/gm)).reduce(
          (sum, [, count]) => sum + Number(count),
          0
        )
      )
      const before = yield* done
      yield* Effect.repeat(done, {
        until: (count) => count >= before + 5,
        schedule: Schedule.spaced("50 millis")
      })
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer(...migrationSets)))
  )

  it.live("logs an outage of Postgres in one line per reason, without stack frames, and works again", () =>
    Effect.gen(function* () {
      const database = yield* DatabaseOutage.shutDown
      const { origin, service } = yield* startWith({ DATABASE_URL: database.server.url })
      // A process that is still starting ends when it has no database.
      yield* Effect.sync(() => service.log().includes("Started")).pipe(
        Effect.repeat({ until: (isStarted) => isStarted, schedule: Schedule.spaced("20 millis") })
      )
      yield* database.leave
      yield* ServiceProcess.answers(service, `${origin}/health/ready`, 503)
      // Long enough for each loop to fail again and again.
      yield* Effect.sleep("8 seconds")
      const warnings = service
        .log()
        .split("\n")
        .filter((line) => /"level":"(?:WARN|ERROR)"/.test(line))
      yield* database.comeBack
      yield* ServiceProcess.answers(service, `${origin}/health/ready`)
      assert.isAtLeast(warnings.length, 1)
      assert.isAtMost(warnings.length, 15, warnings.join("\n"))
      assert.notMatch(warnings.join("\n"), /node_modules|\\n {4}at /)
    }).pipe(Effect.scoped)
  )

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it.live(`exits with 0 on ${signal}`, () =>
      Effect.gen(function* () {
        const { service } = yield* startWorker()
        yield* service.signal(signal)
        assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null }, service.log())
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase(...migrationSets)))
    )
  }

  it.live("refuses to start on a schema that is behind when it may not migrate", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const service = yield* ServiceProcess.start(script, [], {
        DATABASE_URL: url,
        HM_MIGRATE_ON_START: "false"
      })
      assert.deepStrictEqual(yield* service.exit, { code: 1, signal: null })
      assert.include(service.log(), "run `hypermarket migrate`")
      assert.strictEqual(service.output(), "")
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layerDatabase()))
  )

  it.live(
    "starts, stops and starts again on the schema of the next release, and refuses one that is too new",
    () =>
      Effect.gen(function* () {
        const sql = yield* PgClient.PgClient
        yield* sql`ALTER TABLE hm_job_scheduler ADD COLUMN IF NOT EXISTS of_next_release text`
        yield* sql`
        INSERT INTO hm_event_migrations (id, name, checksum, oldest_release, applied_by)
        VALUES (99, 'of_next_release', 'x', '0.0.0', '0.9.0')
      `
        for (let times = 0; times < 2; times++) {
          const { service } = yield* startWorker()
          assert.strictEqual(
            service.log().split("the schema is of 0.9.0, this is 0.0.0").length,
            2,
            service.log()
          )
          yield* service.signal("SIGTERM")
          assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null }, service.log())
        }
        yield* sql`
        UPDATE hm_event_migrations
           SET oldest_release = '0.9.0'
         WHERE id = 99
      `
        const { url } = yield* TestDatabase.TestDatabase
        const service = yield* ServiceProcess.start(script, [], { DATABASE_URL: url })
        assert.deepStrictEqual(yield* service.exit, { code: 1, signal: null })
        assert.include(service.log(), "install 0.9.0 or newer")
      }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer(...migrationSets)))
  )
})
