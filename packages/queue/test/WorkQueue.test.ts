import { assert, layer } from "@effect/vitest"
import * as Database from "@hypermarket/core/Database"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as QueueJob from "@hypermarket/queue/QueueJob"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Effect, Exit, Layer, Ref, Schedule, type Schema } from "effect"
import { SqlClient } from "effect/sql"
import { acme, layerOf, queueOf, millis, statementsOf, handlerOf, worker, jobs } from "./queueFixture.ts"

const TestLayer = layerOf(
  Layer.unwrap(Effect.map(TestDatabase.TestDatabase, ({ options }) => Wakeup.layer(Database.listen(options))))
)

/** Counts the rows of a queue in each table. */
const standing = Effect.fnUntraced(function* (queue: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<Record<string, number>>`
    SELECT (SELECT count(*)::int FROM hm_test_queue WHERE ltrim(queue, '!') = ${queue}) AS ready,
           (SELECT count(*)::int FROM hm_test_delayed WHERE queue = ${queue}) AS delayed,
           (SELECT coalesce(sum(jobs_count), 0)::int
              FROM hm_test_lease
             WHERE ltrim(queue, '!') = ${queue}) AS leased,
           (SELECT count(*)::int FROM hm_test_keyed WHERE queue = ${queue}) AS keyed,
           (SELECT coalesce(sum(pending), 0)::int FROM hm_test_key WHERE queue = ${queue}) AS pending,
           (SELECT count(*)::int FROM hm_test_dead WHERE queue = ${queue}) AS dead
  `
  return { ready: 0, delayed: 0, leased: 0, keyed: 0, pending: 0, dead: 0, ...row }
})

const untilIdle = (queue: string) =>
  standing(queue).pipe(
    Effect.repeat({
      until: (counts) => Object.entries(counts).every(([name, count]) => name === "dead" || count === 0),
      schedule: Schedule.spaced("20 millis")
    })
  )

layer(TestLayer, { excludeTestServices: true })("WorkQueue", (it) => {
  it.effect("leaves no row of an enqueueing transaction that rolls back", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const queue = yield* queueOf
      const exit = yield* sql
        .withTransaction(
          Effect.gen(function* () {
            yield* queue.enqueue(jobs("rollback", 3))
            yield* queue.enqueue(jobs("rollback", 3, { orderingKey: "k" }))
            yield* queue.enqueue(jobs("rollback", 3, { runAt: new Date(millis() + 3_600_000) }))
            yield* queue.enqueue(jobs("rollback", 1, { payload: "x".repeat(5_000) }))
            return yield* Effect.fail("roll back")
          })
        )
        .pipe(Effect.exit)
      assert.deepStrictEqual(exit, Exit.fail("roll back"))
      const counts = yield* standing("rollback")
      assert.deepStrictEqual(counts, { ready: 0, delayed: 0, leased: 0, keyed: 0, pending: 0, dead: 0 })
      assert.lengthOf(
        yield* sql`
        SELECT 1
          FROM hm_test_body
         WHERE tenant_id = 'rollback'
      `,
        0
      )
    }).pipe(Tenant.provide(Tenant.TenantId.make("rollback")))
  )

  it.effect("runs each of 2,000 jobs once, with its payload, small and large", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const seen: Array<string> = []
      const large = "ä".repeat(3_000)
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf(
            "plain",
            (batch) => Effect.sync(() => batch.forEach((job) => seen.push(JSON.stringify(job.payload)))),
            { batchMax: 50 }
          )
        ])
        yield* queue.enqueue(jobs("plain", 1_990))
        yield* queue.enqueue(
          Array.from({ length: 10 }, (_, n) => ({ queue: "plain", type: "t", payload: { n: -n, large } }))
        )
        yield* untilIdle("plain")
      }).pipe(Effect.scoped)
      assert.lengthOf(seen, 2_000)
      assert.lengthOf(new Set(seen), 2_000)
      assert.lengthOf(
        seen.filter((text) => text.includes(large)),
        10
      )
    }).pipe(Tenant.provide(acme))
  )

  it.effect("retries a failing job, keeps its errors, and dead-letters it after its attempts", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const runs = yield* Ref.make(0)
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("failing", () =>
            Effect.andThen(
              Ref.update(runs, (n) => n + 1),
              Effect.fail("out of paper")
            )
          )
        ])
        yield* queue.enqueue(jobs("failing", 1, { payload: { exact: 12_345_678_901 } }))
        yield* untilIdle("failing")
      }).pipe(Effect.scoped)
      assert.strictEqual(yield* Ref.get(runs), 3)
      const [dead] = yield* sql<{
        readonly attempt: number
        readonly errors: ReadonlyArray<{ readonly error: string }>
        readonly payload: string
      }>`
        SELECT attempt, errors, payload::text
          FROM hm_test_dead
         WHERE queue = 'failing'
      `
      assert.strictEqual(dead?.attempt, 3)
      assert.lengthOf(dead?.errors ?? [], 3)
      assert.include(dead?.errors[0]?.error ?? "", "out of paper")
      assert.strictEqual(dead?.payload, '{"exact":12345678901}')
    }).pipe(Tenant.provide(acme))
  )

  it.effect("dead-letters a rejected job without a retry, and runs the other jobs of its batch", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const done: Array<unknown> = []
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf(
            "neighbours",
            (batch) =>
              batch.some((job) => JSON.stringify(job.payload) === '{"n":7}')
                ? Effect.fail(new QueueJob.JobRejected({ message: "never" }))
                : Effect.sync(() => done.push(...batch)),
            { batchMax: 100 }
          )
        ])
        yield* queue.enqueue(jobs("neighbours", 20))
        yield* untilIdle("neighbours")
      }).pipe(Effect.scoped)
      assert.lengthOf(done, 19)
      assert.strictEqual((yield* standing("neighbours")).dead, 1)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("runs a delayed job not before its time", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const ran = yield* Deferred.make<number>()
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("delayed", () => Deferred.succeed(ran, performance.timeOrigin + performance.now()))
        ])
        const runAt = new Date(performance.timeOrigin + performance.now() + 700)
        yield* queue.enqueue(jobs("delayed", 1, { runAt }))
        assert.isAtLeast((yield* Deferred.await(ran)) + 5, runAt.getTime())
        yield* untilIdle("delayed")
      }).pipe(Effect.scoped)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("runs the jobs of a backlog in the order of their priority", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const order: Array<number> = []
      yield* queue.enqueue(jobs("urgent", 50, { priority: 0 }))
      yield* queue.enqueue(jobs("urgent", 50, { priority: 5 }))
      yield* Effect.gen(function* () {
        yield* worker(
          [
            handlerOf(
              "urgent",
              (batch) => Effect.sync(() => order.push(...batch.map((job) => job.priority))),
              { concurrency: 1 }
            )
          ],
          { batchMax: 10 }
        )
        yield* untilIdle("urgent")
      }).pipe(Effect.scoped)
      const urgentHalf = order.slice(0, 50).filter((priority) => priority === 5).length
      assert.isAtLeast(urgentHalf, 25)
      assert.strictEqual(order[0], 5)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("keeps the order of each key under failures, with several publishers and two workers", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE published (at bigint GENERATED ALWAYS AS IDENTITY, key text, job_id text)`
      const finished: Array<readonly [key: string, jobId: string]> = []
      const failedOnce = new Set<string>()
      const running = new Set<string>()
      const handler = handlerOf("ordered", ([job]) =>
        Effect.gen(function* () {
          const key = job?.orderingKey ?? ""
          const jobId = job?.jobId ?? ""
          assert.isFalse(running.has(key), "two jobs of a key run at once")
          running.add(key)
          yield* Effect.yieldNow
          running.delete(key)
          const isUnlucky = jobId.charCodeAt(jobId.length - 1) % 5 === 0
          if (isUnlucky && !failedOnce.has(jobId)) {
            failedOnce.add(jobId)
            return yield* Effect.fail("unlucky")
          }
          finished.push([key, jobId])
        })
      )
      yield* Effect.gen(function* () {
        yield* worker([handler])
        yield* worker([handler])
        yield* Effect.forEach(
          Array.from({ length: 40 }, (_, n) => n),
          (n) =>
            sql.withTransaction(
              Effect.gen(function* () {
                const keys = Array.from({ length: 10 }, (_, k) => `key-${(n + k) % 7}`)
                const ids = yield* queue.enqueue(
                  keys.map((orderingKey) => ({ queue: "ordered", type: "t", payload: null, orderingKey }))
                )
                // Written while the keys are locked: its identity column has the order of the locks.
                yield* sql`
                  INSERT INTO published (key, job_id)
                  SELECT *
                    FROM unnest(${keys}::text[], ${ids}::text[])
                `
              })
            ),
          { concurrency: 4 }
        )
        yield* untilIdle("ordered")
      }).pipe(Effect.scoped)
      assert.lengthOf(finished, 400)
      assert.isAbove(failedOnce.size, 0)
      const published = yield* sql<{ readonly key: string; readonly jobId: string }>`
        SELECT key, job_id AS "jobId"
          FROM published
         ORDER BY at
      `
      for (let k = 0; k < 7; k++) {
        const key = `key-${k}`
        assert.deepStrictEqual(
          finished.filter(([of]) => of === key).map(([, jobId]) => jobId),
          published.filter((row) => row.key === key).map((row) => row.jobId)
        )
      }
    }).pipe(Tenant.provide(acme))
  )

  it.effect("commits the writes of a transactional handler with the acknowledgement, each exactly once", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE effects (job_id text NOT NULL)`
      let calls = 0
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf(
            "exactly-once",
            (batch) =>
              Effect.gen(function* () {
                calls++
                yield* sql`INSERT INTO effects SELECT unnest(${batch.map((job) => job.jobId)}::text[])`
                // Fails after its write, which must not be visible.
                if (batch.length > 1 || calls % 4 === 0) return yield* Effect.fail("after the write")
              }),
            { batchMax: 25, transactional: true, retry: { attempts: 20, base: "1 millis", max: "5 millis" } }
          )
        ])
        yield* queue.enqueue(jobs("exactly-once", 100))
        yield* untilIdle("exactly-once")
      }).pipe(Effect.scoped)
      const [row] = yield* sql<{ readonly rows: number; readonly jobs: number }>`
        SELECT count(*)::int AS rows, count(DISTINCT job_id)::int AS jobs
          FROM effects
      `
      assert.deepStrictEqual(row, { rows: 100, jobs: 100 })
    }).pipe(Tenant.provide(acme))
  )

  it.effect(
    "lets a worker that lost its lease change nothing (fencing), and runs its jobs in another worker",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const statements = yield* statementsOf
        const now = new Date(performance.timeOrigin + performance.now())
        yield* queue.enqueue(jobs("fenced", 5))
        const claim = (batchId: string, leaseMillis: number) =>
          statements.claim({
            previous: undefined,
            flows: [{ tenantId: "acme", queue: "fenced", priority: 0, hint: 0, limit: 100 }],
            batchId,
            workerId: batchId,
            leaseMillis,
            keyedMax: 100,
            flowBytesMax: 1_000_000,
            now
          })
        const slow = "00000000-0000-7000-8000-000000000001"
        assert.strictEqual((yield* claim(slow, 1))[0]?.count, 5)
        yield* statements.reap(10, now).pipe(Effect.repeat({ until: (flows) => flows.length > 0 }))
        assert.strictEqual((yield* standing("fenced")).ready, 5)
        const late = { tenants: ["acme"], batchId: slow, queue: null, failed: [], keys: [], now }
        assert.strictEqual(yield* statements.acknowledge(late), 0)
        assert.deepStrictEqual(yield* statements.extend(["acme"], [slow], 1_000), [])
        assert.strictEqual((yield* standing("fenced")).ready, 5)
        const done: Array<unknown> = []
        yield* Effect.gen(function* () {
          yield* worker([handlerOf("fenced", (batch) => Effect.sync(() => done.push(...batch)))])
          yield* untilIdle("fenced")
        }).pipe(Effect.scoped)
        assert.lengthOf(done, 5)
      }).pipe(Tenant.provide(acme))
  )

  it.effect(
    "loses no row and makes none when leases expire repeatedly, until every job is dead-lettered",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const statements = yield* statementsOf
        const now = new Date(performance.timeOrigin + performance.now())
        yield* queue.enqueue(jobs("poison", 4))
        yield* queue.enqueue(jobs("poison", 3, { orderingKey: "a" }))
        yield* queue.enqueue(jobs("poison", 2, { payload: "x".repeat(3_000) }))
        let round = 0
        const total = Effect.map(standing("poison"), ({ dead, keyed, pending, ready }) => {
          assert.strictEqual(keyed, pending)
          return { whole: dead + keyed + ready, dead }
        })
        // Nine jobs, and one token for the key.
        assert.strictEqual((yield* total).whole, 10)
        while ((yield* total).dead < 9) {
          round++
          const flows = yield* statements.sweep
          for (const flow of flows.filter((row) => row.queue.endsWith("poison"))) {
            const batchId = `00000000-0000-7000-8000-${String(round).padStart(6, "0")}${flow.queue.startsWith("!") ? "000001" : "000002"}`
            yield* statements.claim({
              previous: undefined,
              flows: [{ ...flow, hint: 0, limit: 100 }],
              batchId,
              workerId: batchId,
              leaseMillis: 1,
              keyedMax: 100,
              flowBytesMax: 1_000_000,
              now
            })
          }
          yield* statements
            .reap(100, now)
            .pipe(Effect.andThen(standing("poison")), Effect.repeat({ until: ({ leased }) => leased === 0 }))
          const { dead, whole } = yield* total
          assert.include([9, 10], whole, `after round ${round} with ${dead} dead`)
        }
        const end = yield* standing("poison")
        assert.deepStrictEqual(end, { ready: 0, delayed: 0, leased: 0, keyed: 0, pending: 0, dead: 9 })
      }).pipe(Tenant.provide(acme))
  )

  it.effect("claims nothing from a paused queue until it is resumed", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const done: Array<unknown> = []
      yield* sql`
        INSERT INTO hm_test_definition (tenant_id, queue, paused, updated_at)
        VALUES ('acme', 'paused', true, now())
      `
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("paused", (batch) => Effect.sync(() => done.push(...batch))),
          handlerOf("unpaused", (batch) => Effect.sync(() => done.push(...batch)))
        ])
        yield* queue.enqueue(jobs("paused", 2))
        yield* queue.enqueue(jobs("unpaused", 2))
        yield* untilIdle("unpaused")
        assert.strictEqual((yield* standing("paused")).ready, 2)
        yield* sql`UPDATE hm_test_definition SET paused = false`
        yield* untilIdle("paused")
      }).pipe(Effect.scoped)
      assert.lengthOf(done, 4)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("refuses a malformed job with its index and field, and stores nothing", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const good = { queue: "refused", type: "t", payload: null }
      const cyclic: Record<string, Schema.Json> = {}
      cyclic.itself = cyclic
      let deep: Schema.Json = null
      for (let level = 0; level < 20_000; level++) deep = { deep }
      const cases: ReadonlyArray<readonly [field: string, job: QueueJob.NewJob]> = [
        ["queue", { ...good, queue: "Not a queue" }],
        ["queue", { ...good, queue: "!quarantined" }],
        ["type", { ...good, type: "" }],
        ["priority", { ...good, priority: 40_000 }],
        ["orderingKey", { ...good, orderingKey: "" }],
        ["runAt", { ...good, runAt: new Date(8.64e15) }],
        ["runAt", { ...good, runAt: new Date("-005100-01-01T00:00:00Z") }],
        ["expiresAt", { ...good, expiresAt: new Date(Number.NaN) }],
        ["payload", { ...good, payload: cyclic }],
        ["payload", { ...good, payload: deep }],
        ["attemptsMax", { ...good, attemptsMax: 0 }],
        ["retry.base", { ...good, retry: { base: "8 days" } }],
        ["dedupe.key", { ...good, dedupe: { key: "a\u0000b", window: "1 hour" } }],
        ["dedupe.window", { ...good, dedupe: { key: "k", window: "31 days" } }],
        ["headers.name", { ...good, headers: { name: "\ud800" } }],
        ["payload", { ...good, payload: "x".repeat(QueueJob.payloadBytesMax) }]
      ]
      for (const [field, job] of cases) {
        const error = yield* Effect.flip(queue.enqueue([good, job]))
        assert.deepInclude(error, { _tag: "JobInvalid", index: 1, field })
      }
      assert.strictEqual((yield* standing("refused")).ready, 0)
    }).pipe(Tenant.provide(acme))
  )
})
