/** A worker in plain Node: an ordinary async function handles the events of a queue, several at a time, until SIGTERM. */
import { Database, Job, Main, Shutdown, Wakeup } from "@hypermarket/core"
import { EventWorker, JobSchedules } from "@hypermarket/events"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import { Effect, Layer } from "effect"

// It may run twice for one job, when a worker dies in the middle: the job's id is the key to do it once.
const sendMail = async ({ jobId, payload }: QueueJob.LeasedJob) =>
  console.log(JSON.stringify({ jobId, payload }))

const mails: QueueJob.Handler<never> = {
  queue: "mails",
  batchMax: 1,
  concurrency: 8,
  transactional: false,
  retry: Job.retryDefault,
  deadline: "30 seconds",
  run: (jobs) => Effect.tryPromise(() => Promise.all(jobs.map(sendMail)))
}
const options = await Effect.runPromise(Database.options)
const worker = Layer.effectDiscard(EventWorker.run({ domains: [], handlers: [mails] })).pipe(
  Layer.provide(JobSchedules.JobSchedules.layer),
  Layer.provide([Wakeup.layer(Database.listen(options)), ClaimClient.layer(options)]),
  Layer.provide(Database.layer(options))
)
Main.run(Main.launch(worker).pipe(Effect.provide(Shutdown.Shutdown.layer)))
