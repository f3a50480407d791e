import { assert, layer } from "@effect/vitest"
import * as Tenant from "@hypermarket/core/Tenant"
import * as QueueJob from "@hypermarket/queue/QueueJob"
import { Deferred, Effect, Exit, Ref } from "effect"
import { SqlClient } from "effect/sql"
import { acme, queueOf, millis, handlerOf, worker, jobs } from "./queueFixture.ts"
import { TestLayer, standing, untilIdle } from "./workQueueFixture.ts"

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
})
