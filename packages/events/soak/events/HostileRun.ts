/**
 * Good jobs beside hostile handlers of every kind, of the same tenants, in the same workers and claims: what the good ones
 * are promised holds, and each hostile job ends as its kind must.
 */
import { prefix } from "@hypermarket/events/Events"
import * as Tenant from "@hypermarket/core/Tenant"
import * as FailureText from "@hypermarket/core/FailureText"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Chance from "@hypermarket/soak/Chance"
import * as Run from "@hypermarket/soak/Run"
import { tenants } from "@hypermarket/soak/Settings"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"
import * as Hostile from "./hostile/Plan.ts"
import * as KillRun from "./KillRun.ts"
import * as Ledger from "./Ledger.ts"
import * as Plan from "./Plan.ts"
import * as QueueRun from "./QueueRun.ts"
import { batchMax, claimConcurrency } from "./settings.ts"

const hostileJobs = (chance: Chance.Chance): ReadonlyArray<QueueJob.NewJob> => {
  const jobs = Hostile.kinds.flatMap((kind) =>
    Array.from({ length: Hostile.jobsOf[kind] }, (_, n) => ({ queue: Hostile.queueOf(kind), payload: { n } }))
  )
  return jobs
    .map((job) => ({ job, at: chance.next() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ job }, index) => ({ ...job, type: String(Hostile.namesFrom + index) }))
}

interface Died {
  readonly queue: string
  readonly dead: number
  /** Jobs that were tried another number of times than their handler says. */
  readonly oddAttempts: number
  readonly longest: number
}

/** Each kind's jobs are dead after their attempts, with a bounded error, or done. */
const verifyHostile = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Died>`
    SELECT queue, count(*)::int AS dead, count(*) FILTER (WHERE attempt <> ${Hostile.attempts})::int AS "oddAttempts",
           max(length(errors #>> '{-1,error}'))::int AS longest
      FROM hm_event_dead
     WHERE queue LIKE 'hostile.%'
     GROUP BY queue
  `
  const violations: Array<Ledger.Violation> = []
  for (const kind of Hostile.kinds) {
    const found = rows.find(({ queue }) => queue === Hostile.queueOf(kind))
    const expected = Hostile.completing.has(kind) ? 0 : Hostile.jobsOf[kind]
    const { dead, longest, oddAttempts } = found ?? { dead: 0, oddAttempts: 0, longest: 0 }
    if (dead !== expected || oddAttempts > 0 || longest > FailureText.charsMax) {
      violations.push({
        rule: "hostile_outcome",
        count: Math.abs(dead - expected) + oddAttempts,
        example: `${kind}: ${dead} dead of ${expected}, ${oddAttempts} after other attempts, longest error ${longest}`
      })
    }
  }
  return violations
})

export const run = Effect.fn("HostileRun.run")(function* (seed: number, size: Plan.Size) {
  const startedAt = yield* Clock.currentTimeMillis
  const chance = Chance.make(seed)
  const batches = Plan.make(seed, { ...size, incidents: 0, poison: 0, stalls: 0 }).flatMap(
    (part) => part.batches
  )
  const hostile = hostileJobs(chance)
  const { client, crew } = yield* QueueRun.setUp("hostile", size.workers)
  return yield* Effect.gen(function* () {
    const queue = yield* WorkQueue.make({ prefix })
    // Spread over the run, so that every claim of the good ones may have some beside it.
    const perBatch = Math.ceil(hostile.length / batches.length)
    for (const [index, batch] of batches.entries()) {
      yield* Effect.forEach(
        hostile.slice(index * perBatch, (index + 1) * perBatch),
        (job) => queue.enqueue([job]).pipe(Tenant.provide(chance.pick(tenants))),
        { discard: true }
      )
      yield* KillRun.publish(batch)
    }
    const isDone = yield* QueueRun.untilJobsDone
    // Calls that ignore their deadline still run: the workers must stop all the same.
    yield* crew.stop
    const broken = yield* Ledger.verify
    const repeated = yield* Ledger.verifyRepeats([], crew.leasesLost() * claimConcurrency * batchMax)
    const published = batches.flatMap(({ jobs, rollsBack }) => (rollsBack ? [] : jobs))
    return yield* Run.conclude({
      seed,
      startedAt,
      isDone,
      crew,
      violations: [...broken, ...repeated.violations, ...(yield* verifyHostile)],
      counts: {
        published: published.length,
        hostile: hostile.length,
        flooded: Hostile.jobsOf.floods * Hostile.perFlood,
        leasesLost: crew.leasesLost(),
        repeats: repeated.repeats
      }
    })
  }).pipe(Effect.provideContext(client))
}, Effect.scoped)
