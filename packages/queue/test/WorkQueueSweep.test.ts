import { assert, layer } from "@effect/vitest"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as Statements from "@hypermarket/queue/internal/statements"
import { tablesOf } from "@hypermarket/queue/internal/tables"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Schema } from "effect"
import { SqlClient } from "effect/sql"

const prefix = "hm_sweep"
const releases = { since: "0.1.0", oldestRelease: "0.1.0" }
const migrations = Migrations.make(
  "test",
  {
    "0001_queue": QueueMigrations.migration(1, prefix, releases),
    "0002_queue_job": QueueMigrations.migration(2, prefix, releases)
  },
  { release: "0.1.0" }
)

const TestLayer = Wakeup.layerSilent.pipe(Layer.provideMerge(TestDatabase.layer(migrations)))

const small = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** A flow and its number of jobs; a worker has completed the first `behind`, or does not know the flow. */
const Flow = Schema.Struct({
  tenant: small(0, 5),
  queue: Schema.Literals(["a", "b", "c"]),
  priority: small(-1, 1),
  jobs: small(0, 4),
  behind: Schema.NullOr(small(0, 4))
})

const textOf = (flow: { readonly tenantId: string; readonly queue: string; readonly priority: number }) =>
  `${flow.tenantId} ${flow.queue} ${flow.priority}`

layer(TestLayer, { excludeTestServices: true })("A sweep with hints", (it) => {
  it.effect.prop(
    "finds each flow that has a job at or after its hint, and each without a hint",
    { flows: Schema.Array(Flow).check(Schema.isMaxLength(12)) },
    ({ flows }) =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const queue = yield* WorkQueue.make({ prefix })
        const statements = Statements.make(sql, tablesOf(prefix))
        yield* sql`DELETE FROM hm_sweep_queue`
        const hints = new Map<string, { tenantId: string; queue: string; priority: number; hint: number }>()
        for (const { jobs, priority, queue: name, tenant } of flows) {
          if (jobs === 0) continue
          yield* queue
            .enqueue(
              Array.from({ length: jobs }, () => ({ queue: name, type: "t", payload: null, priority }))
            )
            .pipe(Tenant.provide(Tenant.TenantId.make(`tenant-${tenant}`)))
        }
        const rows = yield* sql<{
          readonly tenantId: string
          readonly queue: string
          readonly priority: number
          readonly seqs: ReadonlyArray<number>
        }>`
          SELECT tenant_id AS "tenantId", queue, priority, array_agg(seq::float8 ORDER BY seq) AS seqs
            FROM hm_sweep_queue
           GROUP BY 1, 2, 3
        `
        const seqsOf = new Map(rows.map((flow) => [textOf(flow), flow.seqs]))
        for (const { behind, priority, queue: name, tenant } of flows) {
          if (behind === null) continue
          const flow = { tenantId: `tenant-${tenant}`, queue: name, priority }
          // After the last job when more are completed than exist; a known flow may be empty too.
          const seqs = seqsOf.get(textOf(flow)) ?? []
          hints.set(textOf(flow), { ...flow, hint: seqs[behind] ?? (seqs.at(-1) ?? 0) + 1 })
        }
        const expected = rows.filter((flow) =>
          flow.seqs.some((seq) => seq >= (hints.get(textOf(flow))?.hint ?? 0))
        )
        const swept = yield* statements.sweepBeyond(Array.from(hints.values()))
        assert.deepStrictEqual(swept.map(textOf).toSorted(), expected.map(textOf).toSorted())
        assert.deepStrictEqual((yield* statements.sweep).map(textOf).toSorted(), rows.map(textOf).toSorted())
      }),
    { arbitrary: { runs: 60 } }
  )
})
