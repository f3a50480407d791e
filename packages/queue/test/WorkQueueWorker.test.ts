import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import * as ServerClock from "@hypermarket/queue/ServerClock"
import { Clock, Deferred, Effect } from "effect"
import { SqlClient } from "effect/sql"
import {
  acme,
  layerQuiet,
  queueOf,
  statementsOf,
  handlerOf,
  worker,
  count,
  untilIdle,
  until,
  jobs,
  millis
} from "./queueFixture.ts"

layer(layerQuiet, { excludeTestServices: true })("A worker", (it) => {
  it.effect("never leases more of a queue than its limit, with two workers, retries and keys", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_test_definition (tenant_id, queue, concurrency_max, updated_at)
        VALUES ('acme', 'limited', 3, now())
      `
      let running = 0
      let most = 0
      let failures = 0
      const handler = handlerOf("limited", () =>
        Effect.gen(function* () {
          running++
          most = Math.max(most, running)
          yield* Effect.sleep("2 millis")
          running--
          if (failures++ % 7 === 0) return yield* Effect.fail("sometimes")
        })
      )
      yield* queue.enqueue(jobs("limited", 40))
      yield* queue.enqueue(jobs("limited", 10, { orderingKey: "k" }))
      // Quarantined jobs count too.
      yield* sql`
        INSERT INTO hm_test_queue (tenant_id, queue, job_id, type, lost)
        SELECT 'acme', '!limited', gen_random_uuid(), 't', 2
          FROM generate_series(1, 10)
      `
      yield* Effect.gen(function* () {
        yield* worker([handler])
        yield* worker([handler])
        yield* untilIdle("limited")
      }).pipe(Effect.scoped)
      assert.isAtMost(most, 3)
      assert.isAtLeast(most, 2)
      assert.isAtLeast(failures, 60)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("starts no more jobs than the rate of a queue allows, and does not stop other queues", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_test_definition (tenant_id, queue, rate_max, rate_period_millis, updated_at)
        VALUES ('acme', 'rated', 10, 400, now())
      `
      const starts: Array<number> = []
      let others = 0
      const beginMillis = millis()
      yield* queue.enqueue(jobs("rated", 30))
      yield* queue.enqueue(jobs("rated", 10, { orderingKey: "k" }))
      yield* queue.enqueue(jobs("unrated", 500))
      yield* Effect.gen(function* () {
        const handlers = [
          handlerOf("rated", () => Effect.sync(() => starts.push(millis()))),
          handlerOf("unrated", () => Effect.sync(() => others++))
        ]
        yield* worker(handlers)
        yield* worker(handlers)
        yield* until(
          Effect.sync(() => others),
          (n) => n === 500
        )
        assert.isBelow(starts.length, 40)
        yield* untilIdle("rated")
      }).pipe(Effect.scoped)
      assert.lengthOf(starts, 40)
      // A burst of ten, and then one per 40 ms, from the first claim on; a busy machine starts the first job later.
      assert.isAtLeast((starts.at(-1) ?? 0) - beginMillis, 30 * 40)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("serves other queues while a slow handler has all the jobs that it may hold", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const release = yield* Deferred.make<void>()
      let fast = 0
      let slow = 0
      yield* queue.enqueue(jobs("slow", 400))
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf(
            "slow",
            () =>
              Effect.andThen(
                Deferred.await(release),
                Effect.sync(() => slow++)
              ),
            { concurrency: 4 }
          ),
          handlerOf("fast", () => Effect.sync(() => fast++))
        ])
        yield* until(count("lease", "slow"), (n) => n > 0)
        for (let round = 0; round < 5; round++) {
          yield* queue.enqueue(jobs("fast", 200))
          yield* until(
            Effect.sync(() => fast),
            (n) => n === (round + 1) * 200
          )
        }
        assert.strictEqual(slow, 0)
        // It has claimed some, and leaves the rest to other workers.
        assert.isAbove(yield* count("queue", "slow"), 200)
        yield* Deferred.succeed(release, undefined)
        yield* untilIdle("slow")
      }).pipe(Effect.scoped)
      assert.strictEqual(slow, 400)
    }).pipe(Tenant.provide(acme))
  )

  for (const [name, shiftMillis] of [
    ["ahead", 3_600_000],
    ["behind", -900_000]
  ] as const) {
    it.effect(`follows the database's clock while its own is ${name}: due times, retries and rates`, () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const sql = yield* SqlClient.SqlClient
        const wrong = ServerClock.shifted(yield* Clock.Clock, () => shiftMillis)
        const queueName = `clock-${name}`
        yield* sql`
          INSERT INTO hm_test_definition (tenant_id, queue, rate_max, rate_period_millis, updated_at)
          VALUES ('acme', ${queueName}, 100, 1000, now())
        `
        const now = yield* Now.now
        const done: Array<string> = []
        yield* queue.enqueue([
          { queue: queueName, type: "later", payload: null, runAt: new Date(now.getTime() + 600_000) },
          { queue: queueName, type: "soon", payload: null, runAt: new Date(now.getTime() + 50) },
          { queue: queueName, type: "fails", payload: null }
        ])
        yield* Effect.gen(function* () {
          yield* worker([
            handlerOf(
              queueName,
              ([job]) =>
                job?.type === "fails" ? Effect.fail("no") : Effect.sync(() => done.push(job?.type ?? "")),
              { retry: { attempts: 3, base: "1 minute", max: "1 minute" } }
            )
          ]).pipe(Effect.provideService(Clock.Clock, wrong))
          yield* until(count("delayed", queueName), (delayed) => delayed === 2 && done.length === 1)
        }).pipe(Effect.scoped)
        assert.deepStrictEqual(done, ["soon"])
        const [row] = yield* sql<{ readonly retry: number; readonly paid: number }>`
          SELECT extract(epoch FROM d.run_at - now())::float8 AS retry,
                 extract(epoch FROM q.rate_paid_until - now())::float8 AS paid
            FROM hm_test_delayed d
            JOIN hm_test_definition q ON q.queue = d.queue
           WHERE d.queue = ${queueName}
             AND d.type = 'fails'
        `
        // A minute, shortened by up to half; and the rate is paid for no longer than its period.
        assert.isBelow(Math.abs((row?.retry ?? 0) - 45), 180)
        assert.isBelow(Math.abs(row?.paid ?? 1_000), 180)
      }).pipe(Tenant.provide(acme))
    )
  }

  it.effect(
    "holds two claims of a slow queue at most, from the first on: another worker runs the others",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const release = yield* Deferred.make<void>()
        const running = [0, 0]
        const handler = (index: number) =>
          handlerOf(
            "hoard",
            () =>
              Effect.andThen(
                Effect.sync(() => (running[index] = (running[index] ?? 0) + 1)),
                Deferred.await(release)
              ),
            { concurrency: 3 }
          )
        yield* queue.enqueue(jobs("hoard", 60))
        yield* Effect.gen(function* () {
          yield* worker([handler(0)])
          yield* until(
            Effect.sync(() => running[0]),
            (started) => started === 3
          )
          assert.isAtLeast(yield* count("queue", "hoard"), 54)
          yield* worker([handler(1)])
          yield* until(
            Effect.sync(() => running[1]),
            (started) => started === 3
          )
          assert.isAtLeast(yield* count("queue", "hoard"), 48)
          yield* Deferred.succeed(release, undefined)
          yield* untilIdle("hoard")
        }).pipe(Effect.scoped)
        assert.strictEqual((running[0] ?? 0) + (running[1] ?? 0), 60)
      }).pipe(Tenant.provide(acme))
  )

  it.effect("runs as many slow calls concurrently as their handler allows", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const release = yield* Deferred.make<void>()
      let started = 0
      let held = 0
      yield* queue.enqueue(jobs("steady", 300))
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf(
            "steady",
            () =>
              Effect.suspend(() => {
                // Before the last hundred the worker has adapted the batch size.
                if (started++ < 200) return Effect.sleep("100 millis")
                held++
                return Deferred.await(release)
              }),
            { concurrency: 16 }
          )
        ])
        yield* until(
          Effect.sync(() => held),
          (n) => n === 16
        )
        // The worker has claimed these and some more; the rest is left for other workers.
        assert.isAbove(yield* count("queue", "steady"), 0)
        yield* Deferred.succeed(release, undefined)
        yield* untilIdle("steady")
      }).pipe(Effect.scoped)
      assert.strictEqual(started, 300)
    }).pipe(Tenant.provide(acme))
  )

  it.effect(
    "acknowledges the completed jobs of a running batch, so that a crash repeats only the others",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const statements = yield* statementsOf
        const sql = yield* SqlClient.SqlClient
        const release = yield* Deferred.make<void>()
        const runs = new Map<number, number>()
        yield* queue.enqueue(jobs("partly", 20))
        yield* Effect.gen(function* () {
          yield* worker([
            handlerOf(
              "partly",
              ([job]) =>
                Effect.gen(function* () {
                  runs.set(job?.seq ?? 0, (runs.get(job?.seq ?? 0) ?? 0) + 1)
                  if (JSON.stringify(job?.payload) === '{"n":0}') yield* Deferred.await(release)
                }),
              // All of them in one claim.
              { concurrency: 20 }
            )
          ])
          yield* until(
            sql<{
              readonly done: number
            }>`
              SELECT cardinality(done) AS done
                FROM hm_test_lease
               WHERE queue = 'partly'
            `,
            ([row]) => row?.done === 19
          )
          // As after a crash of the worker.
          yield* sql`
            UPDATE hm_test_lease
               SET lease_until = now() - interval '1 second'
             WHERE queue = 'partly'
          `
          // Its lease is reaped, by its own reaper or by this one, and the unfinished job runs again.
          yield* statements.reap(10, yield* Now.now)
          yield* until(
            Effect.sync(() => runs.size),
            (size) => size === 21
          )
          yield* Deferred.succeed(release, undefined)
          yield* untilIdle("partly")
        }).pipe(Effect.scoped)
        // The reaped job has a new sequence number: each number ran once.
        assert.strictEqual(runs.size, 21)
        assert.isTrue(Array.from(runs.values()).every((n) => n === 1))
      }).pipe(Tenant.provide(acme))
  )

  it.effect("releases unfinished jobs when it stops, without counting an attempt", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const started = yield* Deferred.make<void>()
      let done = 0
      yield* queue.enqueue(jobs("stopped", 10))
      yield* queue.enqueue(jobs("stopped", 3, { orderingKey: "k" }))
      yield* Effect.gen(function* () {
        yield* worker(
          [
            handlerOf("stopped", ([job]) =>
              Effect.gen(function* () {
                const text = JSON.stringify(job?.payload)
                if (text === '{"n":1}' || text === '{"n":2}') {
                  yield* Deferred.succeed(started, undefined)
                  return yield* Effect.never
                }
                done++
              })
            )
          ],
          { stopTimeout: "100 millis" }
        )
        yield* Deferred.await(started)
        yield* until(
          Effect.sync(() => done),
          (n) => n === 9
        )
      }).pipe(Effect.scoped)
      assert.strictEqual(yield* count("lease", "stopped"), 0)
      const left = yield* sql<{ readonly attempt: number; readonly lost: number; readonly n: number }>`
        SELECT attempt, lost, (payload ->> 'n')::int AS n
          FROM hm_test_delayed
         WHERE queue = 'stopped'
         ORDER BY n
      `
      assert.deepStrictEqual(left, [
        { attempt: 0, lost: 0, n: 1 },
        { attempt: 0, lost: 0, n: 2 }
      ])
      assert.strictEqual(yield* count("keyed", "stopped"), 2)
      assert.strictEqual(yield* count("queue", "stopped"), 1)
    }).pipe(Tenant.provide(acme))
  )
})
