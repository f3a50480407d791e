/**
 * Runs the scheduled system jobs of the domains: each so often, in one worker at a time, whatever their number.
 */
import type * as Domain from "@hypermarket/core/Domain"
import type * as Job from "@hypermarket/core/Job"
import { AllTenants } from "@hypermarket/core/Tenant"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"

const runs = Metric.counter("hm_worker_job_runs_total", {
  description: "Runs of scheduled jobs, by job and outcome",
  incremental: true
})

const counted = (job: string, outcome: "done" | "failed" | "elsewhere") =>
  Metric.update(Metric.withAttributes(runs, { job, outcome }), 1)

/**
 * One run, unless another worker is at it: the lock lives as long as the transaction that the run is in.
 */
const runOnce = <R>(job: Job.Runnable<R>) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const attempt = Effect.gen(function* () {
      const [lock] = yield* sql<{ readonly held: boolean }>`
        SELECT pg_try_advisory_xact_lock(hashtextextended(${`hm_job ${job.name}`}, 0)) AS held
      `
      if (lock?.held !== true) return yield* counted(job.name, "elsewhere")
      yield* job.run(null)
      yield* counted(job.name, "done")
    })
    yield* sql.withTransaction(attempt).pipe(
      Effect.timeout(job.deadline),
      Effect.catchCause((cause) =>
        Effect.andThen(counted(job.name, "failed"), Effect.logError(`Job ${job.name} failed`, cause))
      ),
      Effect.provideService(AllTenants, { actor: `job ${job.name}` }),
      Effect.withSpan(`Job.${job.name}`)
    )
  })

const repeated = <R>(job: Job.Runnable<R>, every: Duration.Input) =>
  // Jittered, so that workers that were started together do not ask together for ever.
  runOnce(job).pipe(Effect.repeat(Schedule.spaced(every).pipe(Schedule.jittered)))

/** Runs until its scope closes; what is running then is interrupted and rolls back. */
export const layer = <R>(domains: ReadonlyArray<Domain.Domain<R>>) =>
  Layer.effectDiscard(
    Effect.forEach(
      domains.flatMap((domain) => domain.jobs),
      (job) => (job.every === undefined ? Effect.void : Effect.forkScoped(repeated(job, job.every))),
      { discard: true }
    )
  )
