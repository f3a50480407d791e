/**
 * Hundreds of executions with sleeps, signals before, at and after their start, children, races, compensations and
 * cancellations, while workers are killed and frozen and Postgres is killed, stopped and frozen.
 */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import * as Chance from "@hypermarket/soak/Chance"
import * as Cluster from "@hypermarket/soak/Cluster"
import * as Crew from "@hypermarket/soak/Crew"
import * as Run from "@hypermarket/soak/Run"
import { leaseMillis, stallMillis, tenants } from "@hypermarket/soak/Settings"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as DurableDeferred from "effect/workflow/DurableDeferred"
import type * as Workflow from "effect/workflow/Workflow"
import * as Path from "node:path"
import * as Journal from "./Journal.ts"
import { Cancels, Fails, paid, Parents, Races, Sleeps, Waits } from "./programs.ts"

export interface Size {
  readonly executions: number
  readonly incidents: number
  readonly workers: number
  /** The longest pause between two incidents. A lease runs out in 5 s: only what is longer is quiet. */
  readonly pauseMillisMax: number
  /** The longest time from a result to the activity that it wakes, while nothing is away. */
  readonly lateMillisMax: number
}

/** Concurrent starts. */
const startsAtOnce = 8
/**
 * The longest stop or freeze of Postgres. Leases outlast it: a job that loses two of them is run alone and late, as one that
 * may have ended its workers.
 */
const awayMillisMax = 1_500
/** The reaper takes an expired lease back at its next round. */
const reapMillis = 2_000
/** A run that gets no further for this long has lost a wake. */
const stuckMillis = 20_000

const pay = (workflow: Workflow.Any, executionId: string) =>
  DurableDeferred.succeed(paid, {
    token: DurableDeferred.tokenFromExecutionId(paid, { workflow, executionId }),
    value: 7
  })

/** Starts an execution of each kind in turn. Each call is repeated until Postgres has answered it. */
const startExecution = Effect.fnUntraced(function* (index: number, chance: Chance.Chance) {
  const key = `${index}`
  const input = { key, napMillis: chance.between(100, 1_500) }
  const later = `${chance.between(0, 4_000)} millis` as const
  const executions = yield* WorkflowExecutions
  // A defect of the engine is an outage that outlasted its own repetition.
  const persist = <A, E, R>(self: Effect.Effect<A, E, R>) => Run.persist(Effect.sandbox(self))
  switch (index % 7) {
    case 0:
      return yield* persist(Effect.asVoid(Sleeps.execute(input, { discard: true })))
    case 1: {
      const id = yield* Waits.executionId(input)
      const when = chance.next()
      if (when < 0.3) yield* persist(pay(Waits, id))
      yield* persist(Waits.execute(input, { discard: true }))
      if (when >= 0.3) yield* Effect.delay(persist(pay(Waits, id)), when < 0.5 ? "0 millis" : later)
      return
    }
    case 2:
      return yield* persist(Effect.asVoid(Parents.execute(input, { discard: true })))
    case 3:
    case 4:
      return yield* persist(Effect.asVoid(Fails.execute(input, { discard: true })))
    case 5: {
      const isLate = chance.happens(0.5)
      const raced = { ...input, key: isLate ? `${key} late` : key }
      const id = yield* persist(Races.execute(raced, { discard: true }))
      if (!isLate) yield* Effect.delay(persist(pay(Races, id)), later)
      return
    }
    default: {
      const id = yield* persist(Cancels.execute(input, { discard: true }))
      yield* Effect.delay(persist(executions.cancel(id)), later)
    }
  }
})

const unfinished = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly left: number; readonly progress: string }>`
    SELECT (count(*) FILTER (WHERE finished_at IS NULL))::integer AS left,
           concat_ws(' ', count(*), sum(runs), (SELECT count(*) FROM hm_workflow_task)) AS progress
      FROM hm_workflow_execution
  `
  return row ?? { left: 0, progress: "" }
})

const kinds = [
  "kill a worker",
  "kill Postgres",
  "freeze a worker",
  "stop Postgres",
  "freeze Postgres"
] as const

/** Makes something happen, and returns when it is over. */
const happen = Effect.fnUntraced(function* (
  incident: number,
  chance: Chance.Chance,
  size: Size,
  parts: { readonly cluster: Cluster.Cluster; readonly crew: Crew.Crew }
) {
  const { cluster, crew } = parts
  yield* Effect.sleep(chance.between(200, size.pauseMillisMax))
  const fromMillis = yield* Clock.currentTimeMillis
  const worker = chance.between(0, size.workers - 1)
  // Each kind in turn, so that a short run has all of them.
  const kind = kinds[incident % kinds.length] ?? "kill a worker"
  switch (kind) {
    case "kill a worker":
      yield* crew.kill(worker)
      break
    case "kill Postgres":
      yield* cluster.killAndStart
      break
    case "freeze a worker":
      yield* crew.freeze(worker, stallMillis)
      break
    case "stop Postgres":
      yield* cluster.stopAndStartAfter(chance.between(0, awayMillisMax))
      break
    case "freeze Postgres":
      yield* cluster.freeze(chance.between(200, awayMillisMax))
  }
  const recoveredAt = yield* Clock.currentTimeMillis
  // A claim whose answer did not arrive comes back with its lease.
  return {
    kind,
    fromMillis,
    recoveredAt,
    toMillis: recoveredAt + leaseMillis + reapMillis,
    isFreeze: kind === "freeze a worker"
  }
})

export const run = Effect.fn("WorkflowRun.run")(function* (seed: number, size: Size) {
  const startedAt = yield* Clock.currentTimeMillis
  const chance = Chance.make(seed)
  const cluster = yield* Cluster.make()
  const options = TestDatabase.optionsOf(cluster.url)
  const client = yield* Layer.build(
    EventsDomain.layer.pipe(
      Layer.provideMerge(EventWorkflow.layer),
      Layer.provideMerge(Wakeup.layerSend),
      Layer.provideMerge(Database.layer(options, "hm-soak"))
    )
  )
  yield* Migrations.run([CoreDomain.migrations, EventsDomain.domain.migrations], "public").pipe(
    Effect.provide(Database.layerDirect(options))
  )
  return yield* Effect.gen(function* () {
    yield* Journal.create
    const crew = yield* Crew.make({
      workers: size.workers,
      url: cluster.url,
      script: Path.join(import.meta.dirname, "worker.ts")
    })
    // Starts last about as long as the incidents.
    const startPauseMillisMax = Math.round(
      (size.incidents * size.pauseMillisMax * startsAtOnce) / size.executions
    )
    const starting = yield* Effect.forEach(
      Array.from({ length: size.executions }, (_, index) => index),
      (index) =>
        Effect.andThen(
          Effect.sleep(chance.between(0, startPauseMillisMax)),
          startExecution(index, chance)
        ).pipe(provide(tenants[index % tenants.length] ?? tenants[0])),
      { concurrency: startsAtOnce, discard: true }
    ).pipe(Effect.forkChild)
    const incidents: Array<Effect.Success<ReturnType<typeof happen>>> = []
    for (let incident = 0; incident < size.incidents; incident++) {
      incidents.push(yield* happen(incident, chance, size, { cluster, crew }))
    }
    yield* Fiber.join(starting)
    const isDone = yield* Run.untilDone({ look: unfinished, stuckMillis })
    yield* crew.stop
    // Workers start slowly on a busy machine: until they are up, nothing is expected of them.
    const { counts, violations } = yield* Journal.verify(
      [
        { fromMillis: startedAt, toMillis: (yield* firstNoteMillis) + reapMillis, isFreeze: false },
        ...incidents
      ],
      size.lateMillisMax
    )
    const [totals] = yield* (yield* SqlClient.SqlClient)<{ readonly tasks: number; readonly runs: number }>`
      SELECT sum(runs)::integer AS runs, (SELECT count(*)::integer FROM hm_workflow_task) AS tasks
        FROM hm_workflow_execution
    `
    return yield* Run.conclude({
      seed,
      startedAt,
      isDone,
      crew,
      violations,
      counts: {
        executions: size.executions,
        ...totals,
        postgresKills: incidents.filter(({ kind }) => kind === "kill Postgres").length,
        postgresStops: incidents.filter(({ kind }) => kind === "stop Postgres").length,
        postgresFreezes: incidents.filter(({ kind }) => kind === "freeze Postgres").length,
        freezes: incidents.filter(({ isFreeze }) => isFreeze).length,
        ...counts
      }
    })
  }).pipe(Effect.provideContext(client))
}, Effect.scoped)

const firstNoteMillis = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly millis: number | null }>`
    SELECT (1000 * extract(epoch FROM min(at)))::float8 AS millis
      FROM soak_note
  `
  return row?.millis ?? 0
})
