/** What the tests of the queue share: a queue `hm_test`, handlers, workers, and what its tables hold. */
import { PgClient } from "@effect/sql-pg"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/core/WorkQueue"
import * as WorkQueueWorker from "@hypermarket/core/WorkQueueWorker"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schedule } from "effect"
import { SqlClient } from "effect/sql"

export const prefix = "hm_test"
const migrations = Migrations.make("test", {
  "0001_queue": Migrations.migration(WorkQueue.createStatements(prefix))
})
export const acme = Tenant.TenantId.make("acme")

/** Claims with the test's own client. */
const layerClaims = Layer.effect(
  WorkQueue.ClaimClient,
  Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
)

/** A database with the queue's tables, and what its worker needs besides. */
export const layerOf = <A, E, R>(besides: Layer.Layer<A, E, R>) =>
  Layer.mergeAll(layerClaims, besides).pipe(Layer.provideMerge(TestDatabase.layer(migrations)))

/** No wake-ups, and a moment that tests move. */
export const layerQuiet = layerOf(Layer.mergeAll(Wakeup.layerSilent, Now.layerTest))

export const queueOf = WorkQueue.make({ prefix })

export const handlerOf = <R>(
  queue: string,
  run: WorkQueue.Handler<R>["run"],
  options: Partial<WorkQueue.Handler<R>> = {}
): WorkQueue.Handler<R> => ({
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
  handlers: ReadonlyArray<WorkQueue.Handler<R>>,
  options: Partial<WorkQueueWorker.Options<R>> = {}
) => WorkQueueWorker.run({ prefix, handlers, poll: "20 millis", ...options })

export const count = (table: "queue" | "delayed" | "keyed" | "lease" | "dead", queue: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql<{ readonly n: number }>`
      SELECT count(*)::int AS n FROM ${sql(`hm_test_${table}`)} WHERE ltrim(queue, '!') = ${queue}
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
      SELECT type, attempt, errors, payload::text FROM hm_test_dead WHERE queue = ${queue} ORDER BY type
    `
  )

export const jobs = (queue: string, many: number, options: Partial<WorkQueue.NewJob> = {}) =>
  Array.from({ length: many }, (_, n) => ({ queue, type: "test", payload: { n }, ...options }))

export const millis = () => performance.timeOrigin + performance.now()
