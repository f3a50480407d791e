import { assert, layer } from "@effect/vitest"
import * as Tenant from "@hypermarket/core/Tenant"
import { hold } from "@hypermarket/testing/HeldTransaction"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Effect, Fiber, Layer, PubSub, Result } from "effect"
import { SqlClient } from "effect/sql"
import {
  acme,
  count,
  handlerOf,
  layerOf,
  layerQuiet,
  queueOf,
  until,
  withoutTimeouts,
  worker
} from "./queueFixture.ts"

layer(layerQuiet, { excludeTestServices: true })("Enqueueing", (it) => {
  it.effect(
    "gathers the jobs of concurrent callers, and each job is in the database when its call returns",
    () =>
      Effect.gen(function* () {
        const queue = yield* queueOf
        const sql = yield* SqlClient.SqlClient
        const tenants = ["acme", "globex", "initech"].map((id) => Tenant.TenantId.make(id))
        yield* Effect.forEach(
          Array.from({ length: 600 }, (_, n) => n),
          (n) =>
            Effect.gen(function* () {
              const [id = ""] = yield* queue.enqueue([{ queue: "gathered", type: "t", payload: { n } }])
              const rows = yield* sql`
                  SELECT 1
                    FROM hm_test_queue
                   WHERE queue = 'gathered' AND job_id = ${id}::uuid
                `
              assert.lengthOf(rows, 1)
            }).pipe(Tenant.provide(tenants[n % 3] ?? acme)),
          { concurrency: 100 }
        )
        const rows = yield* sql<{
          readonly tenantId: string
          readonly n: number
          readonly transactions: number
        }>`
        SELECT tenant_id AS "tenantId", (payload ->> 'n')::int % 3 AS n, count(*)::int AS jobs,
               (SELECT count(DISTINCT xmin::text)::int
                  FROM hm_test_queue
                 WHERE queue = 'gathered') AS transactions
          FROM hm_test_queue
         WHERE queue = 'gathered'
         GROUP BY 1, 2
         ORDER BY 2
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

  it.effect("refuses jobs beyond the waiting limit with a typed error, and loses no accepted job", () =>
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
      const accepted = results.filter(Result.isSuccess).length
      for (const result of results) {
        if (Result.isFailure(result)) assert.strictEqual(result.failure._tag, "QueueOverloaded")
      }
      assert.isBelow(accepted, 14_000)
      assert.isAtLeast(accepted, 10_000)
      assert.strictEqual(yield* count("queue", "shed"), accepted)
    }).pipe(Tenant.provide(acme), withoutTimeouts)
  )

  it.effect("does not enqueue the job of a caller that was interrupted before its statement", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const sql = yield* SqlClient.SqlClient
      const release = yield* hold(sql`LOCK TABLE hm_test_queue IN SHARE MODE`, Effect.void)
      const waitingForLock = sql<{ readonly n: number }>`
        SELECT count(*)::int AS n
          FROM pg_locks
         WHERE NOT granted AND relation = 'hm_test_queue'::regclass
      `
      const caller = (type: string) =>
        Effect.forkChild(queue.enqueue([{ queue: "given-up", type, payload: null }]), {
          startImmediately: true
        })
      // Two statements run concurrently; the third caller waits for one of them.
      const first = yield* caller("first")
      yield* until(waitingForLock, ([row]) => row?.n === 1)
      const second = yield* caller("second")
      yield* until(waitingForLock, ([row]) => row?.n === 2)
      const third = yield* caller("third")
      yield* Fiber.interrupt(third)
      yield* release
      yield* Effect.forEach([first, second], Fiber.join)
      const types = yield* sql<{ readonly type: string }>`
        SELECT type
          FROM hm_test_queue
         WHERE queue = 'given-up'
         ORDER BY type
      `
      assert.deepStrictEqual(
        types.map((row) => row.type),
        ["first", "second"]
      )
    }).pipe(Tenant.provide(acme), withoutTimeouts)
  )
})

const sent: Array<string> = []
const layerRecorded = layerOf(
  Layer.effect(
    Wakeup.Wakeup,
    Effect.gen(function* () {
      const heard = yield* PubSub.unbounded<Wakeup.Signal | undefined>()
      return {
        signal: (channel: string, payload: string) =>
          Effect.sync(() => void sent.push(payload)).pipe(
            Effect.andThen(PubSub.publish(heard, { channel, payload })),
            Effect.asVoid
          ),
        signals: PubSub.subscribe(heard)
      }
    })
  )
)

layer(layerRecorded, { excludeTestServices: true })("Jobs for more queues than are named", (it) => {
  it.effect("send one signal for the rest, which the worker finds by it", () =>
    Effect.gen(function* () {
      const queue = yield* queueOf
      const names = Array.from({ length: 300 }, (_, n) => `many-${n}`)
      const done = new Set<string>()
      yield* worker(
        names.map((name) => handlerOf(name, () => Effect.sync(() => void done.add(name)))),
        { poll: "1 hour" }
      )
      yield* queue.enqueue(names.map((name) => ({ queue: name, type: "t", payload: null })))
      yield* until(
        Effect.sync(() => done.size),
        (size) => size === names.length
      )
      assert.lengthOf(sent, 101)
      assert.include(sent, "*")
    }).pipe(Effect.scoped, Tenant.provide(acme))
  )
})
