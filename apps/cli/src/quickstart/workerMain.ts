/**
 * The worker of the quickstart in its own process, behind the API when cores are short. It sends the port that it listens on to
 * the quickstart, and ends with it.
 */
import * as Database from "@hypermarket/core/Database"
import { domains } from "@hypermarket/installation/domains"
import * as Startup from "@hypermarket/installation/Startup"
import * as Worker from "@hypermarket/worker/Worker"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"
import * as CustomerOrders from "./CustomerOrders.ts"

/** Shorter than a worker's: what a killed quickstart held is to be had again when the next one has caught up. */
const lease = Duration.seconds(10)

const listen = { host: "127.0.0.1", port: 0 }

const announced = Layer.effectDiscard(
  Effect.map(HttpServer.HttpServer, ({ address }) => {
    if ("port" in address) process.send?.(address.port)
  })
)

// A quickstart that is killed takes its worker along. One that stops has waited for it.
process.once("disconnect", () => process.exit())

Startup.run(
  Layer.unwrap(
    Effect.gen(function* () {
      yield* Worker.standBack
      const options = { ...(yield* Database.options), multiplex: false }
      return announced.pipe(
        Layer.provide(Worker.layer(listen, options, [...domains, CustomerOrders.domain], lease)),
        Layer.provide(Database.layer(options, "hypermarket-worker"))
      )
    })
  )
)
