/** A worker of notifications, as the worker app runs it, with leases that are short enough for a run. */
import * as Database from "@hypermarket/core/Database"
import * as Main from "@hypermarket/core/Main"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { DeliveryOptions } from "@hypermarket/notifications/NotificationDelivery"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import { environment, leaseMillis, up } from "@hypermarket/soak/Settings"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { marksSendingName, messageLeaseMillis } from "./settings.ts"

const reconnect = Schedule.spaced("100 millis")

const program = Effect.gen(function* () {
  const url = yield* Config.String(environment.url)
  const marksSending = yield* Config.Boolean(marksSendingName)
  const options = TestDatabase.optionsOf(url)
  const layer = Layer.mergeAll(Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)).pipe(
    Layer.provideMerge(Database.layer(options, "hm-soak-worker"))
  )
  const defaults = yield* DeliveryOptions
  // Postgres may be away when a worker starts.
  const context = yield* Effect.retry(Layer.build(layer), reconnect)
  yield* EventWorker.run({ domains: [NotificationsDomain.domain], queue: { lease: leaseMillis } }).pipe(
    Effect.retry({ schedule: reconnect, while: ({ _tag }) => _tag === "SqlError" }),
    Effect.provideService(DeliveryOptions, { ...defaults, leaseMillis: messageLeaseMillis, marksSending }),
    Effect.provideContext(context)
  )
  process.stdout.write(`${up}\n`)
  return yield* Effect.forever(Effect.sleep("1 hour"))
})

Main.run(Effect.scoped(program))
