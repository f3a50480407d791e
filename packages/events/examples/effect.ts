import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Job from "@hypermarket/core/Job"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Events, newId } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import * as EventWorker from "@hypermarket/events/EventWorker"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import { Console, Deferred, Effect, Layer } from "effect"

const type = "com.example.order.placed"

/** The order is written in the same transaction: the event exists if and only if it commits. */
const placeOrder = Database.transaction(
  Effect.gen(function* () {
    const events = yield* Events
    const id = yield* newId
    yield* events.publish([{ specversion: "1.0", id, source: "/shop", type, data: { total: 4200 } }])
  })
)

/** Writes to this database commit together with the acknowledgement: exactly once. */
const mails = (done: Deferred.Deferred<void>): QueueJob.Handler<never> => ({
  queue: "mails",
  batchMax: 100,
  concurrency: 4,
  transactional: true,
  retry: Job.retryDefault,
  deadline: "30 seconds",
  run: (jobs) =>
    Effect.andThen(
      Effect.forEach(jobs, (job) => Console.log(job.type, JSON.stringify(job.payload)), { discard: true }),
      Deferred.succeed(done, undefined)
    )
})

const program = Effect.gen(function* () {
  const done = yield* Deferred.make<void>()
  const subscriptions = yield* EventSubscriptions
  yield* subscriptions.create({ name: "mails", queue: "mails", filters: [{ exact: { type } }] })
  yield* EventWorker.run({ domains: [], handlers: [mails(done)] })
  yield* placeOrder
  yield* Deferred.await(done)
}).pipe(Effect.scoped, provide(TenantId.make("acme")))

const main = Effect.gen(function* () {
  const options = yield* Database.options
  yield* Migrations.run([CoreDomain.migrations, EventsDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
  const services = EventsDomain.layer.pipe(
    Layer.provideMerge([Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)]),
    Layer.provideMerge(Database.layer(options))
  )
  yield* program.pipe(Effect.provide(services))
})

await Effect.runPromise(main)
