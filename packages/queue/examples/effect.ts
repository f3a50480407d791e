import * as Database from "@hypermarket/core/Database"
import * as Job from "@hypermarket/core/Job"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as WorkQueueWorker from "@hypermarket/queue/WorkQueueWorker"
import { Console, Deferred, Effect, Layer } from "effect"

const prefix = "hm_shop"
const releases = { since: "1.0.0", oldestRelease: "1.0.0" }
const migrations = Migrations.make(
  "shop",
  {
    "0001_queue": QueueMigrations.migration(1, prefix, releases),
    "0002_queue_job": QueueMigrations.migration(2, prefix, releases)
  },
  { release: "1.0.0" }
)

/** Writes to this database commit together with the acknowledgement. */
const mails = (done: Deferred.Deferred<void>): QueueJob.Handler<never> => ({
  queue: "mails",
  batchMax: 1,
  concurrency: 4,
  transactional: true,
  retry: Job.retryDefault,
  deadline: "30 seconds",
  run: ([job]) =>
    Effect.andThen(Console.log(job?.type, JSON.stringify(job?.payload)), Deferred.succeed(done, undefined))
})

const program = Effect.gen(function* () {
  const done = yield* Deferred.make<void>()
  const queue = yield* WorkQueue.make({ prefix })
  yield* WorkQueueWorker.run({ prefix, handlers: [mails(done)] })
  // The job exists if and only if this transaction commits.
  yield* Database.transaction(queue.enqueue([{ queue: "mails", type: "welcome", payload: { to: "ada" } }]))
  yield* Deferred.await(done)
}).pipe(Effect.scoped, provide(TenantId.make("acme")))

const main = Effect.gen(function* () {
  const options = yield* Database.options
  yield* Migrations.run([migrations], options.schema).pipe(Effect.provide(Database.layerDirect(options)))
  const services = Layer.mergeAll(Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)).pipe(
    Layer.provideMerge(Database.layer(options))
  )
  yield* program.pipe(Effect.provide(services))
})

await Effect.runPromise(main)
