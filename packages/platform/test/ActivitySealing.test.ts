import { assert, layer } from "@effect/vitest"
import * as Audit from "@hypermarket/core/Audit"
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ActivityLog } from "@hypermarket/platform/ActivityLog"
import { ActivitySeals } from "@hypermarket/platform/ActivitySeals"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Deferred, Effect, Fiber, Layer, Random, Ref, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import * as Support from "./auditSupport.ts"

const writers = 64
const transactionsEach = 4
/** Connections of the writers: a server for tests has a hundred in all. */
const connectionsMax = 16
const pauseMillisMax = 250
const sealEvery = "100 millis"

/** A separate pool for the writers. */
const layerWriters = Layer.unwrap(
  Effect.map(TestDatabase.TestDatabase, ({ options }) =>
    ActivityLog.layerAudit.pipe(
      Layer.provideMerge(Database.layer({ ...options, poolMax: connectionsMax }, "hm-test-writers"))
    )
  )
)

layer(Support.layerLog, { excludeTestServices: true })("Sealing", (it) => {
  it.effect(
    "covers every committed row by one checkpoint and no other row, without an alarm on the way, while a transaction elsewhere stays open",
    () =>
      Effect.gen(function* () {
        const tenant = TenantId.make("crowded")
        const sql = yield* SqlClient.SqlClient
        const seals = yield* ActivitySeals
        const log = yield* ActivityLog
        const committed = yield* Ref.make(0)
        const isDone = yield* Deferred.make<void>()
        const alarms: Array<string> = []

        // It has a transaction id and a snapshot, and ends last.
        const elsewhere = yield* sql
          .withTransaction(
            Effect.gen(function* () {
              yield* Audit.record({ action: "item.changed", target: { type: "item", id: "elsewhere" } }).pipe(
                provide(TenantId.make("elsewhere"))
              )
              yield* Deferred.await(isDone)
            })
          )
          .pipe(Effect.forkScoped)

        const sealing = yield* Effect.gen(function* () {
          yield* seals.seal.pipe(Support.asSystem)
          const { problems } = yield* log.verify({}).pipe(provide(tenant))
          alarms.push(...problems.map(({ reason }) => reason))
        }).pipe(Effect.repeat(Schedule.spaced(sealEvery)), Effect.forkScoped)

        const transaction = Effect.gen(function* () {
          const client = yield* SqlClient.SqlClient
          const rows = yield* Random.nextIntBetween(1, 4)
          const rollsBack = (yield* Random.nextIntBetween(0, 5)) === 0
          const work = Effect.gen(function* () {
            for (let row = 0; row < rows; row++) {
              yield* Audit.record({
                action: "item.changed",
                target: { type: "item", id: rollsBack ? "rolled-back" : "kept" }
              })
              yield* Effect.sleep(yield* Random.nextIntBetween(0, pauseMillisMax / rows))
            }
            if (rollsBack) return yield* Effect.fail("rolled back" as const)
          })
          yield* client.withTransaction(work).pipe(
            Effect.andThen(Ref.update(committed, (count) => count + rows)),
            Effect.catch((error) => (error === "rolled back" ? Effect.void : Effect.fail(error)))
          )
        })
        yield* Effect.forEach(
          Array.from({ length: writers }, (_, index) => index),
          () => Effect.repeat(transaction, { times: transactionsEach - 1 }),
          { concurrency: "unbounded" }
        ).pipe(Effect.provide(layerWriters, { local: true }), provide(tenant))

        yield* Fiber.interrupt(sealing)
        yield* seals.seal.pipe(Support.asSystem)
        const [counts] = yield* sql<{
          readonly rows: number
          readonly named: number
          readonly distinct: number
          readonly rolledBack: number
        }>`
          SELECT (SELECT count(*)::int FROM hm_platform_activity_log WHERE tenant_id = ${tenant}) AS rows,
                 (SELECT count(*)::int
                    FROM hm_platform_activity_log
                   WHERE tenant_id = ${tenant} AND detail LIKE '%rolled-back%') AS "rolledBack",
                 count(*)::int AS named,
                 count(DISTINCT id)::int AS distinct
            FROM hm_platform_activity_checkpoint
           CROSS JOIN unnest(activity_ids) AS id
           WHERE tenant_id = ${tenant}
        `
        const rows = yield* Ref.get(committed)
        assert.isAbove(rows, writers)
        assert.deepStrictEqual(counts, { rows, named: rows, distinct: rows, rolledBack: 0 })
        assert.deepStrictEqual(alarms, [])
        const report = yield* log.verify({}).pipe(provide(tenant))
        assert.deepInclude(report, { rows, unsealed: 0, problems: [] })
        assert.isAbove(report.checkpoints, 3)
        yield* Deferred.succeed(isDone, undefined)
        yield* Fiber.join(elsewhere)
        yield* seals.seal.pipe(Support.asSystem)
        const late = yield* log.verify({}).pipe(provide(TenantId.make("elsewhere")))
        assert.deepInclude(late, { rows: 1, unsealed: 0, problems: [] })
      })
  )

  it.effect("makes one checkpoint of a tenant at a time, however many workers seal", () =>
    Effect.gen(function* () {
      const seals = yield* ActivitySeals
      const log = yield* ActivityLog
      for (let round = 0; round < 5; round++) {
        yield* Support.changeItem(`${round}`, 1, 2)
        yield* Effect.all(
          Array.from({ length: 4 }, () => seals.seal.pipe(Support.asSystem)),
          { concurrency: "unbounded" }
        )
      }
      yield* seals.sweep.pipe(Support.asSystem)
      assert.deepInclude(yield* log.verify({}), { rows: 5, unsealed: 0, problems: [] })
    }).pipe(provide(TenantId.make("workers")))
  )
})
