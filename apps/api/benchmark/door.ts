/**
 * `bench door`: the budgets of the Promise door. A domain without tables answers at once, so that the processor time of a call
 * is the door's; the same effects run beside it with the same schemas, in turns. Then the connections of a program.
 */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import * as Commerce from "@hypermarket/core/Commerce"
import * as Database from "@hypermarket/core/Database"
import * as Domain from "@hypermarket/core/Domain"
import * as Migrations from "@hypermarket/core/Migrations"
import { Currency, Money } from "@hypermarket/core/Money"
import { connect } from "@hypermarket/core/Promises"
import * as Service from "@hypermarket/core/Service"
import * as CloudEvent from "@hypermarket/events/CloudEvent"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import * as SearchDomain from "@hypermarket/search/SearchDomain"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

const calls = 4_000
/** A call with a large argument or result is some hundred times as long. */
const largeCalls = 400
/** Runs before the first that counts: compilers and caches get warm. */
const warmUps = 2
const opens = 5
const rowsMax = 1_000
const applicationName = "bench-door"

class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

interface Row {
  readonly day: string
  readonly net: Money
}

interface Hit {
  readonly id: string
  readonly score: number
  readonly missingWords: number
  readonly fields: Readonly<Record<string, string | number>>
}

class Desk extends Context.Service<
  Desk,
  {
    readonly count: Effect.Effect<number>
    readonly refuse: Effect.Effect<never, Refused>
    readonly place: (order: Commerce.Order) => Effect.Effect<number>
    readonly publish: (events: ReadonlyArray<CloudEvent.Publication>) => Effect.Effect<number>
    readonly rows: Effect.Effect<ReadonlyArray<Row>>
    readonly hits: Effect.Effect<ReadonlyArray<Hit>>
  }
>()("bench/Desk") {}

const rows = Array.from({ length: rowsMax }, (_, index): Row => ({
  day: `2026-03-${String((index % 28) + 1).padStart(2, "0")}`,
  net: new Money({ amount: BigInt(index * 7), currency: Currency.make("EUR") })
}))

const hits = Array.from({ length: rowsMax }, (_, index): Hit => ({
  id: `lamp-${index}`,
  score: 1 / (index + 1),
  missingWords: 0,
  fields: { title: `Brass desk lamp ${index}`, brand: "Lumo", price: 4_900 + index, stock: 3 }
}))

const desk: Context.Service.Shape<typeof Desk> = {
  count: Effect.succeed(1),
  refuse: Effect.fail(new Refused({ message: "closed" })),
  place: ({ lines }) => Effect.succeed(lines.length),
  publish: (events) => Effect.succeed(events.length),
  rows: Effect.succeed(rows),
  hits: Effect.succeed(hits)
}

const domain = Domain.make({
  name: "desk",
  tables: [],
  migrations: Migrations.make("desk", {}, { release: "0.1.0" }),
  layer: Layer.succeed(Desk, desk),
  services: {
    desk: Service.make(Desk, {
      count: [],
      refuse: [],
      place: [Commerce.Order],
      publish: [CloudEvent.Publications],
      rows: [],
      hits: []
    })
  }
})

const orderOf = (lines: number) => ({
  orderId: "o-1",
  version: 1,
  status: "placed" as const,
  placedAt: "2026-03-10T12:00:00Z",
  customerId: "c-7",
  channel: "web",
  region: "DE",
  currency: "EUR",
  lines: Array.from({ length: lines }, (_, index) => ({
    lineId: String(index),
    productId: "p-3",
    sellerId: "s-1",
    quantity: 2,
    unitPrice: "1000"
  }))
})

const eventsOf = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    id: `o-${index}:placed`,
    type: "com.example.order.placed",
    data: { orderId: `o-${index}`, total: "4200" }
  }))

/** A figure: our call, and the same as an effect. */
interface Part {
  readonly figure: string
  readonly calls: number
  readonly ours: () => unknown
  readonly effect?: () => Promise<unknown>
}

/** Returns microseconds of processor time per call. */
const processorMicros = async (times: number, call: () => unknown): Promise<number> => {
  const before = process.cpuUsage()
  for (let index = 0; index < times; index++) await call()
  const { system, user } = process.cpuUsage(before)
  return (user + system) / times
}

const measure = async ({ calls, effect, figure, ours }: Part, rounds: number): Promise<Bench.Figure> => {
  const own: Array<number> = []
  const plain: Array<number> = []
  for (let round = -warmUps; round < rounds; round++) {
    const ownMicros = await processorMicros(calls, ours)
    const plainMicros = effect === undefined ? 0 : await processorMicros(calls, effect)
    if (round < 0) continue
    own.push(ownMicros)
    plain.push(plainMicros)
  }
  return {
    figure,
    unit: "us",
    ours: Bench.median(own),
    peers: effect === undefined ? {} : { Effect: Bench.median(plain) }
  }
}

const decodeOrder = Schema.decodeUnknownEffect(Commerce.Order)
const decodeEvents = Schema.decodeUnknownEffect(CloudEvent.Publications)

const context = Context.make(Desk, desk)
const run = Effect.runPromiseWith(context)

const openDoor = (connectionString: string) =>
  connect({
    connectionString,
    applicationName,
    domains: [EventsDomain, SearchDomain, AnalyticsDomain, domain]
  })

const ignored = () => undefined

const partsOf = (hm: Awaited<ReturnType<typeof openDoor>>): ReadonlyArray<Part> => {
  const { desk: door } = hm.tenant("bench")
  const { signal } = new AbortController()
  const placing = (lines: number): Part => {
    const order = orderOf(lines)
    return {
      figure: lines === 1 ? "an order of 1 line" : `an order of ${lines} lines`,
      calls,
      ours: () => door.place(order),
      effect: () =>
        run(Effect.flatMap(decodeOrder(order), (decoded) => Desk.use((self) => self.place(decoded))))
    }
  }
  const publishing = (count: number): Part => {
    const events = eventsOf(count)
    return {
      figure: count === 1 ? "1 event" : `${count} events`,
      calls: count > 1 ? largeCalls : calls,
      ours: () => door.publish(events),
      effect: () =>
        run(Effect.flatMap(decodeEvents(events), (decoded) => Desk.use((self) => self.publish(decoded))))
    }
  }
  return [
    {
      figure: "a call without arguments",
      calls,
      ours: () => door.count(),
      effect: () => run(Desk.use((self) => self.count))
    },
    {
      figure: "a failure with the stack of the caller",
      calls,
      ours: () => door.refuse().catch(ignored),
      effect: () => run(Desk.use((self) => self.refuse)).catch(ignored)
    },
    placing(1),
    placing(10),
    publishing(1),
    publishing(100),
    { figure: "1,000 rows with money", calls: largeCalls, ours: () => door.rows() },
    { figure: "1,000 hits", calls: largeCalls, ours: () => door.hits() },
    { figure: "a tenant's handle", calls, ours: () => hm.tenant("bench").id },
    { figure: "a tenant's handle with a signal", calls, ours: () => hm.tenant("bench", { signal }).id }
  ]
}

/** Connections of the program at the server. */
const connections = SqlClient.SqlClient.use(
  (sql) => sql<{ readonly count: number }>`
    SELECT count(*)::int AS count
      FROM pg_stat_activity
     WHERE application_name LIKE ${`${applicationName}%`}
  `
).pipe(Effect.map(([row]) => row?.count ?? Number.NaN))

export const bench: Bench.Bench = {
  run: Effect.fn("bench door")(function* ({ measured, rounds }: Bench.Options) {
    const { settings } = yield* Bench.readTargets("door")
    const { options, url } = yield* Setup.database(settings)
    const withDatabase = Effect.provide(Database.layer(options, "hm-bench"))
    const hm = yield* Effect.acquireRelease(
      Effect.promise(() => openDoor(url)),
      (opened) => Effect.promise(() => opened.close())
    )
    const figures: Array<Bench.Figure> = []
    for (const part of partsOf(hm)) {
      const figure = yield* Effect.promise(() => measure(part, rounds))
      figures.push(figure)
      yield* Bench.say(`${part.figure}: ${figure.ours.toFixed(1)} us`)
    }
    const own = (figure: string, unit: string, ours: number) =>
      figures.push({ figure, unit, ours, peers: {} })
    own("connections while idle", "connections", yield* withDatabase(connections))
    const worker = yield* Effect.promise(() => hm.work([]))
    own("connections with a worker", "connections", yield* withDatabase(connections))
    yield* Effect.promise(() => worker.stop())
    const millis: Array<number> = []
    for (let open = 0; open < opens; open++) {
      const before = performance.now()
      const again = yield* Effect.promise(() => openDoor(url))
      millis.push(performance.now() - before)
      yield* Effect.promise(() => again.close())
    }
    own("connect to a warm server", "ms", Bench.median(millis))
    yield* measured(figures)
    return figures
  })
}
