/** The worker of `bench webhooks`: the domain of events alone. */
import * as Database from "@hypermarket/core/Database"
import * as Main from "@hypermarket/core/Main"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const program = Effect.gen(function* () {
  const options = TestDatabase.optionsOf(yield* Config.String("DATABASE_URL"))
  const layer = Layer.mergeAll(Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)).pipe(
    Layer.provideMerge(Database.layer(options, "hm-bench-worker"))
  )
  return yield* Effect.andThen(EventWorker.run({ domains: [EventsDomain.domain] }), Effect.never).pipe(
    Effect.provide(layer)
  )
})

Main.run(Effect.scoped(program))
