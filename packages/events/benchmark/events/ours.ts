/**
 * Our queue in `bench events`: the process that the harness forks, beside `peers/graphileWorker.js` and `peers/pgBoss.js`.
 */
import { payloadOf } from "@hypermarket/bench/Payload"
import * as Database from "@hypermarket/core/Database"
import * as Job from "@hypermarket/core/Job"
import * as Main from "@hypermarket/core/Main"
import * as Migrations from "@hypermarket/core/Migrations"
import { Shutdown } from "@hypermarket/core/Shutdown"
import * as Tenant from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { ClaimClient } from "@hypermarket/queue/ClaimClient"
import type * as QueueJob from "@hypermarket/queue/QueueJob"
import * as WorkQueue from "@hypermarket/queue/WorkQueue"
import * as WorkQueueWorker from "@hypermarket/queue/WorkQueueWorker"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Fairness from "./Fairness.ts"
import { migrations, prefix } from "./ownTables.ts"

const Settings = Schema.Struct({
  command: Schema.Literals(["setup", "fill", "oneByOne", "latency", "work"]),
  commit: Schema.optionalKey(Schema.Literals(["asynchronous", "synchronous"])),
  jobs: Schema.optionalKey(Schema.Int),
  bytes: Schema.optionalKey(Schema.Int),
  chunk: Schema.optionalKey(Schema.Int),
  tenants: Schema.optionalKey(Schema.Int),
  batchMax: Schema.optionalKey(Schema.Int),
  watchesWaits: Schema.optionalKey(Schema.Boolean),
  /** True when enqueued jobs reach the worker as from another process. */
  isElsewhere: Schema.optionalKey(Schema.Boolean),
  callers: Schema.optionalKey(Schema.Int),
  millis: Schema.optionalKey(Schema.Int)
})

type Settings = typeof Settings.Type

const queueName = "noop"
const sinceEpoch = () => performance.timeOrigin + performance.now()
const send = (message: Readonly<Record<string, unknown>>) => Effect.sync(() => void process.send?.(message))

const tenantOf = (n: number, tenants: number) => Tenant.TenantId.make(`tenant-${n % tenants}`)

const jobOf = (n: number, bytes: number): QueueJob.NewJob => ({
  queue: queueName,
  type: "noop",
  payload: { ...payloadOf(n, bytes) }
})

/** Jobs of `OwnFigures.neighbour` have a number. */
const isAwaited = Schema.is(Schema.Struct({ awaited: Schema.Int }))

const reportInterval = "20 millis"

/** Counts handled jobs and reports them, with the times of the first and the last. */
const counter = Effect.fnUntraced(function* (watchesWaits: boolean) {
  let count = 0
  let firstAt = 0
  let lastAt = 0
  let reported = 0
  let residentBytes = 0
  const report = Effect.suspend(() => {
    residentBytes = Math.max(residentBytes, process.memoryUsage.rss())
    if (count === reported) return Effect.void
    reported = count
    return send({ _tag: "Progress", count, firstAt, lastAt, residentBytes })
  })
  yield* Effect.andThen(report, Effect.sleep(reportInterval)).pipe(Effect.forever, Effect.forkScoped)
  return (job: QueueJob.LeasedJob | undefined) => {
    lastAt = sinceEpoch()
    if (count === 0) firstAt = lastAt
    count++
    const payload = job?.payload
    if (watchesWaits && isAwaited(payload)) {
      process.send?.({ _tag: "Started", n: payload.awaited, at: lastAt })
    }
  }
})

const untilTold = Effect.callback<void>((resume) => {
  process.once("message", () => resume(Effect.void))
  process.send?.({ _tag: "Ready" })
})

/** The same concurrency as graphile-worker's settings have; each job by itself. */
const concurrency = 24

const handlerOf = (onJob: (job: QueueJob.LeasedJob | undefined) => void): QueueJob.Handler<never> => ({
  queue: queueName,
  batchMax: 1,
  concurrency,
  transactional: false,
  retry: Job.retryDefault,
  deadline: "60 seconds",
  run: ([job]) => Effect.sync(() => onJob(job))
})

const layerOf = (url: string, settings: Settings) => {
  const options = { ...TestDatabase.optionsOf(url), poolMax: 10 }
  return Layer.mergeAll(
    Wakeup.layer(Database.listen(options)),
    ClaimClient.layer(options, settings.commit)
  ).pipe(Layer.provideMerge(Database.layer(options, "hm-bench")))
}

const worker = (onJob: (job: QueueJob.LeasedJob | undefined) => void, { batchMax }: Settings) =>
  WorkQueueWorker.run({
    prefix,
    handlers: [handlerOf(onJob)],
    ...(batchMax === undefined ? {} : { batchMax })
  })

const runWorker = (...args: Parameters<typeof worker>) => Effect.andThen(Fairness.boundHeap, worker(...args))

const timed = <A, E, R>(jobs: () => number, self: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const startedAt = performance.now()
    yield* self
    yield* send({ _tag: "Took", millis: performance.now() - startedAt, jobs: jobs() })
  })

const fill = Effect.fnUntraced(function* ({ bytes = 200, chunk = 1_000, jobs = 0, tenants = 1 }: Settings) {
  const queue = yield* WorkQueue.make({ prefix })
  const perTenant = Math.ceil(jobs / tenants)
  const size = Math.min(chunk, perTenant)
  const statements = Array.from({ length: Math.ceil(jobs / size) }, (_, index) => ({
    tenant: tenantOf(index, tenants),
    jobs: Array.from({ length: Math.min(size, jobs - index * size) }, (_, n) =>
      jobOf(index * size + n, bytes)
    )
  }))
  yield* timed(
    () => jobs,
    Effect.forEach(statements, (one) => queue.enqueue(one.jobs).pipe(Tenant.provide(one.tenant)), {
      discard: true
    })
  )
})

const oneByOne = Effect.fnUntraced(function* ({ bytes = 200, callers = 50, millis = 1_000 }: Settings) {
  const queue = yield* WorkQueue.make({ prefix })
  const add = (n: number) => queue.enqueue([jobOf(n, bytes)]).pipe(Tenant.provide(tenantOf(0, 1)))
  yield* add(-1)
  let jobs = 0
  const startedAt = performance.now()
  // As bare as the peers' loops.
  const call = Effect.whileLoop({
    while: () => performance.now() - startedAt < millis,
    body: () => add(jobs++),
    step: () => undefined
  })
  yield* timed(
    () => jobs,
    Effect.forEach(Array.from({ length: callers }), () => call, { concurrency: "unbounded", discard: true })
  )
})

const latency = Effect.fnUntraced(function* (settings: Settings) {
  const { bytes = 200 } = settings
  const elsewhere = yield* Layer.build(settings.isElsewhere === true ? Wakeup.layerSend : Layer.empty)
  const queue = yield* WorkQueue.make({ prefix }).pipe(Effect.provideContext(elsewhere))
  let arrived: () => void = () => undefined
  yield* runWorker(() => arrived(), settings)
  for (let n = 0; ; n++) {
    yield* untilTold
    const startedAt = performance.now()
    const started = new Promise<number>((resolve) => {
      arrived = () => resolve(performance.now() - startedAt)
    })
    yield* queue.enqueue([jobOf(n, bytes)]).pipe(Tenant.provide(tenantOf(0, 1)))
    yield* send({ _tag: "Latency", millis: yield* Effect.promise(() => started) })
  }
})

const program = Effect.gen(function* () {
  const url = yield* Config.String("DATABASE_URL")
  const settings = yield* Config.schema(Schema.fromJsonString(Settings), "BENCH_SETTINGS")
  if (settings.command === "setup") {
    yield* Migrations.run([migrations], "public").pipe(
      Effect.provide(Database.layerDirect(TestDatabase.optionsOf(url)))
    )
    return yield* send({ _tag: "Took", millis: 0, jobs: 0 })
  }
  const context = yield* Layer.build(layerOf(url, settings))
  yield* Effect.gen(function* () {
    switch (settings.command) {
      case "fill":
        return yield* fill(settings)
      case "oneByOne":
        return yield* oneByOne(settings)
      case "latency":
        return yield* latency(settings)
      default: {
        const onJob = yield* counter(settings.watchesWaits === true)
        yield* untilTold
        yield* runWorker(onJob, settings)
      }
    }
  }).pipe(Effect.provideContext(context))
})

// As the worker app does, until it is killed.
Main.run(Main.launch(Layer.effectDiscard(program)).pipe(Effect.provide(Shutdown.layer)))
