import { assert, layer } from "@effect/vitest"
import * as Tenant from "@hypermarket/core/Tenant"
import * as QueueJob from "@hypermarket/queue/QueueJob"
import { Effect, type Schema } from "effect"
import { SqlClient } from "effect/sql"
import { acme, queueOf, statementsOf, handlerOf, worker, jobs } from "./queueFixture.ts"
import { TestLayer, standing, untilIdle } from "./workQueueFixture.ts"

layer(TestLayer, { excludeTestServices: true })("The order of a queue", (it) => {
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

  it.effect("refuses values that the types forbid with the field, and stores nothing", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const good = { queue: "untyped", type: "t", payload: null }
      const cases: ReadonlyArray<readonly [field: string, value: unknown, named?: string]> = [
        ["payload", undefined],
        ["payload", 90_071n],
        ["payload", () => "later"],
        ["payload", { at: Symbol("now") }.at],
        ["runAt", "2027-03-04T05:06:07Z"],
        ["runAt", 1_800_000_000_000],
        ["expiresAt", "tomorrow"],
        ["headers", { retries: 3 }, "headers.retries"],
        ["headers", { trace: null }, "headers.trace"]
      ]
      for (const [field, value, named = field] of cases) {
        const job: QueueJob.NewJob = { ...good }
        Reflect.set(job, field, value)
        const error = yield* Effect.flip(queue.enqueue([good, good, job]))
        assert.deepInclude(error, { _tag: "JobInvalid", index: 2, field: named })
      }
      assert.strictEqual((yield* standing("untyped")).ready, 0)
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
