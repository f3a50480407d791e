/**
 * Executions while their workers are killed: at random, and between the two halves of a wake-up. `HM_CHAOS_EXECUTIONS` and `HM_CHAOS_KILLS` make it larger, `HM_CHAOS_SEED`
 * repeats a run.
 */
import { assert, layer } from "@effect/vitest"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as EventWorkflow from "@hypermarket/events/EventWorkflow"
import { WorkflowExecutions } from "@hypermarket/events/WorkflowExecutions"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Config, Effect, Fiber, Layer, Schedule, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { DurableDeferred, type Workflow } from "effect/workflow"
import * as Path from "node:path"
import { Cancels, Fails, paid, Parents, Races, Sleeps, Waits } from "./chaos/workflows.ts"

const settings = Config.all({
  executions: Config.Int("HM_CHAOS_EXECUTIONS").pipe(Config.withDefault(42)),
  kills: Config.Int("HM_CHAOS_KILLS").pipe(Config.withDefault(2)),
  seed: Config.Int("HM_CHAOS_SEED").pipe(Config.withDefault(process.pid))
})

/** Mulberry32: one seed repeats the choices of a run, though not its timing. */
const randomOf = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const TestLayer = EventsDomain.layer.pipe(
  Layer.provideMerge(EventWorkflow.layer),
  Layer.provideMerge(Wakeup.layerSend),
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, EventsDomain.domain.migrations))
)

const folder = Path.join(import.meta.dirname, "chaos")

/** A broken build enqueues the job of a wake-up after the transaction of what it waits for. */
type Build = "sound" | "broken"

const startWorker = Effect.fnUntraced(function* (scope: Scope.Scope, build: Build = "sound") {
  const { url } = yield* TestDatabase.TestDatabase
  return yield* ServiceProcess.start(Path.join(folder, "worker.ts"), [], {
    HM_CHAOS_URL: url,
    NODE_OPTIONS: build === "broken" ? `--import ${Path.join(folder, "breakWake.ts")}` : ""
  }).pipe(Scope.provide(scope))
})

const pay = (workflow: Workflow.Any, executionId: string) =>
  DurableDeferred.succeed(paid, {
    token: DurableDeferred.tokenFromExecutionId(paid, { workflow, executionId }),
    value: 7
  })

/** Starts an execution of each kind in turn, with its signals at a time that chance chooses. */
const startExecution = Effect.fnUntraced(function* (index: number, random: () => number) {
  const key = `${index}`
  const napMillis = 100 + Math.floor(random() * 400)
  const later = `${Math.floor(random() * 1_500)} millis` as const
  const input = { key, napMillis }
  const executions = yield* WorkflowExecutions
  switch (index % 7) {
    case 0:
      return void (yield* Sleeps.execute(input, { discard: true }))
    case 1: {
      const id = yield* Waits.executionId(input)
      // Before the start, at the start, and later.
      const when = random()
      if (when < 0.3) yield* pay(Waits, id)
      yield* Waits.execute(input, { discard: true })
      if (when >= 0.3) yield* Effect.delay(pay(Waits, id), when < 0.5 ? "0 millis" : later)
      return
    }
    case 2:
      return void (yield* Parents.execute(input, { discard: true }))
    case 3:
    case 4:
      return void (yield* Fails.execute(input, { discard: true }))
    case 5: {
      const isLate = random() < 0.5
      const raced = { key: isLate ? `${key} late` : key, napMillis }
      const id = yield* Races.execute(raced, { discard: true })
      if (!isLate) yield* Effect.delay(pay(Races, id), later)
      return
    }
    default: {
      const id = yield* Cancels.execute(input, { discard: true })
      yield* Effect.delay(executions.cancel(id), later)
    }
  }
})

interface Violation {
  readonly rule: string
  readonly execution: string
}

const violations = Effect.fnUntraced(function* (tenant: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Violation>`
      WITH execution AS (
    SELECT *
      FROM hm_workflow_execution
     WHERE tenant_id = ${tenant})
    SELECT 'unfinished' AS rule, concat_ws(' ', name, state, payload ->> 'key') AS execution
      FROM execution
     WHERE finished_at IS NULL
    UNION ALL
    SELECT 'state', concat_ws(' ', name, state, payload ->> 'key', error)
      FROM execution
     WHERE finished_at IS NOT NULL
       AND state <> CASE name WHEN 'chaos fails' THEN 'failed' WHEN 'chaos cancels' THEN 'cancelled' ELSE 'succeeded' END
    UNION ALL
    SELECT 'ran after it was recorded', concat_ws(' ', e.name, n.key, n.entry)
      FROM chaos_note n
      JOIN execution e
        ON e.payload ->> 'key' = n.key
      JOIN hm_workflow_task t
        ON t.tenant_id = e.tenant_id AND t.execution_id = e.execution_id AND t.kind = 'activity' AND t.name = n.entry
     WHERE n.at > t.finished_at + interval '1 millisecond'
    UNION ALL
    SELECT 'compensations out of order', concat_ws(' ', e.name, e.payload ->> 'key')
      FROM execution e
      CROSS JOIN LATERAL (
           SELECT string_agg(t.name, ', ' ORDER BY t.position) AS undone
             FROM hm_workflow_task t
            WHERE t.tenant_id = e.tenant_id AND t.execution_id = e.execution_id AND starts_with(t.name, 'undo ')) u
     WHERE e.finished_at IS NOT NULL
       AND (e.name = 'chaos fails' AND u.undone IS DISTINCT FROM 'undo pack, undo charge, undo reserve'
            OR e.name = 'chaos cancels' AND u.undone NOT IN ('undo charge, undo reserve', 'undo reserve'))
    UNION ALL
    SELECT 'result', concat_ws(' ', name, payload ->> 'key', result::text)
      FROM execution
     WHERE state = 'succeeded'
       AND result ->> 'value' <> CASE name
           WHEN 'chaos sleeps' THEN 'third of ' || (payload ->> 'key')
           WHEN 'chaos waits' THEN '7'
           WHEN 'chaos child' THEN 'end of ' || (payload ->> 'key')
           WHEN 'chaos races' THEN CASE WHEN payload ->> 'key' LIKE '%late' THEN 'late' ELSE 'paid' END
           ELSE result ->> 'value' END
  `
})

/** Executions that are not finished, and the work that is left in the queue for them. */
const left = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly executions: number; readonly jobs: number }>`
      WITH jobs AS (
    SELECT 1
      FROM hm_event_queue
    UNION ALL
    SELECT 1
      FROM hm_event_delayed
     WHERE run_at < now() + interval '10 minutes'
    UNION ALL
    SELECT 1
      FROM hm_event_lease),
           executions AS (
    SELECT 1
      FROM hm_workflow_execution
     WHERE finished_at IS NULL),
           counts AS (
    SELECT count(*)::integer AS executions, 0 AS jobs
      FROM executions
    UNION ALL
    SELECT 0, count(*)::integer
      FROM jobs)
    SELECT sum(executions)::integer AS executions, sum(jobs)::integer AS jobs
      FROM counts
  `
  return row ?? { executions: 0, jobs: 0 }
})

/** Waits until all are finished, or nothing is left that could finish them. */
const untilSettled = Effect.gen(function* () {
  let quiet = 0
  // A second without a job is the end.
  while (quiet < 10) {
    const { executions, jobs } = yield* left
    if (executions === 0) return
    quiet = jobs === 0 ? quiet + 1 : 0
    yield* Effect.sleep("100 millis")
  }
})

/** A table for notes, and a trigger that holds the job of a wake-up of a tenant that is in `chaos_held`. */
const prepare = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE TABLE chaos_note (
      n     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      key   text        NOT NULL,
      entry text        NOT NULL,
      at    timestamptz NOT NULL DEFAULT clock_timestamp()
    )
  `
  yield* sql`CREATE TABLE chaos_held (tenant_id text PRIMARY KEY)`
  yield* sql`
    CREATE FUNCTION chaos_hold() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT 1 FROM chaos_held WHERE tenant_id = NEW.tenant_id) THEN
        PERFORM pg_sleep(600);
      END IF;
      RETURN NEW;
    END $$
  `
  yield* sql`
    CREATE TRIGGER chaos_hold
    BEFORE INSERT ON hm_event_queue
       FOR EACH ROW
      WHEN (NEW.queue IN ('workflow.chaos_20_sleeps.1', 'workflow.chaos_20_parents.1')
            AND (NEW.payload ->> 'wake')::integer > 1)
   EXECUTE FUNCTION chaos_hold()
  `
})

/** Starts an execution that a child wakes and one that a clock wakes, and kills their worker in between both wake-ups. */
const killWhileWaking = Effect.fnUntraced(
  function* (tenant: string, build: Build) {
    const sql = yield* SqlClient.SqlClient
    const held = (count: number) =>
      sql`
      SELECT 1
        FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'chaos-worker' AND wait_event = 'PgSleep'
    `.pipe(Effect.repeat({ until: (rows) => rows.length === count, schedule: Schedule.spaced("50 millis") }))
    const input = { key: tenant, napMillis: 50 }
    yield* sql`INSERT INTO chaos_held VALUES (${tenant})`
    const worker = yield* startWorker(yield* Effect.scope, build)
    yield* Parents.execute(input, { discard: true })
    yield* held(1)
    yield* Sleeps.execute(input, { discard: true })
    yield* held(2)
    yield* worker.signal("SIGKILL")
    yield* worker.exit
    // A backend that waits does not learn that its client is gone.
    yield* sql`
    SELECT pg_terminate_backend(pid)
      FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'chaos-worker'
  `.pipe(Effect.repeat({ until: (rows) => rows.length === 0, schedule: Schedule.spaced("50 millis") }))
    yield* sql`DELETE FROM chaos_held`
  },
  (effect, tenant) => provide(TenantId.make(tenant))(effect)
)

const run = Effect.fnUntraced(function* (tenant: string) {
  const { executions, kills, seed } = yield* settings
  const sql = yield* SqlClient.SqlClient
  const random = randomOf(seed)
  const scope = yield* Effect.scope
  let workers = [yield* startWorker(scope), yield* startWorker(scope)]
  const starting = yield* Effect.forEach(
    Array.from({ length: executions }, (_, index) => index),
    (index) => startExecution(index, random),
    { concurrency: 8, discard: true }
  ).pipe(provide(TenantId.make(tenant)), Effect.forkChild)
  for (let kill = 0; kill < kills; kill++) {
    // Once the workers have done something since the last kill.
    const [before] = yield* sql<{ readonly n: number }>`SELECT count(*)::integer AS n FROM chaos_note`
    yield* sql<{ readonly n: number }>`SELECT count(*)::integer AS n FROM chaos_note`.pipe(
      Effect.delay("50 millis"),
      Effect.repeat({ until: ([now]) => (now?.n ?? 0) > (before?.n ?? 0) + 10 + random() * 20 }),
      Effect.timeoutOption("10 seconds")
    )
    const victim = Math.floor(random() * workers.length)
    yield* workers[victim]?.signal("SIGKILL") ?? Effect.void
    const next = yield* startWorker(scope)
    workers = workers.map((worker, index) => (index === victim ? next : worker))
  }
  yield* Fiber.join(starting)
  yield* untilSettled
  return yield* violations(tenant)
})

const Prepared = Layer.effectDiscard(prepare).pipe(Layer.provideMerge(TestLayer))

layer(Prepared, { excludeTestServices: true })("Executions whose workers are killed", (it) => {
  it.effect("all finish, run no recorded activity again, and compensate in reverse", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run("acme"), [])
    }).pipe(Effect.scoped)
  )

  it.effect("finish after a kill between a result and its wake-up, unless the two are apart", () =>
    Effect.gen(function* () {
      yield* killWhileWaking("sound", "sound")
      yield* killWhileWaking("broken", "broken")
      yield* startWorker(yield* Effect.scope)
      yield* untilSettled
      assert.deepStrictEqual(yield* violations("sound"), [])
      assert.sameDeepMembers(
        Array.from(yield* violations("broken")),
        ["chaos parents", "chaos sleeps"].map((name) => ({
          rule: "unfinished",
          execution: `${name} ready broken`
        }))
      )
    }).pipe(Effect.scoped)
  )
})
