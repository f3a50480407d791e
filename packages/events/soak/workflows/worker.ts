/** A worker process of the run of executions, which kills it. */
import * as Database from "@hypermarket/core/Database"
import * as Main from "@hypermarket/core/Main"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import { environment, leaseMillis, up } from "@hypermarket/soak/Settings"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { applicationName, workflows } from "./programs.ts"

const program = Effect.gen(function* () {
  const options = TestDatabase.optionsOf(yield* Config.String(environment.url))
  const layer = workflows.pipe(
    Layer.provideMerge(EventWorkflow.layerWorker({ lease: leaseMillis })),
    Layer.provideMerge([Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)]),
    Layer.provideMerge(Database.layer(options, applicationName))
  )
  // Postgres may be away when a worker starts.
  yield* Effect.retry(Layer.build(layer), Schedule.spaced("100 millis"))
  process.stdout.write(`${up}\n`)
  return yield* Effect.forever(Effect.sleep("1 hour"))
})

Main.run(Effect.scoped(program))
