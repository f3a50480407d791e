/**
 * `pnpm bench workflows [--only together,alone,memory]`: steps per second of our workflows beside DBOS Transact, each in one
 * process on one server with production durability, and the memory of a worker beside which executions sleep.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { bundle, scriptOf } from "./events/bundle.ts"
import * as Engine from "./events/Engine.ts"

const stepsPerExecution = 10
const executionsTogether = 2_000
const executionsAlone = 100
const together = 50
/** Connections of each engine. */
const pool = 20
const sleepersCount = 100_000
/** Of the sleepers, those that wake at once while memory is measured. */
const wakingCount = 1_000
const tenant = "bench"

const ours: Engine.Engine = { name: "ours", script: scriptOf("workflows"), settings: {} }
const oursTransactional: Engine.Engine = {
  name: "ours, step and write in one commit",
  script: scriptOf("workflows"),
  settings: { isTransactional: true }
}
const dbos: Engine.Engine = { name: "DBOS", script: Setup.peerScript("dbos.js"), settings: {} }
const sleepers: Engine.Engine = { name: "sleepers", script: scriptOf("sleepers"), settings: {} }

/** Runs an effect with the URL of a new database, and a client to it. */
const withDatabase = <A, E, R>(
  adminUrl: string,
  name: string,
  use: (url: string) => Effect.Effect<A, E, R | SqlClient.SqlClient>
) => {
  const url = new URL(adminUrl)
  url.pathname = `/${name}`
  const admin = Database.layer(TestDatabase.optionsOf(adminUrl), "hm-bench")
  const statement = (text: string) =>
    Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text)).pipe(Effect.provide(admin))
  return statement(`CREATE DATABASE ${name}`).pipe(
    Effect.andThen(
      use(url.toString()).pipe(
        Effect.provide(Database.layer(TestDatabase.optionsOf(url.toString()), "hm-bench"))
      )
    ),
    Effect.ensuring(Effect.orDie(statement(`DROP DATABASE ${name} WITH (FORCE)`)))
  )
}

let databases = 0

/** Steps per second of an engine. */
const stepsOf = (
  adminUrl: string,
  engine: Engine.Engine,
  settings: { readonly executions: number; readonly atOnce: number; readonly writes: boolean }
) =>
  withDatabase(adminUrl, `bench_${databases++}`, (url) =>
    Effect.scoped(
      Effect.gen(function* () {
        const process = yield* Engine.start(engine, url, { steps: stepsPerExecution, pool, ...settings })
        yield* process.until(Engine.ready)
        process.child.send({ _tag: "Start" })
        const { jobs, millis } = yield* process.until(Engine.took)
        return (jobs / millis) * 1_000
      })
    )
  )

const interleaved = Effect.fnUntraced(function* (
  adminUrl: string,
  figure: string,
  rounds: number,
  engines: ReadonlyArray<Engine.Engine>,
  settings: { readonly executions: number; readonly atOnce: number; readonly writes: boolean }
) {
  const values = new Map<string, Array<number>>()
  for (let round = 1; round <= rounds; round++) {
    for (const engine of engines) {
      const value = yield* stepsOf(adminUrl, engine, settings)
      values.set(engine.name, [...(values.get(engine.name) ?? []), value])
      yield* Bench.say(`${figure}, round ${round}: ${engine.name} ${value.toFixed(0)} steps/s`)
    }
  }
  const at = (engine: Engine.Engine) => Bench.median(values.get(engine.name) ?? [])
  return engines
    .filter((engine) => engine !== dbos)
    .map((engine): Bench.Figure => ({
      figure: engine === ours ? figure : `${figure}, in one commit`,
      unit: "steps/s",
      ours: at(engine),
      peers: { [dbos.name]: at(dbos) }
    }))
})

/** Sleeping executions as the engine leaves them. Their clocks are due in a month, and the jobs of clocks with them. */
const insertSleepers = Effect.fnUntraced(function* (count: number) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    INSERT INTO hm_workflow_execution (tenant_id, execution_id, name, version, state, wake, runs, payload, recorded_at, updated_at)
    SELECT ${tenant}, 'sleeper-' || n, 'naps', 1, 'suspended', 1, 1, json_build_object('key', n::text), now(), now()
      FROM generate_series(1, ${count}::integer) AS n
  `
  yield* sql`
    INSERT INTO hm_workflow_task (tenant_id, execution_id, kind, name, due_at, recorded_at)
    SELECT ${tenant}, 'sleeper-' || n, 'deferred', 'DurableClock/nap', now() + interval '30 days', now()
      FROM generate_series(1, ${count}::integer) AS n
  `
  yield* sql`
    INSERT INTO hm_event_delayed (tenant_id, queue, run_at, job_id, type, payload)
    SELECT ${tenant}, 'events.workflow-clock', now() + interval '30 days', gen_random_uuid(), 'clock',
           json_build_object('executionId', 'sleeper-' || n, 'name', 'DurableClock/nap')
      FROM generate_series(1, ${count}::integer) AS n
  `
})

const megabyte = 1024 * 1024

const memory = (adminUrl: string, scale: number) =>
  withDatabase(adminUrl, `bench_${databases++}`, (url) =>
    Effect.scoped(
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const count = Math.round(sleepersCount * scale)
        const waking = Math.round(wakingCount * scale)
        const { child, until } = yield* Engine.start(sleepers, url, {})
        yield* until(Engine.ready)
        const resident = ServiceProcess.residentBytes(child.pid ?? 0)
        /** Highest of the samples while an effect runs, and for some seconds after it. */
        const peakDuring = Effect.fnUntraced(function* <A, E, R>(self: Effect.Effect<A, E, R>) {
          let peak = 0
          const sample = Effect.map(resident, (bytes) => {
            peak = Math.max(peak, bytes)
          })
          yield* Effect.raceFirst(
            Effect.andThen(self, Effect.sleep("10 seconds")),
            Effect.repeat(sample, Schedule.spaced("50 millis"))
          )
          return peak
        })
        const idle = yield* peakDuring(Effect.void)
        yield* insertSleepers(count)
        const wake = Effect.gen(function* () {
          yield* sql`
            UPDATE hm_workflow_task
               SET due_at = now()
             WHERE tenant_id = ${tenant} AND execution_id IN (SELECT 'sleeper-' || n FROM generate_series(1, ${waking}::integer) AS n)
          `
          yield* sql`
            UPDATE hm_event_delayed
               SET run_at = now()
             WHERE tenant_id = ${tenant}
               AND payload ->> 'executionId' IN (SELECT 'sleeper-' || n FROM generate_series(1, ${waking}::integer) AS n)
          `
          yield* sql<{ readonly count: number }>`
            SELECT count(*)::integer AS count
              FROM hm_workflow_execution
             WHERE tenant_id = ${tenant} AND state = 'succeeded'
          `.pipe(
            Effect.repeat({
              until: ([row]) => row?.count === waking,
              schedule: Schedule.spaced("100 millis")
            })
          )
        })
        const peak = yield* peakDuring(wake)
        yield* Bench.say(
          `memory: idle ${(idle / megabyte).toFixed(1)} MB, peak ${(peak / megabyte).toFixed(1)} MB`
        )
        const figures: ReadonlyArray<Bench.Figure> = [
          {
            figure: "memory: worker beside 100,000 sleeping executions over idle, 1,000 waking",
            unit: "MB",
            ours: (peak - idle) / megabyte,
            peers: {}
          }
        ]
        return figures
      })
    )
  )

export const bench: Bench.Bench = {
  run: Effect.fn("bench workflows")(function* ({ measured, only, rounds, scale }: Bench.Options) {
    const { settings } = yield* Bench.readTargets("workflows")
    yield* Setup.installPeers
    yield* bundle
    const server = yield* EmbeddedPostgres.start({ durability: "production", settings })
    const part = <E, R>(name: string, self: Effect.Effect<ReadonlyArray<Bench.Figure>, E, R>) =>
      only.length > 0 && !only.includes(name)
        ? Effect.succeed<ReadonlyArray<Bench.Figure>>([])
        : Effect.tap(self, measured)
    const steps = (
      figure: string,
      engines: ReadonlyArray<Engine.Engine>,
      atOnce: number,
      writes: boolean
    ) => {
      const full = atOnce === 1 ? executionsAlone : executionsTogether
      const executions = Math.max(atOnce, Math.round(full * scale))
      return interleaved(server.url, figure, rounds, engines, { executions, atOnce, writes })
    }
    const figures = yield* Effect.all([
      part("together", steps("50 executions at once, empty steps", [ours, dbos], together, false)),
      part(
        "writes",
        steps("50 executions at once, a write per step", [ours, oursTransactional, dbos], together, true)
      ),
      part("alone", steps("one execution at a time, empty steps", [ours, dbos], 1, false)),
      part("memory", memory(server.url, scale))
    ])
    return figures.flat()
  }, Effect.scoped)
}
