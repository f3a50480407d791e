/**
 * `bench events`: our queue, graphile-worker and pg-boss, each in separate processes on one server with default settings.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import { bundle } from "./events/bundle.ts"
import * as Engine from "./events/Engine.ts"
import * as OwnFigures from "./events/OwnFigures.ts"

const noopJobs = 200_000
const smallBytes = 200
const largeBytes = 4_000
const tenants = 1_000
const oneByOneMillis = 5_000
const callers = 50
const latencySamples = 300
const processCounts = [1, 2, 4]

type Engines = Effect.Success<ReturnType<typeof Engine.make>>

type Values = Map<string, Array<number>>

const add = (values: Values, name: string, value: number) => {
  const list = values.get(name)
  if (list === undefined) values.set(name, [value])
  else list.push(value)
}

const figureOf = (figure: string, unit: string, values: Values, own: Engine.Engine): Bench.Figure => ({
  figure: own.name.replace(Engine.ours.name, figure),
  unit,
  ours: Bench.median(values.get(own.name) ?? []),
  peers: Object.fromEntries(
    [Engine.graphileWorker, Engine.pgBoss].map(({ name }) => [name, Bench.median(values.get(name) ?? [])])
  )
})

const all = [Engine.ours, Engine.graphileWorker, Engine.oursSynchronous, Engine.pgBoss]

/** Measures every engine in turn, so many rounds, and says what it found. */
const interleaved = Effect.fnUntraced(function* <E, R>(
  rounds: number,
  what: string,
  unit: string,
  engines: ReadonlyArray<Engine.Engine>,
  measure: (engine: Engine.Engine) => Effect.Effect<number, E, R>
) {
  const values: Values = new Map()
  for (let round = 1; round <= rounds; round++) {
    for (const engine of engines) {
      const value = yield* measure(engine)
      add(values, engine.name, value)
      yield* Bench.say(
        `${what}, round ${round}: ${engine.name} ${value.toFixed(value < 100 ? 2 : 0)} ${unit}`
      )
    }
  }
  return values
})

const both = (figure: string, unit: string, values: Values) => [
  figureOf(figure, unit, values, Engine.ours),
  figureOf(figure, unit, values, Engine.oursSynchronous)
]

const parts = (engines: Engines, { rounds, scale }: Bench.Options) => {
  const jobs = Math.round(noopJobs * scale)
  const throughput = Effect.fnUntraced(function* (
    figure: string,
    processes: number,
    settings: { readonly bytes: number; readonly tenants?: number },
    measured = all
  ) {
    const memory: Values = new Map()
    const values = yield* interleaved(rounds, figure, "jobs/s", measured, (engine) =>
      engines.work(engine, processes, { jobs, ...settings }).pipe(
        Effect.map(({ jobsPerSecond, megabytes }) => {
          add(memory, engine.name, megabytes)
          return jobsPerSecond
        })
      )
    )
    return { values, memory }
  })
  const enqueueing = Effect.fnUntraced(function* (figure: string, chunk: number) {
    const engine = [Engine.ours, Engine.graphileWorker, Engine.pgBoss]
    const values = yield* interleaved(rounds, figure, "jobs/s", engine, (one) =>
      engines.enqueue(one, { jobs, bytes: smallBytes, chunk })
    )
    return [figureOf(figure, "jobs/s", values, Engine.ours)]
  })
  return {
    one: Effect.gen(function* () {
      const figure = "no-op jobs, one process, 200 B"
      const flagged = [Engine.graphileWorkerFlagged, Engine.pgBossFlagged]
      const { memory, values } = yield* throughput(figure, 1, { bytes: smallBytes }, [...all, ...flagged])
      // Ours sets options of V8, which save memory: the peers are also measured with the same ones.
      const alike: Values = new Map(
        Array.from(memory, ([name, list]) => [name.replace(Engine.flaggedSuffix, ""), list])
      )
      return [
        ...both(figure, "jobs/s", values),
        figureOf("worker memory, busy", "MB", memory, Engine.ours),
        figureOf("worker memory, busy, peers with our V8 options", "MB", alike, Engine.ours)
      ]
    }),
    best: Effect.gen(function* () {
      const figure = "no-op jobs, best process count, 200 B"
      const best: Values = new Map()
      for (const processes of processCounts) {
        const what = `${processes} processes`
        const { values } = yield* throughput(what, processes, { bytes: smallBytes })
        for (const [name, list] of values) add(best, name, Bench.median(list))
      }
      const highest: Values = new Map(Array.from(best, ([name, list]) => [name, [Math.max(...list)]]))
      return both(figure, "jobs/s", highest)
    }),
    large: Effect.gen(function* () {
      const figure = "no-op jobs, 4 KB"
      const { values } = yield* throughput(figure, 1, { bytes: largeBytes })
      return both(figure, "jobs/s", values)
    }),
    tenants: Effect.gen(function* () {
      const figure = "1,000 tenants, fair"
      // The peers have no tenants: for them it is one queue.
      const { values } = yield* throughput(figure, 1, { bytes: smallBytes, tenants })
      return both(figure, "jobs/s", values)
    }),
    bulk1000: enqueueing("bulk enqueue, 1,000 a statement, 200 B", 1_000),
    bulk10000: enqueueing("bulk enqueue, 10,000 a statement, 200 B", 10_000),
    single: Effect.gen(function* () {
      const figure = "enqueue one by one, 50 callers"
      const engine = [Engine.ours, Engine.graphileWorker, Engine.pgBoss]
      const values = yield* interleaved(rounds, figure, "jobs/s", engine, (one) =>
        engines.oneByOne(one, { callers, millis: Math.round(oneByOneMillis * scale), bytes: smallBytes })
      )
      return [figureOf(figure, "jobs/s", values, Engine.ours)]
    }),
    latency: Effect.gen(function* () {
      const figure = "enqueue to handler start, idle"
      const samples = yield* engines.latencies([...all, Engine.oursElsewhere], {
        samples: Math.round(latencySamples * scale),
        warmUp: 20,
        bytes: smallBytes
      })
      const at = (q: number): Values =>
        new Map(Array.from(samples, ([name, taken]) => [name, [Bench.quantile(taken, q)]]))
      return [0.5, 0.99].flatMap((q) => {
        const values = at(q)
        const name = `${figure}, p${q * 100}`
        return [...both(name, "ms", values), figureOf(name, "ms", values, Engine.oursElsewhere)]
      })
    }),
    bloat: OwnFigures.bloat(engines, scale),
    neighbour: OwnFigures.neighbour(engines, scale)
  }
}

export const bench: Bench.Bench = {
  run: Effect.fn("bench events")(function* (options: Bench.Options) {
    yield* Setup.installPeers
    yield* bundle
    const { settings } = yield* Bench.readTargets("events")
    const server = yield* EmbeddedPostgres.start({ durability: "production", settings })
    return yield* Effect.gen(function* () {
      const engines = yield* Engine.make(server.url)
      const named = Object.entries(parts(engines, options))
      const wanted = named.filter(([name]) => options.only.length === 0 || options.only.includes(name))
      if (wanted.length === 0) {
        yield* Bench.say(`--only takes ${named.map(([name]) => name).join(", ")}`)
      }
      return (yield* Effect.forEach(wanted, ([, part]) => Effect.tap(part, options.measured))).flat()
    }).pipe(Effect.provide(Engine.adminLayer(server.url)))
  })
}
