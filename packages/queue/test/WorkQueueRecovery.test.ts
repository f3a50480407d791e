import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import * as Tenant from "@hypermarket/core/Tenant"
import { Deferred, Effect, Fiber, Metric, Tracer } from "effect"
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
  deadOf,
  jobs
} from "./queueFixture.ts"

layer(layerQuiet, { excludeTestServices: true })("A worker after a failure", (it) => {
  it.effect("commits the good jobs of a batch whose transaction fails at its commit, each once", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      yield* sql`CREATE TABLE parent (n int PRIMARY KEY)`
      yield* sql`CREATE TABLE child (n int CONSTRAINT has_parent REFERENCES parent DEFERRABLE INITIALLY DEFERRED)`
      yield* sql`
        INSERT INTO parent
        SELECT n
          FROM generate_series(0, 19) n
         WHERE n <> 13
      `
      yield* queue.enqueue(jobs("deferred", 20))
      yield* queue.enqueue(jobs("deferred", 3, { orderingKey: "k" }))
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf(
            "deferred",
            (batch) =>
              sql`
              INSERT INTO child
              SELECT (j ->> 'n')::int
                FROM json_array_elements(${JSON.stringify(batch.map((job) => job.payload))}::text::json) j
            `.pipe(Effect.asVoid),
            { transactional: true, batchMax: 50 }
          )
        ])
        yield* untilIdle("deferred")
      }).pipe(Effect.scoped)
      const [row] = yield* sql<{ readonly rows: number; readonly numbers: number }>`
        SELECT count(*)::int AS rows, count(DISTINCT n)::int AS numbers
          FROM child
      `
      assert.deepStrictEqual(row, { rows: 22, numbers: 19 })
      const dead = yield* deadOf("deferred")
      assert.deepStrictEqual(
        dead.map((job) => [job.payload, job.attempt]),
        [['{"n":13}', 3]]
      )
    }).pipe(Tenant.provide(acme))
  )

  it.effect("dead-letters the poison job of a key, and runs all its other jobs", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const statements = yield* statementsOf
      const sql = yield* SqlClient.SqlClient
      const done: Array<string> = []
      const poison = '{"n":4}'
      yield* queue.enqueue(jobs("poisoned", 8, { orderingKey: "k" }))
      yield* queue.enqueue(jobs("poisoned", 5))
      let deaths = 0
      // A dead worker: it stops at any point, and its leases expire.
      while ((yield* count("keyed", "poisoned")) > 0 || (yield* count("queue", "poisoned")) > 0) {
        const died = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          Effect.scoped(
            Effect.andThen(
              worker(
                [
                  handlerOf("poisoned", ([job]) =>
                    job?.orderingKey !== undefined && JSON.stringify(job.payload) === poison
                      ? Effect.andThen(Deferred.succeed(died, undefined), Effect.never)
                      : Effect.sync(() => done.push(job?.jobId ?? ""))
                  )
                ],
                { stopTimeout: 0 }
              ),
              Effect.never
            )
          )
        )
        const ended = yield* Effect.raceFirst(
          Effect.as(Deferred.await(died), "died"),
          Effect.as(untilIdle("poisoned"), "idle")
        )
        if (ended === "died") {
          deaths++
          // Before it can release anything.
          yield* sql`
            UPDATE hm_test_lease
               SET lease_until = now() - interval '1 second'
             WHERE ltrim(queue, '!') = 'poisoned'
          `
          yield* statements.reap(10, yield* Now.now)
        }
        yield* Fiber.interrupt(fiber)
      }
      assert.strictEqual(deaths, 4)
      const dead = yield* deadOf("poisoned")
      assert.deepStrictEqual(
        dead.map((job) => job.payload),
        [poison]
      )
      assert.include(JSON.stringify(dead[0]?.errors), "the worker was lost")
      assert.strictEqual(new Set(done).size, 12)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("runs quarantined jobs one at a time, regardless of their duration", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`
        INSERT INTO hm_test_queue (tenant_id, queue, job_id, type, lost)
        SELECT 'acme', '!slowly', gen_random_uuid(), 't', 2
          FROM generate_series(1, 5)
      `
      let running = 0
      let most = 0
      let ended = 0
      yield* Effect.gen(function* () {
        yield* worker([
          handlerOf("slowly", () =>
            Effect.gen(function* () {
              running++
              most = Math.max(most, running)
              // Longer than a claim loop waits for a batch.
              yield* Effect.sleep("250 millis")
              running--
              ended++
            })
          )
        ])
        yield* untilIdle("slowly")
      }).pipe(Effect.scoped)
      assert.strictEqual(ended, 5)
      // Another one that ran concurrently would be blamed for this one.
      assert.strictEqual(most, 1)
    }).pipe(Tenant.provide(acme))
  )

  it.effect(
    "counts by queue and outcome, and traces an attempt when the trace of its publisher is recorded",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const spans: Array<Tracer.NativeSpan> = []
        const tracer = Tracer.make({
          span: (options) => {
            const span = new Tracer.NativeSpan(options)
            spans.push(span)
            return span
          }
        })
        const traceId = "0af7651916cd43dd8448eb211c80319c"
        const traceparent = (sampled: boolean) => `00-${traceId}-b7ad6b7169203331-0${sampled ? 1 : 0}`
        yield* queue.enqueue([
          { queue: "seen", type: "recorded", payload: null, headers: { traceparent: traceparent(true) } },
          {
            queue: "seen",
            type: "not recorded",
            payload: null,
            headers: { traceparent: traceparent(false) }
          },
          { queue: "seen", type: "untraced", payload: null },
          { queue: "seen", type: "fails", payload: null, attemptsMax: 1 }
        ])
        yield* Effect.gen(function* () {
          yield* worker([
            handlerOf("seen", ([job]) => (job?.type === "fails" ? Effect.fail("no") : Effect.void))
          ])
          yield* untilIdle("seen")
        }).pipe(Effect.scoped, Effect.withTracer(tracer))
        const attempts = spans.filter((span) => span.name === "WorkQueue.run seen")
        assert.lengthOf(attempts, 1)
        const [link] = attempts[0]?.links ?? []
        assert.strictEqual(link?.span.traceId, traceId)
        assert.notStrictEqual(attempts[0]?.traceId, traceId)
        const counted = (yield* Metric.snapshot)
          .filter((metric) => metric.id === "hm_queue_jobs_total" && metric.attributes?.queue === "seen")
          .map((metric) => [
            metric.attributes?.outcome,
            metric.type === "Counter" ? Number(metric.state.count) : 0
          ])
        assert.deepStrictEqual(counted.toSorted(), [
          ["done", 3],
          ["failed", 1]
        ])
      }).pipe(Tenant.provide(acme))
  )
})
