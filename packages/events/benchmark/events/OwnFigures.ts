/**
 * Figures that only concern our queue: claims and sweeps among dead entries, a small tenant behind a large one.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Database from "@hypermarket/core/Database"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as Statements from "@hypermarket/queue/internal/statements"
import { tablesOf } from "@hypermarket/queue/internal/tables"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import type * as Engine from "./Engine.ts"
import { prefix } from "./ownTables.ts"

const deadEntries = 500_000
const claimJobs = 100_000
const claimBatch = 100
const sweeps = 15
const backlogJobs = 1_000_000
const backlogBytes = 20
/** Of the backlog is done before the waits are measured: in its first second a worker's code is not compiled yet. */
const warmShare = 0.05
const smallTenants = 30
const smallJobs = 150
const pollMillis = 250
const smallEvery = "40 millis"

type Engines = Effect.Success<ReturnType<typeof Engine.make>>

/** The claiming client as the process's client, for a single statement of the queue. */
const claimLayer = (url: string) =>
  Layer.effect(SqlClient.SqlClient, ClaimClient).pipe(
    Layer.provide(ClaimClient.layer(TestDatabase.optionsOf(url))),
    Layer.merge(Wakeup.layerSilent)
  )

const sweepMillis = (url: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const statements = Statements.make(sql, tablesOf(prefix))
    // What the worker that emptied the queue knows of it, and calls this with.
    const known = yield* sql<{ readonly hint: number }>`SELECT last_value::float8 AS hint FROM hm_event_seq`
    const hints = known.map(({ hint }) => ({ tenantId: "tenant-0", queue: "noop", priority: 0, hint }))
    const taken: Array<number> = []
    for (let n = 0; n < sweeps; n++) {
      const startedAt = performance.now()
      yield* statements.sweepBeyond(hints)
      taken.push(performance.now() - startedAt)
    }
    return Bench.median(taken)
  }).pipe(Effect.provide(claimLayer(url)))

/** Runs until the scope closes, in a transaction that keeps every dead row alive. */
const holdSnapshot = Effect.fnUntraced(function* (url: string) {
  const held = yield* Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql.withTransaction(
      Effect.gen(function* () {
        yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
        yield* sql`SELECT count(*) FROM hm_event_definition`
        yield* sql`SELECT 1`.pipe(Effect.repeat(Schedule.spaced("5 seconds")))
      })
    )
  }).pipe(
    Effect.provide(Database.layer(TestDatabase.optionsOf(url), "hm-bench-snapshot")),
    Effect.forkScoped({ startImmediately: true })
  )
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    SELECT 1
      FROM pg_stat_activity
     WHERE application_name = 'hm-bench-snapshot' AND backend_xmin IS NOT NULL
  `.pipe(Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("10 millis") }))
  return { release: Fiber.interrupt(held) }
})

const vacuum = (url: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`VACUUM ANALYZE`).pipe(
    Effect.provide(Database.layerDirect(TestDatabase.optionsOf(url)))
  )

/** The same jobs through the same worker, among 500,000 dead entries that a snapshot holds, and after a vacuum. */
export const bloat = (engines: Engines, scale: number) =>
  Effect.gen(function* () {
    const url = yield* engines.ownDatabase
    const dead = Math.round(deadEntries * scale)
    const jobs = Math.round(claimJobs * scale)
    const claimMillis = Effect.map(
      engines.drain(url, { jobs, bytes: 200, chunk: 1_000, batchMax: claimBatch }),
      ({ jobsPerSecond }) => (claimBatch / jobsPerSecond) * 1_000
    )
    const { release } = yield* holdSnapshot(url)
    yield* engines.drain(url, { jobs: dead, bytes: 20, chunk: 10_000, batchMax: 1_000 })
    const held = { sweep: yield* sweepMillis(url), claim: yield* claimMillis }
    yield* release
    yield* vacuum(url)
    const vacuumed = { sweep: yield* sweepMillis(url), claim: yield* claimMillis }
    yield* Bench.say(
      `among ${dead} dead entries: claim ${held.claim.toFixed(2)} ms a ${claimBatch} jobs, sweep ${held.sweep.toFixed(2)} ms; vacuumed: ${vacuumed.claim.toFixed(2)}, ${vacuumed.sweep.toFixed(2)}`
    )
    const figure = (what: "claim" | "sweep", name: string): ReadonlyArray<Bench.Figure> => [
      {
        figure: `${name}, 500k dead entries under a held snapshot`,
        unit: "x of vacuumed",
        ours: held[what] / vacuumed[what],
        peers: {}
      },
      {
        figure: `${name}, 500k dead entries under a held snapshot, time`,
        unit: "ms",
        ours: held[what],
        peers: {}
      },
      { figure: `${name}, vacuumed, time`, unit: "ms", ours: vacuumed[what], peers: {} }
    ]
    return [...figure("claim", "claim"), ...figure("sweep", "lane sweep")]
  }).pipe(Effect.scoped)

/** Measures the wait of thirty tenants' jobs, enqueued one by one while a worker is busy with another tenant's million. */
const waits = Effect.fnUntraced(function* (engines: Engines, scale: number, wakes: boolean) {
  const url = yield* engines.ownDatabase
  yield* engines.fillOurs(url, {
    jobs: Math.round(backlogJobs * scale),
    bytes: backlogBytes,
    chunk: 10_000
  })
  const options = TestDatabase.optionsOf(url)
  const publisher = (wakes ? Wakeup.layerSend : Wakeup.layerSilent).pipe(
    Layer.provideMerge(Database.layer(options, "hm-bench-publisher"))
  )
  /** From the commit on: how long a commit takes beside a million jobs is the disk's matter. */
  const committedAt: Array<number> = []
  const publish = Effect.gen(function* () {
    const queue = yield* WorkQueue.make({ prefix })
    for (let n = 0; n < smallJobs; n++) {
      yield* Effect.sleep(smallEvery)
      yield* queue
        .enqueue([{ queue: "noop", type: "noop", payload: { awaited: n } }])
        .pipe(Tenant.provide(Tenant.TenantId.make(`small-${n % smallTenants}`)))
      committedAt.push(performance.timeOrigin + performance.now())
    }
  }).pipe(Effect.provide(publisher))
  const startedAt = yield* engines.watch(url, publish, smallJobs, backlogJobs * scale * warmShare)
  return committedAt.map((at, n) => Math.max(0, (startedAt.get(n) ?? Number.NaN) - at))
}, Effect.scoped)

export const neighbour = (engines: Engines, scale: number) =>
  Effect.gen(function* () {
    const woken = yield* waits(engines, scale, true)
    const swept = yield* waits(engines, scale, false)
    const name = "small tenant behind 1M jobs"
    const of = (samples: ReadonlyArray<number>) =>
      `p50 ${Bench.quantile(samples, 0.5).toFixed(1)} ms, p90 ${Bench.quantile(samples, 0.9).toFixed(1)} ms, p99 ${Bench.quantile(samples, 0.99).toFixed(1)} ms`
    yield* Bench.say(`${name}: with wake-up ${of(woken)}; without ${of(swept)}`)
    return [
      { figure: `${name}, p50 wait`, unit: "ms", ours: Bench.quantile(woken, 0.5), peers: {} },
      { figure: `${name}, p99 wait`, unit: "ms", ours: Bench.quantile(woken, 0.99), peers: {} },
      {
        figure: `${name}, p99 wait without wake-up`,
        unit: "sweep periods",
        ours: Bench.quantile(swept, 0.99) / pollMillis,
        peers: {}
      }
    ]
  })
