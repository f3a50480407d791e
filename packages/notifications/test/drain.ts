/** The program that the kill test kills: sends the messages of `DRAIN_IDS`, once. */
import * as Database from "@hypermarket/core/Database"
import { provide } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { DeliveryOptions, NotificationDelivery } from "@hypermarket/notifications/NotificationDelivery"
import * as NotificationsDomain from "@hypermarket/notifications/NotificationsDomain"
import { Effect, Layer } from "effect"
import * as Laboratory from "./Laboratory.ts"

const ids = (process.env["DRAIN_IDS"] ?? "").split(",")
const marksSending = process.env["DRAIN_MARKS_SENDING"] === "true"

const options = Layer.effect(
  DeliveryOptions,
  Effect.map(DeliveryOptions, (defaults) => ({ ...defaults, marksSending }))
)

const program = Effect.flatMap(NotificationDelivery, (delivery) => delivery.send(ids)).pipe(
  provide(Laboratory.acme),
  Effect.provide(
    NotificationsDomain.layer.pipe(
      Layer.provide(options),
      Layer.provide(Wakeup.layerSilent),
      Layer.provide(Database.layerConfig)
    )
  )
)

await Effect.runPromise(program)
