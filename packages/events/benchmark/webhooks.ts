/**
 * `pnpm bench webhooks [--only deliveries,healthy,fanout]`. Signed deliveries of one worker process to a receiver in
 * another one, beside bare POSTs of the same bodies, over kept connections and over a new one each. The delay of a healthy
 * endpoint beside one that hangs. One event that is published to 10,000 subscriptions.
 */
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Database from "@hypermarket/core/Database"
import { provide } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Events } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import type { Filter } from "@hypermarket/events/EventFilter"
import { EventSubscriptions } from "@hypermarket/events/EventSubscriptions"
import { Webhooks } from "@hypermarket/events/Webhooks"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { randomBytes } from "node:crypto"
import * as Path from "node:path"

const folder = Path.join(import.meta.dirname, "webhooks")
/** Deliveries of all rounds. */
const deliveriesMax = 6_000
/** Thirteen endpoints of four attempts at once pass a tenant's 50. */
const endpoints = 13
const atOnce = 50
/** Events at intervals, so that each is timed alone. */
const timedEventsMax = 400
const timedEvery = "25 millis"
/** Deliveries that wait for the endpoint that hangs. */
const hangingDeliveries = 40
const subscriptionsMax = 10_000
const publishedMax = 20

const Figures = Schema.Struct({
  count: Schema.Int,
  firstAt: Schema.Finite,
  lastAt: Schema.Finite,
  latencies: Schema.Array(Schema.Finite)
})

interface Receiver {
  readonly port: number
  readonly figures: (path: string) => Effect.Effect<typeof Figures.Type>
}

const startReceiver = Effect.gen(function* () {
  const port = yield* ServiceProcess.freePort
  const service = yield* ServiceProcess.start(Path.join(folder, "receiver.ts"), [], {
    BENCH_PORT: String(port)
  })
  const url = `http://127.0.0.1:${port}/figures`
  yield* ServiceProcess.answers(service, url)
  const figures = (path: string) =>
    Effect.promise(async () => (await fetch(`${url}?path=${path}`)).json()).pipe(
      Effect.flatMap(Schema.decodeUnknownEffect(Figures)),
      Effect.orDie
    )
  const receiver: Receiver = { port, figures }
  return receiver
})

const untilCount = (receiver: Receiver, paths: ReadonlyArray<string>, count: number) =>
  Effect.forEach(paths, receiver.figures).pipe(
    Effect.repeat({
      until: (list) => list.reduce((sum, figures) => sum + figures.count, 0) >= count,
      schedule: Schedule.spaced("200 millis")
    })
  )

/** Rate from the first arrival to the last. */
const rateOf = (list: ReadonlyArray<typeof Figures.Type>): number => {
  const count = list.reduce((sum, figures) => sum + figures.count, 0)
  const first = Math.min(...list.map(({ firstAt }) => firstAt))
  const last = Math.max(...list.map(({ lastAt }) => lastAt))
  return ((count - 1) * 1_000) / (last - first)
}

const publish = Effect.fnUntraced(function* (id: string) {
  const events = yield* Events
  const sentAt = yield* Clock.currentTimeMillis
  yield* events.publish([
    {
      id,
      source: "/bench",
      type: "com.example.bench.made",
      data: { n: id, sentAt, padding: "x".repeat(200) }
    }
  ])
})

interface Parts {
  readonly receiver: Receiver
  readonly startWorker: Effect.Effect<unknown, never, Scope.Scope>
}

const deliveries = ({ receiver, startWorker }: Parts) =>
  Effect.fnUntraced(function* ({ rounds, scale }: Bench.Options) {
    const webhooks = yield* Webhooks
    const ours: Array<number> = []
    const bare: Array<number> = []
    const connecting: Array<number> = []
    const events = Math.max(1, Math.ceil((deliveriesMax * scale) / rounds / endpoints))
    for (let round = 1; round <= rounds; round++) {
      const paths = Array.from({ length: endpoints }, (_, n) => `/round-${round}/${n}`)
      const made = yield* Effect.forEach(paths, (path) =>
        webhooks.create({ url: `http://127.0.0.1:${receiver.port}${path}` })
      )
      // All of them wait before the worker starts: the rate is the worker's.
      for (let n = 0; n < events; n++) yield* publish(`${round}/${n}`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* startWorker
          ours.push(rateOf(yield* untilCount(receiver, paths, events * endpoints)))
        })
      )
      for (const { endpointId, version } of made) yield* webhooks.remove(endpointId, version)
      const post = Effect.fnUntraced(function* (path: string, keepAlive: boolean) {
        const process = yield* ServiceProcess.start(Path.join(folder, "bare.ts"), [], {
          BENCH_SETTINGS: JSON.stringify({
            url: `http://127.0.0.1:${receiver.port}${path}`,
            posts: events * endpoints,
            atOnce,
            keepAlive
          })
        })
        yield* process.exit
        return rateOf([yield* receiver.figures(path)])
      }, Effect.scoped)
      bare.push(yield* post(`/bare-${round}`, true))
      connecting.push(yield* post(`/connecting-${round}`, false))
      yield* Bench.say(
        `deliveries, round ${round}: ours ${ours.at(-1)?.toFixed(0)}/s, bare ${bare.at(-1)?.toFixed(0)}/s, ${connecting.at(-1)?.toFixed(0)}/s with a connection each`
      )
    }
    return [
      {
        figure: "signed deliveries",
        unit: "deliveries/s",
        ours: Bench.median(ours),
        peers: {
          "bare POSTs": Bench.median(bare),
          "bare POSTs, a connection each": Bench.median(connecting)
        }
      }
    ]
  })

const healthy = ({ receiver, startWorker }: Parts) =>
  Effect.fnUntraced(function* ({ scale }: Bench.Options) {
    const webhooks = yield* Webhooks
    yield* webhooks.create({ url: `http://127.0.0.1:${receiver.port}/healthy` })
    const count = Math.max(20, Math.ceil(timedEventsMax * scale))
    const timed = Effect.fnUntraced(function* (name: string) {
      const before = (yield* receiver.figures("/healthy")).count
      for (let n = 0; n < count; n++) {
        yield* publish(`${name}/${n}`)
        yield* Effect.sleep(timedEvery)
      }
      yield* untilCount(receiver, ["/healthy"], before + count)
      return Bench.quantile((yield* receiver.figures("/healthy")).latencies.slice(before), 0.95)
    })
    return yield* Effect.scoped(
      Effect.gen(function* () {
        yield* startWorker
        yield* publish("warm-up")
        yield* untilCount(receiver, ["/healthy"], 1)
        const alone = yield* timed("alone")
        yield* webhooks.create({ url: `http://127.0.0.1:${receiver.port}/hanging` })
        for (let n = 0; n < hangingDeliveries; n++) yield* publish(`hanging/${n}`)
        yield* untilCount(receiver, ["/hanging"], 4)
        const beside = yield* timed("beside")
        return [
          {
            figure: "p95 of a healthy endpoint beside a hanging one",
            unit: "ms",
            ours: beside,
            peers: { alone }
          }
        ]
      })
    )
  })

const mixed: ReadonlyArray<Filter> = [
  { exact: { type: "com.example.placed" } },
  { prefix: { source: "/elsewhere" } },
  { suffix: { type: ".changed" } },
  { all: [{ prefix: { subject: "o-" } }, { not: { exact: { partitionkey: "p" } } }] },
  { any: [{ exact: { type: "x" } }, { suffix: { subject: "-9" } }] }
]

const fanOut = Effect.fnUntraced(function* ({ rounds }: Bench.Options) {
  const sql = yield* SqlClient.SqlClient
  const events = yield* Events
  const subscriptions = yield* EventSubscriptions
  yield* Effect.forEach(mixed, (filter, index) =>
    subscriptions.create({ name: `m${index}`, queue: `m${index}`, filters: [filter] })
  )
  yield* sql`
    INSERT INTO hm_event_subscription (tenant_id, subscription_id, name, status, filters, compiled, queue, ordered,
                                       recorded_at, updated_at)
    SELECT tenant_id, gen_random_uuid(), name, status, filters, compiled, queue || '-' || n, ordered, recorded_at, updated_at
      FROM hm_event_subscription
     CROSS JOIN generate_series(2, ${subscriptionsMax / mixed.length}::int) AS n
  `
  const millis: Array<number> = []
  for (let n = 0; n < publishedMax * rounds; n++) {
    const before = performance.now()
    yield* events.publish([
      { id: String(n), source: "/bench", type: "com.example.placed", subject: "o-1", data: { n } }
    ])
    millis.push(performance.now() - before)
  }
  yield* Bench.say(
    `fan-out: median ${Bench.median(millis).toFixed(0)} ms, least ${Math.min(...millis).toFixed(0)} ms, most ${Math.max(...millis).toFixed(0)} ms`
  )
  return [
    {
      figure: "fan-out: one event, 10,000 subscriptions, 4,000 jobs",
      unit: "ms",
      ours: Bench.median(millis),
      peers: {}
    }
  ]
})

export const bench: Bench.Bench = {
  run: Effect.fn("bench webhooks")(function* (options: Bench.Options) {
    const { settings } = yield* Bench.readTargets("webhooks")
    const receiver = yield* startReceiver
    const env = {
      HM_SECRETS_KEYS: `bench:${randomBytes(32).toString("base64")}`,
      HM_OUTBOUND_ALLOW: `127.0.0.1/32:${receiver.port}`
    }
    const run = <E, R>(
      name: string,
      part: (parts: Parts) => (options: Bench.Options) => Effect.Effect<ReadonlyArray<Bench.Figure>, E, R>
    ) => {
      if (options.only.length > 0 && !options.only.includes(name)) {
        return Effect.succeed<ReadonlyArray<Bench.Figure>>([])
      }
      return Effect.gen(function* () {
        const database = yield* Setup.database(settings)
        const layer = EventsDomain.layer.pipe(
          Layer.provideMerge(Wakeup.layerSend),
          Layer.provideMerge(Database.layer(database.options, "hm-bench")),
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
        )
        const startWorker = ServiceProcess.start(Path.join(folder, "worker.ts"), [], {
          DATABASE_URL: database.url,
          ...env
        })
        return yield* part({ receiver, startWorker })(options).pipe(
          provide(Setup.tenantId),
          Effect.provide(layer)
        )
      }).pipe(Effect.scoped, Effect.tap(options.measured))
    }
    return [
      ...(yield* run("deliveries", deliveries)),
      ...(yield* run("healthy", healthy)),
      ...(yield* run("fanout", () => fanOut))
    ]
  }, Effect.scoped)
}
