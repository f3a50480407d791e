/** A worker process of the chaos test. */
import * as Database from "@hypermarket/core/Database"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { workflows } from "./workflows.ts"

const main = Layer.unwrap(
  Effect.gen(function* () {
    const options = TestDatabase.optionsOf(yield* Config.String("HM_CHAOS_URL"))
    return workflows.pipe(
      Layer.provideMerge(EventWorkflow.layerWorker({ poll: "50 millis", lease: "2 seconds" })),
      Layer.provideMerge([Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)]),
      Layer.provideMerge(Database.layer(options, "chaos-worker"))
    )
  })
)

NodeRuntime.runMain(Layer.launch(main))
