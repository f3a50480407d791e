import { assert, layer } from "@effect/vitest"
import { PgClient } from "@effect/sql-pg"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer } from "effect"
import type { SqlClient } from "effect/sql"
import { WorkflowEngine } from "effect/workflow"
import { programs, takeJournals, workflows } from "./workflowPrograms.ts"

const acme = TenantId.make("acme")

const Database = EventsDomain.layer.pipe(
  Layer.provideMerge(Wakeup.layerSilent),
  Layer.provideMerge(
    Layer.effect(
      ClaimClient,
      Effect.map(PgClient.PgClient, (client): SqlClient.SqlClient => client)
    )
  ),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

const OnPostgres = workflows.pipe(
  Layer.provideMerge(EventWorkflow.layerWorker({ poll: "20 millis" })),
  Layer.provideMerge(Database)
)

layer(OnPostgres, { excludeTestServices: true })("The programs of Effect's workflow API", (it) => {
  it.effect("have the results and journals of the engine in memory", () =>
    Effect.gen(function* () {
      takeJournals()
      const run = Effect.all(programs, { concurrency: "unbounded" })
      const expected = yield* run.pipe(
        Effect.provide(Layer.fresh(workflows).pipe(Layer.provideMerge(WorkflowEngine.layerMemory)))
      )
      const expectedJournals = takeJournals()
      const results = yield* run.pipe(provide(acme))
      assert.deepStrictEqual(results, expected)
      assert.deepStrictEqual(takeJournals(), expectedJournals)
    })
  )
})
