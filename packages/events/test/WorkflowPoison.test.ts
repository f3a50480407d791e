/** Executions that cannot be deleted, as a table of a later release or of the operator may hold them. */
import { assert, layer } from "@effect/vitest"
import { AllTenants } from "@hypermarket/core/Tenant"
import { WorkflowMaintenance } from "@hypermarket/events/WorkflowMaintenance"
import * as PoisonSuite from "@hypermarket/testing/PoisonSuite"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { Live } from "./executionWorker.ts"

const { count } = PoisonSuite

const prune = Effect.flatMap(WorkflowMaintenance, (maintenance) => maintenance.prune).pipe(
  Effect.provideService(AllTenants, { actor: "test" })
)

/** An execution that ended 33 days ago, with a task. */
const addEnded = (tenantId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      INSERT INTO hm_workflow_execution (tenant_id, execution_id, name, version, state, payload, result, recorded_at, updated_at,
                                         finished_at)
      VALUES (${tenantId}, 'return/41', 'return', 1, 'succeeded', 'null', 'null', now(), now(), now() - interval '33 days')
    `
    yield* sql`
      INSERT INTO hm_workflow_task (tenant_id, execution_id, kind, name, recorded_at)
      VALUES (${tenantId}, 'return/41', 'activity', 'refund', now())
    `
  })

/** Signals of an execution that was never started. */
const addExpected = (tenantId: string) =>
  Effect.flatMap(
    SqlClient.SqlClient,
    (sql) => sql`
      INSERT INTO hm_workflow_execution (tenant_id, execution_id, name, version, state, payload, recorded_at, updated_at)
      VALUES (${tenantId}, 'return/52', 'return', 1, 'expected', 'null', now() - interval '33 days', now())
    `
  )

/** A row that holds the tenant's executions. */
const hold = (tenantId: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      CREATE TABLE IF NOT EXISTS execution_notes (
        tenant_id    text,
        execution_id text,
        CONSTRAINT noted FOREIGN KEY (tenant_id, execution_id) REFERENCES hm_workflow_execution
      )
    `
    yield* sql`
      INSERT INTO execution_notes
      SELECT tenant_id, execution_id
        FROM hm_workflow_execution
       WHERE tenant_id = ${tenantId}
    `
  })

const isGone = (tenantId: string) =>
  Effect.map(
    Effect.all([count("hm_workflow_execution", tenantId), count("hm_workflow_task", tenantId)]),
    ([executions, tasks]) => executions + tasks === 0
  )

layer(Live, { excludeTestServices: true })("Loops of workflows", (it) => {
  PoisonSuite.suite(it, [
    {
      name: "deleting ended executions beside one that another row holds",
      work: addEnded,
      plant: hold,
      round: prune,
      isDone: isGone,
      recorded: PoisonSuite.loopFailure("events.workflows.prune"),
      expected: /SQLSTATE 23503, constraint noted/
    },
    {
      name: "deleting signals that nobody waited for beside those that another row holds",
      work: addExpected,
      plant: hold,
      round: prune,
      isDone: isGone,
      recorded: PoisonSuite.loopFailure("events.workflows.prune-expected"),
      expected: /SQLSTATE 23503, constraint noted/
    }
  ])

  it.effect("a crowd that cannot be deleted leaves the others' executions no day longer", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (const [tenantId, executions] of [
        ["crowded-a", 1_300],
        ["crowded-b", 700]
      ] as const) {
        yield* sql`
          INSERT INTO hm_workflow_execution (tenant_id, execution_id, name, version, state, payload, result, recorded_at,
                                             updated_at, finished_at)
          SELECT ${tenantId}, 'e' || n, 'return', 1, 'succeeded', 'null', 'null', now(), now(), now() - interval '40 days'
            FROM generate_series(1, ${executions}::int) AS n
        `
      }
      yield* hold("crowded-a")
      yield* prune
      assert.strictEqual(yield* count("hm_workflow_execution", "crowded-b"), 0)
      assert.strictEqual(yield* count("hm_workflow_execution", "crowded-a"), 1_300)
    })
  )
})
