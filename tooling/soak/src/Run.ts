/**
 * Parts that the runs share: a cluster, a crew, a client that outlives the server, incidents, waiting for the end.
 */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Storage from "@hypermarket/core/Storage"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import * as Cluster from "./Cluster.ts"
import * as Crew from "./Crew.ts"
import * as Ledger from "./Ledger.ts"
import type { Incident } from "./Plan.ts"
import type * as Report from "./Report.ts"
import { batchMax, claimConcurrency, stallMillis } from "./Settings.ts"
import * as Standstill from "./Standstill.ts"

/** Prints a line of progress. */
export const say = (text: string): Effect.Effect<void> =>
  Effect.sync(() => void process.stderr.write(`${text}\n`))

/** Asynchronous commits reach the disk within three times wal_writer_delay (200 ms). */
const asyncCommitMillis = 600
/** A run that gets no further for this long has lost a wake or a job. */
const stuckMillis = 30_000

/** Everything that a publisher needs. It survives the server. */
const clientLayer = (url: string) => {
  const options = TestDatabase.optionsOf(url)
  return EventsDomain.layer.pipe(
    Layer.provideMerge(Wakeup.layerSend),
    Layer.provideMerge(Database.layer(options, "hm-soak"))
  )
}

export const setUp = Effect.fn("Run.setUp")(function* (
  mode: "kill" | "publish" | "hostile",
  workers: number
) {
  const cluster = yield* Cluster.make()
  const options = TestDatabase.optionsOf(cluster.url)
  const client = yield* Layer.build(clientLayer(cluster.url))
  yield* Migrations.run([CoreDomain.migrations, EventsDomain.domain.migrations], "public").pipe(
    Effect.provide(Database.layerDirect(options))
  )
  yield* Ledger.create.pipe(Effect.provideContext(client))
  const marks = yield* Cluster.temporaryFolder("soak-marks")
  const crew = yield* Crew.make({ workers, mode, url: cluster.url, marks })
  return { cluster, crew, client, marks }
})

const sqlErrorOf = (error: unknown): SqlError | undefined => {
  if (isSqlError(error)) return error
  if (!Cause.isCause(error)) return undefined
  for (const reason of error.reasons) {
    const value = reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : undefined
    if (isSqlError(value)) return value
  }
  return undefined
}

/** A statement that is wrong stays wrong: repeating it would hold the run up for ever. */
const mayPass = (error: unknown): boolean => {
  const failure = sqlErrorOf(error)
  return failure === undefined || Storage.isRetryable(failure)
}

/** Repeats it until the server answers again. A failure that repetition does not mend ends the run with its reason. */
export const persist = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, never, R> =>
  self.pipe(Effect.retry({ while: mayPass, schedule: Schedule.spaced("50 millis") }), Effect.orDie)

const capacity = claimConcurrency * batchMax

/** Makes an incident happen, and tells what it may repeat. */
export const happen = Effect.fnUntraced(function* (
  incident: Incident,
  cluster: Cluster.Cluster,
  crew: Crew.Crew,
  workers: number
) {
  yield* Effect.sleep(incident.afterMillis)
  const atMillis = yield* Clock.currentTimeMillis
  switch (incident._tag) {
    case "KillWorker":
      // Its death is noted by the crew.
      yield* crew.kill(incident.worker)
      return []
    case "FreezeWorker": {
      yield* crew.freeze(incident.worker, stallMillis)
      return [{ atMillis, lastedMillis: stallMillis, repeatsMax: capacity }]
    }
    case "KillPostgres": {
      yield* cluster.killAndStart
      const lastedMillis = (yield* Clock.currentTimeMillis) - atMillis
      const unsettled = yield* persist(Ledger.effectsSince(atMillis - asyncCommitMillis, atMillis))
      return [
        { atMillis: atMillis - asyncCommitMillis, lastedMillis, repeatsMax: workers * capacity + unsettled }
      ]
    }
  }
})

export const causesOfDeaths = (crew: Crew.Crew): ReadonlyArray<Ledger.Cause> =>
  crew.deaths.map((atMillis) => ({ atMillis, lastedMillis: 0, repeatsMax: capacity }))

/** The work that is left of a run, and a text that changes while it gets on. */
export interface Standing {
  readonly left: number
  readonly progress: string
}

/**
 * Waits until nothing is left to do, or until nothing moves any more. Returns true at the good end. A run that stands still
 * says what it waits for, the jobs in the dead-letter queues among it.
 */
export const untilDone = Effect.fnUntraced(function* <E, R>(options: {
  readonly look: Effect.Effect<Standing, E, R>
  /** A run that gets no further for this long has lost something. */
  readonly stuckMillis: number
}) {
  let seen = ""
  let movedAt = yield* Clock.currentTimeMillis
  let isDone = false
  yield* persist(options.look).pipe(
    Effect.flatMap(
      Effect.fnUntraced(function* ({ left, progress }) {
        const nowMillis = yield* Clock.currentTimeMillis
        if (progress !== seen) {
          seen = progress
          movedAt = nowMillis
        }
        isDone = left === 0
        return isDone || nowMillis - movedAt > options.stuckMillis
      })
    ),
    Effect.repeat({ until: (isOver) => isOver, schedule: Schedule.spaced("100 millis") })
  )
  if (!isDone) yield* Effect.forEach(yield* persist(Standstill.lines), (line) => say(`standstill: ${line}`))
  return isDone
})

/** Waits until the jobs of a run of events have ended. */
export const untilJobsDone = untilDone({ look: Ledger.standing, stuckMillis })

/** Sums a run up, when its crew has stopped. */
export const conclude = Effect.fnUntraced(function* (options: {
  readonly seed: number
  readonly startedAt: number
  readonly isDone: boolean
  readonly crew: Crew.Crew
  readonly violations: ReadonlyArray<Ledger.Violation>
  readonly counts: Readonly<Record<string, number>>
}) {
  const violations = [...options.violations]
  if (!options.isDone) {
    violations.push({ rule: "stuck", count: 1, example: options.crew.logs().join("\n---\n") })
  }
  const [fault] = options.crew.faults
  if (fault !== undefined) {
    violations.push({ rule: "worker_fault", count: options.crew.faults.length, example: fault })
  }
  const report: Report.Report = {
    seed: options.seed,
    ok: violations.length === 0,
    violations,
    counts: { ...options.counts, workerDeaths: options.crew.deaths.length },
    millis: (yield* Clock.currentTimeMillis) - options.startedAt
  }
  return report
})
