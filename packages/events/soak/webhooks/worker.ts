/** A worker process of the run of webhooks, which kills it. */
import * as Database from "@hypermarket/core/Database"
import * as Main from "@hypermarket/core/Main"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import { environment, leaseMillis, up } from "@hypermarket/soak/Settings"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"

const reconnect = Schedule.spaced("100 millis")

const program = Effect.gen(function* () {
  const options = TestDatabase.optionsOf(yield* Config.String(environment.url))
  const layer = Layer.mergeAll(Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)).pipe(
    Layer.provideMerge(Database.layer(options, "hm-soak-worker"))
  )
  // Postgres may be away when a worker starts.
  const context = yield* Effect.retry(Layer.build(layer), reconnect)
  yield* EventWorker.run({ domains: [EventsDomain.domain], queue: { lease: leaseMillis } }).pipe(
    Effect.retry(reconnect),
    Effect.provideContext(context)
  )
  process.stdout.write(`${up}\n`)
  return yield* Effect.forever(Effect.sleep("1 hour"))
})

Main.run(Effect.scoped(program))
