/** A queue `hm_test` for tests, its handlers and workers, and queries over its tables. */
import { PgClient } from "@effect/sql-pg"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import { tablesOf } from "@hypermarket/queue/internal/tables"
import * as Statements from "@hypermarket/queue/internal/statements"
import * as QueueControl from "@hypermarket/queue/QueueControl"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as WorkQueueWorker from "@hypermarket/queue/WorkQueueWorker"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Context, Duration, Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"

export const prefix = "hm_test"
const releases = { since: "0.1.0", oldestRelease: "0.1.0" }
const migrations = Migrations.make(
  "test",
  {
    "0001_queue": QueueMigrations.migration(1, prefix, releases),
    "0002_queue_job": QueueMigrations.migration(2, prefix, releases)
  },
  { release: "0.1.0" }
)
export const acme = Tenant.TenantId.make("acme")

/** Claims with the test's own client. */
const layerClaims = Layer.effect(
  ClaimClient,
  Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
)

/** A database with the tables of the queue and of core, and the services that its worker needs. */
export const layerOf = <A, E, R>(services: Layer.Layer<A, E, R>) =>
  Layer.mergeAll(layerClaims, services).pipe(
    Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, migrations))
  )

/** Without wake-ups, and with a clock that tests set. */
export const layerQuiet = layerOf(Layer.mergeAll(Wakeup.layerSilent, Now.layerTest))

/** Connects without lock and statement timeouts: a test that holds a lock does not depend on the speed of the machine. */
export const withoutTimeouts = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { options } = yield* TestDatabase.TestDatabase
      const client = yield* Layer.build(
        Database.layer({
          ...options,
          lockTimeout: Duration.zero,
          statementTimeout: Duration.zero,
          idleTransactionTimeout: Duration.zero
        })
      )
      // Every connection is open before the test begins: one that is opened while the process is busy may time out.
      const sql = Context.get(client, SqlClient.SqlClient)
      yield* Effect.all(
        Array.from({ length: options.poolMax }, () => sql`SELECT pg_sleep(0.1)`),
        { concurrency: "unbounded", discard: true }
      )
      return yield* Effect.provideContext(self, client)
    })
  )

export const queueOf = WorkQueue.make({ prefix })
export const controlOf = QueueControl.make({ prefix })
export const statementsOf = Effect.map(SqlClient.SqlClient, (sql) => Statements.make(sql, tablesOf(prefix)))

export const handlerOf = <R>(
  queue: string,
  run: QueueJob.Handler<R>["run"],
  options: Partial<QueueJob.Handler<R>> = {}
): QueueJob.Handler<R> => ({
  queue,
  batchMax: 1,
  concurrency: 16,
  transactional: false,
  retry: { attempts: 3, base: "10 millis", max: "20 millis" },
  deadline: "30 seconds",
  run,
  ...options
})

export const worker = <R>(
  handlers: ReadonlyArray<QueueJob.Handler<R>>,
  options: Partial<WorkQueueWorker.Options<R>> = {}
) => WorkQueueWorker.run({ prefix, handlers, poll: "20 millis", ...options })

export const count = (table: "queue" | "delayed" | "keyed" | "lease" | "dead", queue: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly n: number }>`
      SELECT count(*)::int AS n
        FROM ${sql(`hm_test_${table}`)}
       WHERE ltrim(queue, '!') = ${queue}
    `
  ).pipe(Effect.map(([row]) => row?.n ?? 0))

/** One statement, one snapshot: a job on its way from table to table is in one of them. */
export const untilIdle = (queue: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly n: number }>`
      SELECT (SELECT count(*)::int FROM hm_test_queue WHERE ltrim(queue, '!') = ${queue})
           + (SELECT count(*)::int FROM hm_test_delayed WHERE queue = ${queue})
           + (SELECT count(*)::int FROM hm_test_keyed WHERE queue = ${queue})
           + (SELECT count(*)::int FROM hm_test_lease WHERE ltrim(queue, '!') = ${queue}) AS n
    `
  ).pipe(Effect.repeat({ until: ([row]) => row?.n === 0, schedule: Schedule.spaced("20 millis") }))

export const until = <A, E, R>(self: Effect.Effect<A, E, R>, holds: (a: A) => boolean) =>
  self.pipe(Effect.repeat({ until: holds, schedule: Schedule.spaced("10 millis") }))

export const deadOf = (queue: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{
      readonly type: string
      readonly attempt: number
      readonly payload: string
      readonly errors: ReadonlyArray<{ readonly error: string }>
    }>`
      SELECT type, attempt, errors, payload::text
        FROM hm_test_dead
       WHERE queue = ${queue}
       ORDER BY type
    `
  )

export const jobs = (queue: string, many: number, options: Partial<QueueJob.NewJob> = {}) =>
  Array.from({ length: many }, (_, n) => ({ queue, type: "test", payload: { n }, ...options }))

export const millis = () => performance.timeOrigin + performance.now()
