/** A worker in another process, which a test kills: `HM_TEST_WORKER_URL` is its database. */
import * as Database from "@hypermarket/core/Database"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Another worker runs what a killed one held after this time. */
const lease = "2 seconds"

const program = Effect.gen(function* () {
  const options = TestDatabase.optionsOf(yield* Config.String("HM_TEST_WORKER_URL"))
  const services = Layer.mergeAll(Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)).pipe(
    Layer.provideMerge(Database.layer(options, "hm-test-worker"))
  )
  const run = EventWorker.run({ domains: [EventsDomain.domain], queue: { lease } })
  yield* Effect.andThen(run, Effect.never).pipe(Effect.provide(services))
})

await Effect.runPromise(Effect.scoped(program))
