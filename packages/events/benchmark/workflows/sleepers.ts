/**
 * The memory of a worker beside which executions sleep, in `bench workflows`: idle, and at the peak while many of them wake.
 */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Main from "@hypermarket/core/Main"
import * as Migrations from "@hypermarket/core/Migrations"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { migrations } from "@hypermarket/events/EventsMigrations"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as DurableClock from "effect/workflow/DurableClock"
import * as Workflow from "effect/workflow/Workflow"

const Naps = Workflow.make("naps", {
  payload: { key: Schema.String },
  idempotencyKey: ({ key }) => key
})

const NapsLive = Naps.toLayer(() =>
  DurableClock.sleep({ name: "nap", duration: "30 days", inMemoryThreshold: 0 })
)

const program = Effect.gen(function* () {
  const options = { ...TestDatabase.optionsOf(yield* Config.String("DATABASE_URL")), poolMax: 10 }
  yield* Migrations.run([CoreDomain.migrations, migrations], "public").pipe(
    Effect.provide(Database.layerDirect(options))
  )
  yield* Main.boundYoungGeneration
  const live = NapsLive.pipe(
    Layer.provideMerge(EventWorkflow.layerWorker()),
    Layer.provideMerge([Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)]),
    Layer.provideMerge(Database.layer(options, "hm-bench"))
  )
  yield* Layer.build(live)
  process.send?.({ _tag: "Ready" })
  return yield* Effect.never
})

Main.run(Effect.scoped(program).pipe(Effect.provide(Shutdown.layer)))
