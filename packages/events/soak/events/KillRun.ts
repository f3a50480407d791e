/**
 * Thousands of jobs of several tenants, published in transactions while workers are killed and frozen and Postgres is
 * killed. A third of the jobs have ordering keys. Some fail once, some always, some take their worker down, and two hold
 * their worker up for longer than its lease.
 */
import { prefix } from "@hypermarket/events/Events"
import * as Tenant from "@hypermarket/core/Tenant"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Run from "@hypermarket/soak/Run"
import { stallMillis } from "@hypermarket/soak/Settings"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Ledger from "./Ledger.ts"
import * as Plan from "./Plan.ts"
import * as QueueRun from "./QueueRun.ts"
import { attemptsMax, attemptsMaxGood, batchMax, claimConcurrency } from "./settings.ts"

class RolledBack extends Schema.TaggedError<RolledBack>()("RolledBack", {}) {}

/** Publishes a batch so that it is there once, whatever becomes of the connection: what committed is looked up. */
export const publish = Effect.fnUntraced(function* (batch: Plan.PlannedBatch) {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* WorkQueue.make({ prefix })
  const isThere = Effect.map(
    sql`
      SELECT 1
        FROM soak_job
       WHERE batch = ${batch.number}
       LIMIT 1
    `,
    (rows) => rows.length > 0
  )
  const moment = yield* Clock.currentTimeMillis
  const write = Effect.gen(function* () {
    yield* sql`
      INSERT INTO soak_job (n, batch, tenant_id, queue, kind, ordering_key)
      SELECT n, ${batch.number}, ${batch.tenantId}, queue, kind, nullif(ordering_key, '')
        FROM unnest(${batch.jobs.map(({ n }) => n)}::int[], ${batch.jobs.map((job) => job.queue)}::text[],
                    ${batch.jobs.map(({ kind }) => kind)}::text[],
                    ${batch.jobs.map(({ orderingKey }) => orderingKey ?? "")}::text[]) AS j (n, queue, kind, ordering_key)
    `
    yield* queue.enqueue(
      batch.jobs.map((job): QueueJob.NewJob => ({
        queue: job.queue,
        type: String(job.n),
        payload: { n: job.n, kind: job.kind, padding: "x".repeat(job.bytes) },
        priority: job.priority,
        attemptsMax: job.kind === "fails_always" ? attemptsMax : attemptsMaxGood,
        ...(job.orderingKey === undefined ? {} : { orderingKey: job.orderingKey }),
        ...(job.delayMillis === 0 ? {} : { runAt: new Date(moment + job.delayMillis) })
      }))
    )
    if (batch.rollsBack) return yield* new RolledBack()
  }).pipe(Tenant.provide(batch.tenantId), sql.withTransaction)
  yield* Effect.flatMap(isThere, (there) => (there ? Effect.void : write)).pipe(
    Effect.catchTag("RolledBack", () => Effect.void),
    Run.persist
  )
})

const stallsOf = (marks: string): ReadonlyArray<Ledger.Cause> =>
  Fs.readdirSync(marks).map((name) => ({
    atMillis: Fs.statSync(Path.join(marks, name)).mtimeMs,
    lastedMillis: stallMillis,
    repeatsMax: claimConcurrency * batchMax
  }))

export const run = Effect.fn("KillRun.run")(function* (seed: number, size: Plan.Size) {
  const startedAt = yield* Clock.currentTimeMillis
  const parts = Plan.make(seed, size)
  const { client, cluster, crew, marks } = yield* QueueRun.setUp("kill", size.workers)
  return yield* Effect.gen(function* () {
    const causes: Array<Ledger.Cause> = []
    for (const { batches, incident } of parts) {
      yield* Effect.forEach(batches, publish, { discard: true })
      if (incident !== undefined)
        causes.push(...(yield* QueueRun.happen(incident, cluster, crew, size.workers)))
    }
    const isDone = yield* QueueRun.untilJobsDone
    // First: a worker that was held up may still have something to say.
    yield* crew.stop
    const broken = yield* Ledger.verify
    const allCauses = [...causes, ...QueueRun.causesOfDeaths(crew), ...stallsOf(marks)]
    const repeated = yield* Ledger.verifyRepeats(allCauses, crew.leasesLost() * claimConcurrency * batchMax)
    const published = parts.flatMap(({ batches }) =>
      batches.flatMap(({ jobs, rollsBack }) => (rollsBack ? [] : jobs))
    )
    return yield* Run.conclude({
      seed,
      startedAt,
      isDone,
      crew,
      violations: [...broken, ...repeated.violations],
      counts: {
        published: published.length,
        keyed: published.filter(({ orderingKey }) => orderingKey !== undefined).length,
        postgresKills: parts.filter(({ incident }) => incident?._tag === "KillPostgres").length,
        freezes: parts.filter(({ incident }) => incident?._tag === "FreezeWorker").length,
        stalls: stallsOf(marks).length,
        leasesLost: crew.leasesLost(),
        repeats: repeated.repeats,
        repeatsUnexplained: repeated.unexplained
      }
    })
  }).pipe(Effect.provideContext(client))
}, Effect.scoped)
