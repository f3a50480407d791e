/** The order of the quickstart's part on workflows, and a worker that runs it. */
import * as Database from "@hypermarket/core/Database"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Activity from "effect/workflow/Activity"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import * as Workflow from "effect/workflow/Workflow"

export const name = "quickstart order"

const Order = Workflow.make(name, {
  payload: { orderId: Schema.String },
  idempotencyKey: ({ orderId }) => orderId
})

export const paid = DurableDeferred.make("paid", { success: Schema.Struct({ paymentId: Schema.String }) })

/** A step of the order. Its result is the process that ran it. */
const step = (stepName: string) =>
  Activity.make({ name: stepName, success: Schema.Int, execute: Effect.sync(() => process.pid) })

const undoneBy = (stepName: string) => Workflow.withCompensation(() => Effect.asVoid(step(stepName)))

const OrderLive = Order.toLayer(
  Effect.fnUntraced(function* () {
    yield* step("reserve").pipe(undoneBy("release"))
    yield* step("charge").pipe(undoneBy("refund"))
    yield* DurableDeferred.await(paid)
    yield* step("ship")
  })
)

/** A worker of the order on a database. */
export const layerWorker = (databaseUrl: string) =>
  Layer.unwrap(
    Effect.map(Database.options, (options) =>
      OrderLive.pipe(
        Layer.provide(EventWorkflow.layerWorker()),
        Layer.provide([Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)]),
        Layer.provide(Database.layer(options, "hypermarket-order-worker"))
      )
    )
  ).pipe(
    Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ DATABASE_URL: databaseUrl }))),
    Layer.orDie
  )
