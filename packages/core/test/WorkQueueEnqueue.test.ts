import { assert, layer } from "@effect/vitest"
import * as Tenant from "@hypermarket/core/Tenant"
import { hold } from "@hypermarket/testing/HeldTransaction"
import { Effect, Fiber, Result } from "effect"
import { SqlClient } from "effect/sql"
import { acme, layerQuiet, queueOf, count, until } from "./workQueueSupport.ts"

layer(layerQuiet, { excludeTestServices: true })("Enqueueing", (it) => {
  it.effect("gathers what many callers enqueue one by one, and each is in the database when it returns", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const tenants = ["acme", "globex", "initech"].map((id) => Tenant.TenantId.make(id))
      yield* Effect.forEach(
        Array.from({ length: 600 }, (_, n) => n),
        (n) =>
          Effect.gen(function* () {
            const [id = ""] = yield* queue.enqueue([{ queue: "gathered", type: "t", payload: { n } }])
            const found =
              yield* sql`SELECT 1 FROM hm_test_queue WHERE queue = 'gathered' AND job_id = ${id}::uuid`
            assert.lengthOf(found, 1)
          }).pipe(Tenant.provide(tenants[n % 3] ?? acme)),
        { concurrency: 100 }
      )
      const rows = yield* sql<{
        readonly tenantId: string
        readonly n: number
        readonly transactions: number
      }>`
        SELECT tenant_id AS "tenantId", (payload ->> 'n')::int % 3 AS n, count(*)::int AS jobs,
               (SELECT count(DISTINCT xmin::text)::int FROM hm_test_queue WHERE queue = 'gathered') AS transactions
          FROM hm_test_queue WHERE queue = 'gathered' GROUP BY 1, 2 ORDER BY 2
      `
      assert.deepStrictEqual(
        rows.map((row) => [row.tenantId, row.n]),
        [
          ["acme", 0],
          ["globex", 1],
          ["initech", 2]
        ]
      )
      assert.isBelow(rows[0]?.transactions ?? 0, 300)
    })
  )

  it.effect("sheds what may not wait with a typed error, and loses nothing of what it took", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const release = yield* hold(sql`LOCK TABLE hm_test_queue IN SHARE MODE`, Effect.void)
      const callers = yield* Effect.forEach(
        Array.from({ length: 14_000 }, (_, n) => n),
        (n) => Effect.forkChild(Effect.result(queue.enqueue([{ queue: "shed", type: "t", payload: { n } }])))
      )
      yield* Effect.yieldNow
      yield* release
      const results = yield* Effect.forEach(callers, Fiber.join)
      const taken = results.filter(Result.isSuccess).length
      for (const result of results) {
        if (Result.isFailure(result)) assert.strictEqual(result.failure._tag, "QueueOverloaded")
      }
      assert.isBelow(taken, 14_000)
      assert.isAtLeast(taken, 10_000)
      assert.strictEqual(yield* count("queue", "shed"), taken)
    }).pipe(Tenant.provide(acme))
  )

  it.effect("leaves out the job of a caller that gave up before it was on its way", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const release = yield* hold(sql`LOCK TABLE hm_test_queue IN SHARE MODE`, Effect.void)
      const waitingForLock = sql<{ readonly n: number }>`
        SELECT count(*)::int AS n FROM pg_locks WHERE NOT granted AND relation = 'hm_test_queue'::regclass
      `
      const caller = (type: string) =>
        Effect.forkChild(queue.enqueue([{ queue: "given-up", type, payload: null }]), {
          startImmediately: true
        })
      // Two statements at a time are on their way; the third caller waits for one of them.
      const first = yield* caller("first")
      yield* until(waitingForLock, ([row]) => row?.n === 1)
      const second = yield* caller("second")
      yield* until(waitingForLock, ([row]) => row?.n === 2)
      const third = yield* caller("third")
      yield* Fiber.interrupt(third)
      yield* release
      yield* Effect.forEach([first, second], Fiber.join)
      const types = yield* sql<{ readonly type: string }>`
        SELECT type FROM hm_test_queue WHERE queue = 'given-up' ORDER BY type
      `
      assert.deepStrictEqual(
        types.map((row) => row.type),
        ["first", "second"]
      )
    }).pipe(Tenant.provide(acme))
  )
})
