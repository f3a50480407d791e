import { assert, layer } from "@effect/vitest"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as WorkQueue from "@hypermarket/core/WorkQueue"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"

const prefix = "hm_sweep"
const migrations = Migrations.make("sweep", {
  "0001_queue": Migrations.migration(WorkQueue.createStatements(prefix))
})

const TestLayer = Wakeup.layerSilent.pipe(Layer.provideMerge(TestDatabase.layer(migrations)))

const small = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** A lane with so many jobs, of which a worker knows nothing, or that the first `behind` are done with. */
const Lane = Schema.Struct({
  tenant: small(0, 5),
  queue: Schema.Literals(["a", "b", "c"]),
  priority: small(-1, 1),
  jobs: small(0, 4),
  behind: Schema.NullOr(small(0, 4))
})

const textOf = (lane: { readonly tenantId: string; readonly queue: string; readonly priority: number }) =>
  `${lane.tenantId} ${lane.queue} ${lane.priority}`

layer(TestLayer, { excludeTestServices: true })("A sweep with hints", (it) => {
  it.effect.prop(
    "finds each lane that has a job at its hint or behind it, and each that has none",
    { lanes: Schema.Array(Lane).check(Schema.isMaxLength(12)) },
    ({ lanes }) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const queue = yield* WorkQueue.make({ prefix })
        yield* sql`DELETE FROM hm_sweep_queue`
        const hints = new Map<string, { tenantId: string; queue: string; priority: number; hint: number }>()
        for (const { jobs, priority, queue: name, tenant } of lanes) {
          if (jobs === 0) continue
          yield* queue
            .enqueue(
              Array.from({ length: jobs }, () => ({ queue: name, type: "t", payload: null, priority }))
            )
            .pipe(Tenant.provide(Tenant.TenantId.make(`tenant-${tenant}`)))
        }
        const standing = yield* sql<{
          readonly tenantId: string
          readonly queue: string
          readonly priority: number
          readonly seqs: ReadonlyArray<number>
        }>`
          SELECT tenant_id AS "tenantId", queue, priority, array_agg(seq::float8 ORDER BY seq) AS seqs
            FROM hm_sweep_queue GROUP BY 1, 2, 3
        `
        const seqsOf = new Map(standing.map((lane) => [textOf(lane), lane.seqs]))
        for (const { behind, priority, queue: name, tenant } of lanes) {
          if (behind === null) continue
          const lane = { tenantId: `tenant-${tenant}`, queue: name, priority }
          // Past the end when it is done with more than there are; a known lane may also be empty.
          const seqs = seqsOf.get(textOf(lane)) ?? []
          hints.set(textOf(lane), { ...lane, hint: seqs[behind] ?? (seqs.at(-1) ?? 0) + 1 })
        }
        const expected = standing.filter((lane) =>
          lane.seqs.some((seq) => seq >= (hints.get(textOf(lane))?.hint ?? 0))
        )
        const found = yield* queue.statements.sweepBeyond(Array.from(hints.values()))
        assert.deepStrictEqual(found.map(textOf).toSorted(), expected.map(textOf).toSorted())
        assert.deepStrictEqual(
          (yield* queue.statements.sweep).map(textOf).toSorted(),
          standing.map(textOf).toSorted()
        )
      }),
    { arbitrary: { runs: 60 } }
  )
})
