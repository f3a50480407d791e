/** A worker that runs orders, until SIGTERM. Start as many as you like. */
import { connect } from "@hypermarket/core/Promises"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { order } from "./order.ts"

const hm = await connect({ domains: [EventsDomain] })
const worker = await hm.work([], { workflows: [order] })
process.once("SIGTERM", () => {
  worker
    .stop()
    .then(() => hm.close())
    .catch((error: unknown) => {
      console.error(error)
      process.exitCode = 1
    })
})
