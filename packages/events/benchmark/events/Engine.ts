/**
 * A queue under measurement: ours or a peer's, in separate processes that speak the same few messages.
 */
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { type ChildProcess, fork } from "node:child_process"
import * as Path from "node:path"
import { scriptOf } from "./bundle.ts"
import * as Fairness from "./Fairness.ts"

export interface Engine {
  readonly name: string
  readonly script: string
  /** Settings of its worker processes, beside those of the run. */
  readonly settings: Readonly<Record<string, unknown>>
  /** Options of V8, where the engine does not set its own. */
  readonly flags?: ReadonlyArray<string>
}

export const ours: Engine = { name: "ours", script: scriptOf("ours"), settings: {} }
export const oursSynchronous: Engine = {
  name: "ours, synchronous claim",
  script: scriptOf("ours"),
  settings: { commit: "synchronous" }
}
/** The publisher and the worker stand in one process; here it hears of its jobs as others do, by NOTIFY. */
export const oursElsewhere: Engine = {
  name: "ours, by NOTIFY",
  script: scriptOf("ours"),
  settings: { isElsewhere: true }
}
export const graphileWorker: Engine = {
  name: "graphile-worker",
  script: Setup.peerScript("graphileWorker.js"),
  settings: {}
}
export const pgBoss: Engine = {
  name: "pg-boss",
  script: Setup.peerScript("pgBoss.js"),
  // Many jobs a fetch, two workers: as its documentation advises for throughput; other sizes were not compared.
  settings: { batchSize: 1_000, localConcurrency: 2 }
}

/** Ends the name of a peer with the options of ours. */
export const flaggedSuffix = ", our V8 options"
const withOwnFlags = (engine: Engine): Engine => ({
  ...engine,
  name: `${engine.name}${flaggedSuffix}`,
  flags: Fairness.ownFlags
})
export const graphileWorkerFlagged = withOwnFlags(graphileWorker)
export const pgBossFlagged = withOwnFlags(pgBoss)

const Message = Schema.Union([
  Schema.TaggedStruct("Ready", {}),
  Schema.TaggedStruct("Progress", {
    count: Schema.Int,
    firstAt: Schema.Finite,
    lastAt: Schema.Finite,
    residentBytes: Schema.Finite
  }),
  Schema.TaggedStruct("Took", { millis: Schema.Finite, jobs: Schema.Int }),
  Schema.TaggedStruct("Latency", { millis: Schema.Finite }),
  /** When a job with a number began. */
  Schema.TaggedStruct("Started", { n: Schema.Int, at: Schema.Finite })
])

type Message = typeof Message.Type

export class EngineFailed extends Schema.TaggedError<EngineFailed>()("EngineFailed", {
  message: Schema.String
}) {}

interface Process {
  readonly child: ChildProcess
  /** Calls back on each message until told to stop; fails when the process ends. */
  readonly until: <A>(found: (message: Message) => A | undefined) => Effect.Effect<A, EngineFailed>
}

const decode = Schema.decodeUnknownSync(Message)

/** Starts a process of an engine; it is killed when the scope closes. */
export const start = (engine: Engine, url: string, settings: Readonly<Record<string, unknown>>) =>
  Effect.acquireRelease(
    Effect.sync((): Process => {
      const forked = fork(engine.script, [], {
        ...Fairness.processOptions(engine, url, settings),
        stdio: ["ignore", "ignore", "pipe", "ipc"]
      })
      let errors = ""
      forked.stderr
        ?.setEncoding("utf8")
        .on("data", (chunk: string) => (errors = (errors + chunk).slice(-4_000)))
      return {
        child: forked,
        until: (found) =>
          Effect.callback((resume) => {
            const stopListening = () => {
              forked.off("message", onMessage)
              forked.off("exit", onExit)
            }
            const onMessage = (value: unknown) => {
              const result = found(decode(value))
              if (result === undefined) return
              stopListening()
              resume(Effect.succeed(result))
            }
            const onExit = (code: number | null) => {
              stopListening()
              resume(
                Effect.fail(new EngineFailed({ message: `${engine.name} ended with ${code}: ${errors}` }))
              )
            }
            forked.on("message", onMessage)
            forked.on("exit", onExit)
            return Effect.sync(stopListening)
          })
      }
    }),
    ({ child: forked }) =>
      Effect.callback<void>((resume) => {
        if (forked.exitCode !== null || forked.signalCode !== null) return resume(Effect.void)
        forked.once("exit", () => resume(Effect.void))
        forked.kill("SIGKILL")
      })
  )

export const took = (message: Message) => (message._tag === "Took" ? message : undefined)

export interface Worked {
  readonly jobsPerSecond: number
  readonly megabytes: number
}

/** An engine's database, fresh for each measurement: a clone of its migrated template, after a checkpoint. */
export const make = Effect.fn("Engine.make")(function* (adminUrl: string) {
  const sql = yield* SqlClient.SqlClient
  const templates = new Set<string>()
  let made = 0
  const urlOf = (database: string) => {
    const url = new URL(adminUrl)
    url.pathname = `/${database}`
    return url.toString()
  }
  const once = (engine: Engine, url: string, settings: Readonly<Record<string, unknown>>) =>
    Effect.scoped(Effect.flatMap(start(engine, url, settings), ({ until }) => until(took)))

  const templateOf = Effect.fnUntraced(function* (engine: Engine) {
    const name = `template_${Path.basename(engine.script).replace(/\W/g, "_").toLowerCase()}`
    if (templates.has(name)) return name
    yield* sql`CREATE DATABASE ${sql(name)}`
    yield* once(engine, urlOf(name), { command: "setup" })
    const undurable = yield* Fairness.undurable.pipe(Effect.provide(adminLayer(urlOf(name))), Effect.scoped)
    if (undurable.length > 0) {
      return yield* new EngineFailed({
        message: `${engine.name} could lose committed jobs: ${undurable.join(", ")}`
      })
    }
    templates.add(name)
    return name
  })

  const database = Effect.fnUntraced(function* (engine: Engine) {
    const template = yield* templateOf(engine)
    const name = `bench_${made++}`
    yield* Effect.acquireRelease(sql`CREATE DATABASE ${sql(name)} TEMPLATE ${sql(template)}`, () =>
      Effect.orDie(sql`DROP DATABASE ${sql(name)} WITH (FORCE)`)
    )
    return urlOf(name)
  })

  const checkpoint = sql`CHECKPOINT`

  /**
   * As autovacuum does at some moment: a queue that is filled at once and emptied before that moment is measured with the plans
   * for an empty table, one that is emptied after it is not.
   */
  const vacuum = (url: string) =>
    Effect.flatMap(SqlClient.SqlClient, (own) => own`VACUUM (ANALYZE)`).pipe(
      Effect.provide(adminLayer(url)),
      Effect.scoped
    )

  /** Enqueues in bulk; jobs per second. */
  const fill = Effect.fnUntraced(function* (
    engine: Engine,
    url: string,
    settings: {
      readonly jobs: number
      readonly bytes: number
      readonly chunk: number
      readonly tenants?: number
    }
  ) {
    const { jobs, millis } = yield* once(engine, url, { command: "fill", ...settings })
    return (jobs / millis) * 1_000
  })

  /** Lets worker processes that stand ready empty a queue: from the first job's start to the last's. */
  const empty = Effect.fnUntraced(function* (
    engine: Engine,
    url: string,
    processes: number,
    settings: { readonly jobs: number; readonly batchMax?: number }
  ) {
    yield* vacuum(url)
    yield* checkpoint
    const workers = yield* Effect.forEach(Array.from({ length: processes }), () =>
      start(engine, url, { command: "work", ...settings })
    )
    yield* Effect.forEach(workers, ({ until }) => until(ready), { concurrency: "unbounded" })
    const latest = new Map<number, Extract<Message, { readonly _tag: "Progress" }>>()
    const isDone = yield* Deferred.make<void, EngineFailed>()
    for (const [index, { until }] of workers.entries()) {
      yield* until((message) => {
        if (message._tag !== "Progress") return undefined
        latest.set(index, message)
        const handled = Array.from(latest.values()).reduce((sum, { count }) => sum + count, 0)
        if (handled >= settings.jobs) Deferred.doneUnsafe(isDone, Effect.void)
        return undefined
      }).pipe(
        Effect.catch((error) => Deferred.fail(isDone, error)),
        Effect.forkScoped({ startImmediately: true })
      )
    }
    for (const worker of workers) worker.child.send({ _tag: "Start" })
    yield* Deferred.await(isDone)
    const all = Array.from(latest.values())
    const millis =
      Math.max(...all.map(({ lastAt }) => lastAt)) - Math.min(...all.map(({ firstAt }) => firstAt))
    const worked: Worked = {
      jobsPerSecond: (settings.jobs / millis) * 1_000,
      megabytes: Math.max(...all.map(({ residentBytes }) => residentBytes)) / 1024 / 1024
    }
    return worked
  }, Effect.scoped)

  /** Fills a fresh queue and has it emptied. */
  const work = Effect.fnUntraced(function* (
    engine: Engine,
    processes: number,
    settings: { readonly jobs: number; readonly bytes: number; readonly tenants?: number }
  ) {
    const url = yield* database(engine)
    yield* fill(engine, url, { chunk: 5_000, ...settings })
    return yield* empty(engine, url, processes, settings)
  }, Effect.scoped)

  const enqueue = Effect.fnUntraced(function* (
    engine: Engine,
    settings: { readonly jobs: number; readonly bytes: number; readonly chunk: number }
  ) {
    const url = yield* database(engine)
    yield* checkpoint
    return yield* fill(engine, url, settings)
  }, Effect.scoped)

  const oneByOne = Effect.fnUntraced(function* (
    engine: Engine,
    settings: { readonly callers: number; readonly millis: number; readonly bytes: number }
  ) {
    const url = yield* database(engine)
    yield* checkpoint
    const { jobs, millis } = yield* once(engine, url, { command: "oneByOne", ...settings })
    return (jobs / millis) * 1_000
  }, Effect.scoped)

  /** From enqueueing to the handler's start, in turns: the engines stand idle beside one another. */
  const latencies = Effect.fnUntraced(function* (
    measured: ReadonlyArray<Engine>,
    settings: { readonly samples: number; readonly warmUp: number; readonly bytes: number }
  ) {
    const running = yield* Effect.forEach(measured, (engine) =>
      Effect.gen(function* () {
        const idle = yield* start(engine, yield* database(engine), { command: "latency", ...settings })
        yield* idle.until(ready)
        const samples: Array<number> = []
        return { engine, idle, samples }
      })
    )
    for (let n = 0; n < settings.samples + settings.warmUp; n++) {
      for (const { idle, samples } of running) {
        yield* Effect.sleep(yield* Random.nextIntBetween(10, 30))
        idle.child.send({ _tag: "Start" })
        const millis = yield* idle.until((message) =>
          message._tag === "Latency" ? message.millis : undefined
        )
        if (n >= settings.warmUp) samples.push(millis)
      }
    }
    return new Map(running.map(({ engine, samples }) => [engine.name, samples] as const))
  }, Effect.scoped)

  /** For the figures that only concern us. */
  const ownDatabase = database(ours)

  const fillOurs = (url: string, settings: Parameters<typeof fill>[2]) => fill(ours, url, settings)

  /** Fills our queue in a database at hand, and has one worker empty it. */
  const drain = Effect.fnUntraced(function* (
    url: string,
    settings: Parameters<typeof fill>[2] & { readonly batchMax: number }
  ) {
    yield* fill(ours, url, settings)
    return yield* empty(ours, url, 1, settings)
  })

  /**
   * Runs an effect beside a busy worker of ours that has ended `warmJobs`, until `count` jobs have told when they began; by
   * their numbers.
   */
  const watch = Effect.fnUntraced(function* <E, R>(
    url: string,
    self: Effect.Effect<void, E, R>,
    count: number,
    warmJobs: number
  ) {
    const worker = yield* start(ours, url, { command: "work", watchesWaits: true })
    yield* worker.until(ready)
    const startedAt = new Map<number, number>()
    const told = yield* worker
      .until((message) => {
        if (message._tag === "Started") startedAt.set(message.n, message.at)
        return startedAt.size >= count || undefined
      })
      .pipe(Effect.forkScoped({ startImmediately: true }))
    worker.child.send({ _tag: "Start" })
    yield* worker.until((message) => (message._tag === "Progress" && message.count >= warmJobs) || undefined)
    yield* self
    yield* Fiber.join(told)
    return startedAt
  })

  return { work, enqueue, oneByOne, latencies, ownDatabase, fillOurs, drain, watch }
})

export const ready = (message: Message) => message._tag === "Ready" || undefined

export const adminLayer = (url: string) => Database.layer(TestDatabase.optionsOf(url), "hm-bench-admin")
