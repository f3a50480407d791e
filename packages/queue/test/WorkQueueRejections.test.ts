import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import * as QueueJob from "@hypermarket/queue/QueueJob"
import { Effect, Schedule } from "effect"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { SqlClient } from "effect/sql"
import {
  acme,
  controlOf,
  handlerOf,
  layerQuiet,
  queueOf,
  statementsOf,
  untilIdle,
  worker
} from "./queueFixture.ts"
import { findings, numbered } from "./failuresFixture.ts"

/** Rejects the jobs whose payload is a multiple of seven. */
const rejectSevens = (jobs: ReadonlyArray<QueueJob.LeasedJob>) =>
  Effect.succeed(
    new QueueJob.JobRejections(
      jobs.flatMap((job) =>
        typeof job.payload === "number" && job.payload % 7 === 0
          ? [
              {
                job,
                rejected: new QueueJob.JobRejected({ message: `${job.payload} is odd`, reason: "of-seven" })
              }
            ]
          : []
      )
    )
  )

/** Runs a worker until the loop has recorded another failure of its poisoned tenants, and the rows of the others are gone. */
const roundUntil = (loop: string, table: "delayed" | "lease" | "job_dedupe") =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.TestNow
    yield* now.adjust("2 hours")
    const [before] = yield* sql<{ readonly failures: number }>`
      SELECT coalesce(max(failures), 0) AS failures
        FROM hm_loop_failure
       WHERE loop = ${loop}
    `
    yield* worker([handlerOf("none", () => Effect.void)])
    yield* sql<{ readonly isOver: boolean }>`
      SELECT count(*) = 3
             AND min(failures) > ${before?.failures ?? 0}
             AND NOT EXISTS (SELECT 1 FROM ${sql(`hm_test_${table}`)} WHERE tenant_id ~ '-[ac]$') AS "isOver"
        FROM hm_loop_failure
       WHERE loop = ${loop}
    `.pipe(Effect.repeat({ until: ([row]) => row?.isOver === true, schedule: Schedule.spaced("20 millis") }))
  }).pipe(Effect.scoped)

const asTenant = (tenantId: string) => Tenant.provide(Tenant.TenantId.make(tenantId))

/** No row of a poisoned tenant becomes runnable, as after a migration that this release does not know. */
const refuseRunnable = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.ignore(sql`ALTER TABLE hm_test_queue ADD CONSTRAINT poison CHECK (tenant_id !~ '-[0bz]$') NOT VALID`)
)

const allowRunnable = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql`ALTER TABLE hm_test_queue DROP CONSTRAINT IF EXISTS poison`
)

const hasRow = (table: "queue" | "job_dedupe", queue: string) => (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      SELECT 1
        FROM ${sql(`hm_test_${table}`)}
       WHERE tenant_id = ${tenantId} AND queue = ${queue}
    `
  ).pipe(Effect.map((rows) => rows.length > 0))

layer(layerQuiet, { excludeTestServices: true })("A job that its handler rejects", (it) => {
  for (const transactional of [false, true]) {
    const queueName = transactional ? "sevens-together" : "sevens"
    it.effect(
      `is dead-lettered with its reason, and the others of its call complete (transactional: ${transactional})`,
      () =>
        Effect.gen(function* () {
          const queue = yield* queueOf
          const control = yield* controlOf
          yield* queue.enqueue(numbered(queueName, 20))
          yield* Effect.gen(function* () {
            yield* worker([handlerOf(queueName, rejectSevens, { batchMax: 50, transactional })])
            yield* untilIdle(queueName)
          }).pipe(Effect.scoped)
          const dead = yield* control.deadLetters(queueName, "0", 100)
          assert.lengthOf(dead, 3)
          for (const job of dead) {
            assert.strictEqual(job.rejected, "of-seven")
            assert.strictEqual(job.attempt, 1)
            assert.include(JSON.stringify(job.errors), "is odd")
          }
          assert.strictEqual(yield* control.redrive(queueName, { limit: 2 }), 2)
          assert.strictEqual(yield* control.discard(queueName, { limit: 10 }), 1)
        }).pipe(Tenant.provide(acme))
    )
  }

  it.effect(
    "is kept past the retention of the dead-letter queue until it is discarded, and counted by doctor",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const control = yield* controlOf
        const statements = yield* statementsOf
        yield* queue.enqueue(numbered("kept", 1))
        yield* queue.enqueue(numbered("pruned", 1))
        yield* Effect.gen(function* () {
          yield* worker([
            handlerOf("kept", rejectSevens),
            handlerOf("pruned", () => Effect.fail(new QueueJob.JobRejected({ message: "for good" })))
          ])
          yield* untilIdle("kept")
          yield* untilIdle("pruned")
        }).pipe(Effect.scoped)
        const now = yield* Now.now
        yield* statements.prune(new Date(now.getTime() + 400 * 24 * 3_600_000), 100)
        assert.lengthOf(yield* control.deadLetters("pruned", "0", 10), 0)
        assert.lengthOf(yield* control.deadLetters("kept", "0", 10), 1)
        const found = (yield* findings("rejected jobs")).filter(({ message }) => message.startsWith("kept "))
        assert.deepStrictEqual(
          found.map(({ message, status }) => [status, message]),
          [["warn", "kept holds 1 rejected jobs of 1 tenants: of-seven"]]
        )
        yield* control.discard("kept", { limit: 10 })
        assert.lengthOf(yield* control.deadLetters("kept", "0", 10), 0)
      }).pipe(Tenant.provide(acme))
  )
})

layer(layerQuiet, { excludeTestServices: true })("The queue's housekeeping", (it) => {
  PoisonSuite.suite(it, [
    {
      name: "the mover beside due jobs that no queue takes",
      work: Effect.fnUntraced(function* (tenantId: string) {
        const queue = yield* queueOf
        const now = yield* Now.now
        yield* allowRunnable
        yield* queue
          .enqueue([{ queue: "later", type: "t", payload: 0, runAt: new Date(now.getTime() + 3_600_000) }])
          .pipe(asTenant(tenantId))
      }),
      plant: () => refuseRunnable,
      round: roundUntil("queue.hm_test.moveDue", "delayed"),
      isDone: hasRow("queue", "later"),
      recorded: PoisonSuite.loopFailure("queue.hm_test.moveDue"),
      expected: /poison/
    },
    {
      name: "the reaper beside an expired lease whose jobs no queue takes",
      work: Effect.fnUntraced(function* (tenantId: string) {
        const queue = yield* queueOf
        const statements = yield* statementsOf
        yield* allowRunnable
        yield* queue.enqueue([{ queue: "lost", type: "t", payload: 0 }]).pipe(asTenant(tenantId))
        yield* statements.claim({
          previous: undefined,
          flows: [{ tenantId, queue: "lost", priority: 0, hint: 0, limit: 100 }],
          batchId: crypto.randomUUID(),
          workerId: crypto.randomUUID(),
          leaseMillis: 1,
          keyedMax: 100,
          flowBytesMax: 1_000_000,
          now: yield* Now.now
        })
      }),
      plant: () => refuseRunnable,
      round: roundUntil("queue.hm_test.reap", "lease"),
      isDone: hasRow("queue", "lost"),
      recorded: PoisonSuite.loopFailure("queue.hm_test.reap"),
      expected: /poison/
    },
    {
      name: "the prune beside an expired name that another table holds",
      work: (tenantId: string) =>
        Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql`
            INSERT INTO hm_test_job_dedupe (tenant_id, queue, dedupe_key, job_id, expires_at)
            VALUES (${tenantId}, 'named', 'k', gen_random_uuid(), now() - interval '1 hour')
          `
        ),
      plant: Effect.fnUntraced(function* (tenantId: string) {
        const sql = yield* SqlClient.SqlClient
        yield* sql`
          CREATE TABLE IF NOT EXISTS test_held (
            tenant_id text,
            queue text,
            dedupe_key text,
            CONSTRAINT holds FOREIGN KEY (tenant_id, queue, dedupe_key) REFERENCES hm_test_job_dedupe
          )
        `
        yield* sql`INSERT INTO test_held VALUES (${tenantId}, 'named', 'k')`
      }),
      round: roundUntil("queue.hm_test.prune", "job_dedupe"),
      isDone: (tenantId: string) =>
        Effect.map(hasRow("job_dedupe", "named")(tenantId), (isThere) => !isThere),
      recorded: PoisonSuite.loopFailure("queue.hm_test.prune"),
      expected: /holds/
    }
  ])
})
