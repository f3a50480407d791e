/**
 * `pnpm bench analytics [--only write,batch,held,dashboards-1m,dashboards-4m]`: what exact summaries cost a writer, and what
 * they save a reader.
 */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import type { OrderFact } from "@hypermarket/analytics/OrderFact"
import * as OrderFacts from "@hypermarket/analytics/OrderFacts"
import { mergeRowsMax, OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import type { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { AllTenants, provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as Dataset from "../analytics/dataset.ts"
import * as DuckDb from "../analytics/duckDb.ts"
import * as Rivals from "../analytics/rivals.ts"
import * as ServerCpu from "../analytics/serverCpu.ts"
import * as Bench from "../Bench.ts"
import * as Setup from "../Setup.ts"

type Figures = ReadonlyArray<Bench.Figure>

const figure = (
  name: string,
  unit: string,
  ours: number,
  peers: Bench.Figure["peers"] = {}
): Bench.Figure => ({
  figure: name,
  unit,
  ours,
  peers
})

const clients = 8
const always = ["1970-01-01", "2100-01-01"] as const

const optionsOf = (server: EmbeddedPostgres.Server, name: string) => {
  const url = new URL(server.url)
  url.pathname = `/${name}`
  return {
    ...TestDatabase.optionsOf(url.toString()),
    poolMax: clients + 2,
    statementTimeout: Duration.minutes(10)
  }
}

/** The services over a pool of their own: without `fresh` those of the first pool would be taken for the second, too. */
const connect = (server: EmbeddedPostgres.Server, name: string) =>
  Layer.build(
    Layer.fresh(
      AnalyticsDomain.layer.pipe(Layer.provideMerge(Database.layer(optionsOf(server, name), "hm-bench")))
    )
  )

/** {@link connect} to a new, migrated database. */
const database = Effect.fnUntraced(function* (server: EmbeddedPostgres.Server, name: string) {
  const direct = (options: Database.Options) => Effect.provide(Database.layerDirect(options, "hm-bench"))
  yield* Effect.flatMap(SqlClient.SqlClient, (sql) => sql`CREATE DATABASE ${sql(name)}`).pipe(
    direct(TestDatabase.optionsOf(server.url))
  )
  const sets = [CoreDomain.migrations, AnalyticsDomain.domain.migrations]
  yield* Migrations.run(sets, "public").pipe(direct(optionsOf(server, name)))
  return yield* connect(server, name)
})

const tenantOf = (dice: OrderMix.Random): TenantId =>
  TenantId.make(dice.next() < 0.25 ? Dataset.largest : `t${dice.below(9)}`)

const timed = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const startedAt = performance.now()
    return Effect.map(self, (value) => ({ value, millis: performance.now() - startedAt }))
  })

// ---------------------------------------------------------------------------------------------------------------
// Writing: facts only, ours, triggers
// ---------------------------------------------------------------------------------------------------------------

const writeMillis = 8_000
const writeRounds = 3
const writeLines = 300_000

type Mode = "facts only" | "ours" | "triggers"

interface Round {
  readonly events: number
  readonly eventsPerSecond: number
  readonly cpuMicros: number
  readonly mergedPerSecond: number
}

/** Triggers deadlock on the cells they share, also in a single statement. */
const again = <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.retry(self, { times: 5 })

/** 70 % placed, 15 % shipped, 8 % refunded, 7 % changed, each in its own transaction, by eight clients. */
const client = Effect.fnUntraced(function* (
  facts: OrderFacts.OrderFacts["Service"],
  seed: number,
  isOver: () => boolean
) {
  const dice = OrderMix.random(seed)
  const placed: Array<{ readonly id: string; readonly tenant: TenantId; version: number }> = []
  let events = 0
  while (!isOver()) {
    const kind = dice.next()
    const known = placed[dice.below(placed.length)]
    if (known === undefined || kind < 0.7) {
      const one = { id: `b${seed}-${events}`, tenant: tenantOf(dice), version: 1 }
      placed.push(one)
      yield* again(facts.place(Dataset.order(dice, one.id, 1)).pipe(provide(one.tenant)))
    } else if (kind < 0.85) {
      yield* facts.ship(Dataset.shipment(dice, known.id)).pipe(
        Effect.catchTag("OrderFactConflict", () => Effect.void),
        provide(known.tenant)
      )
    } else if (kind < 0.93) {
      yield* facts.refund(Dataset.refund(dice, known.id)).pipe(
        Effect.catchTag("OrderFactConflict", () => Effect.void),
        provide(known.tenant)
      )
    } else {
      known.version++
      const cancelled = dice.next() < 0.4
      yield* facts.change(Dataset.order(dice, known.id, known.version, cancelled)).pipe(provide(known.tenant))
    }
    events++
  }
  return events
})

const writeRound = Effect.fnUntraced(function* (
  server: EmbeddedPostgres.Server,
  mode: Mode,
  seed: number,
  millis: number
) {
  const sql = yield* SqlClient.SqlClient
  const summaries = yield* OrderSummaries
  const facts = OrderFacts.make(sql, mode === "ours" ? {} : Rivals.factsOnly(sql))
  const before = yield* ServerCpu.seconds(server.pid)
  const startedAt = performance.now()
  const isOver = () => performance.now() - startedAt >= millis
  let merged = 0
  let mergeMillis = 0
  const mergeDue = timed(Effect.provideService(summaries.mergeDue, AllTenants, { actor: "bench" })).pipe(
    Effect.tap(({ millis, value }) =>
      Effect.sync(() => {
        merged += value
        if (value > 0) mergeMillis += millis
      })
    )
  )
  const counts = yield* Effect.raceFirst(
    Effect.forEach(
      Array.from({ length: clients }, (_, n) => seed * 100 + n),
      (one) => client(facts, one, isOver),
      { concurrency: clients }
    ),
    mode === "ours"
      ? Effect.andThen(Effect.repeat(mergeDue, Schedule.spaced("1 second")), Effect.never)
      : Effect.never
  )
  const seconds = (performance.now() - startedAt) / 1000
  // What is left of the backlog is ours to pay for.
  if (mode === "ours") yield* drainAll
  const cpu = (yield* ServerCpu.seconds(server.pid)) - before
  const events = counts.reduce((sum, count) => sum + count, 0)
  const round: Round = {
    events,
    eventsPerSecond: events / seconds,
    cpuMicros: (cpu * 1_000_000) / events,
    mergedPerSecond: merged / (mergeMillis / 1000)
  }
  yield* Bench.say(
    `${mode}: ${Math.round(round.eventsPerSecond)} events/s, ${Math.round(round.cpuMicros)} us`
  )
  return round
})

const tenants = ["bench", ...Array.from({ length: 9 }, (_, n) => `t${n}`)].map((id) => TenantId.make(id))

const drainAll = Effect.flatMap(OrderSummaries, ({ drain }) =>
  Effect.forEach(tenants, (id) => Effect.provideService(drain, Tenant, { id }), { discard: true })
)

const prepared = Effect.fnUntraced(function* (server: EmbeddedPostgres.Server, mode: Mode) {
  yield* Bench.say(`loading ${writeLines} lines for ${mode}`)
  const context = yield* database(server, `write_${mode.replace(" ", "_")}`)
  yield* Dataset.load(writeLines).pipe(Effect.provideContext(context))
  if (mode === "triggers") yield* Rivals.createTriggers.pipe(Effect.provideContext(context))
  const rounds: Array<Round> = []
  return { mode, context, rounds }
})

const write = Effect.fnUntraced(function* (server: EmbeddedPostgres.Server, scale: number) {
  const none = yield* prepared(server, "facts only")
  const ours = yield* prepared(server, "ours")
  const triggers = yield* prepared(server, "triggers")
  for (let round = 0; round < writeRounds; round++) {
    for (const { context, mode, rounds } of [none, ours, triggers]) {
      rounds.push(
        yield* writeRound(server, mode, round * 10 + 1, writeMillis * scale).pipe(
          Effect.provideContext(context)
        )
      )
    }
  }
  const cpu = ({ rounds }: typeof ours) => Bench.median(rounds.map((round) => round.cpuMicros))
  const perSecond = ({ rounds }: typeof ours) => Bench.median(rounds.map((round) => round.eventsPerSecond))
  const differences = yield* Effect.forEach(tenants, (id) =>
    Effect.flatMap(OrderSummaries, (summaries) => summaries.differences(...always)).pipe(provide(id))
  ).pipe(Effect.provideContext(ours.context))
  const over = (cpu(ours) / cpu(none) - 1) * 100
  return [
    figure("write: Postgres CPU over facts only", "%", over),
    figure("write: Postgres CPU over facts only, stretch", "%", over),
    figure("write: Postgres CPU", "us/event", cpu(ours), {
      "facts only": cpu(none),
      triggers: cpu(triggers)
    }),
    figure("write: Postgres CPU added", "us/event", cpu(ours) - cpu(none), {
      triggers: cpu(triggers) - cpu(none)
    }),
    figure("write: events", "events/s", perSecond(ours), {
      "facts only": perSecond(none),
      triggers: perSecond(triggers)
    }),
    figure("write: differences afterwards", "cells", differences.flat().length),
    figure("merge under load", "rows/s", Bench.median(ours.rounds.map((round) => round.mergedPerSecond)))
  ]
})

// ---------------------------------------------------------------------------------------------------------------
// Batches, and the merge alone
// ---------------------------------------------------------------------------------------------------------------

const batchOrders = 20_000

/** Orders a second of one connection, in batches of a size. */
const inBatches = Effect.fnUntraced(function* (facts: ReadonlyArray<OrderFact>, size: number) {
  const service = yield* OrderFacts.OrderFacts
  const millis: Array<number> = []
  for (let at = 0; at < facts.length; at += size) {
    const batch = facts.slice(at, at + size)
    millis.push((yield* timed(service.record(batch))).millis / batch.length)
  }
  return 1000 / Bench.median(millis)
})

const batch = Effect.fnUntraced(function* (server: EmbeddedPostgres.Server, scale: number) {
  const context = yield* database(server, "batch")
  const dice = OrderMix.random(5)
  const ids = (from: number, count: number) => Array.from({ length: count }, (_, n) => `o${from + n}`)
  const many = Math.max(2_000, Math.round(batchOrders * scale))
  const small = many / 4
  const run = Effect.gen(function* () {
    const summaries = yield* OrderSummaries
    yield* Dataset.load(writeLines)
    const speeds = new Map<string, readonly [number, number]>()
    const mergeSpeeds: Array<number> = []
    const kinds: Readonly<Record<string, (id: string) => OrderFact>> = {
      place: (id) => ({ type: "order.placed", data: Dataset.order(dice, id, 1) }),
      change: (id) => ({ type: "order.changed", data: Dataset.order(dice, id, 2) }),
      ship: (id) => ({ type: "order.shipped", data: Dataset.shipment(dice, id) })
    }
    for (const [kind, make] of Object.entries(kinds)) {
      yield* Bench.say(`batches: ${kind}`)
      const hundred = yield* inBatches(ids(0, small).map(make), 100)
      const thousand = yield* inBatches(ids(small, many).map(make), 1_000)
      speeds.set(kind, [thousand, hundred])
      for (;;) {
        const { millis, value } = yield* timed(summaries.merge(mergeRowsMax))
        if (value === mergeRowsMax) mergeSpeeds.push(value / (millis / 1000))
        if (value < mergeRowsMax) break
      }
    }
    const differences = yield* summaries.differences(...always)
    return [
      ...Array.from(speeds, ([kind, [thousand]]) => figure(`batch of 1,000: ${kind}`, "orders/s", thousand)),
      ...Array.from(speeds, ([kind, [thousand, hundred]]) =>
        figure(`batch: ${kind}, 1,000 against 100`, "x an order", hundred / thousand)
      ),
      figure("merge alone", "rows/s", Bench.median(mergeSpeeds)),
      figure("batch: differences afterwards", "cells", differences.length)
    ]
  })
  return yield* run.pipe(provide(TenantId.make("batch")), Effect.provideContext(context))
})

// ---------------------------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------------------------

const ninetyDays = { from: "2026-04-02", until: "2026-07-01" } as const

const dashboard: SalesQuery = {
  measures: ["orders", "units", "gross", "net"],
  dimensions: ["currency"],
  timeDimension: { ...ninetyDays, granularity: "day" }
}

/** Every day, region and currency of 110 days: some 5,000 cells. */
const wide: SalesQuery = {
  measures: ["orders", "units", "gross", "net"],
  dimensions: ["currency", "region"],
  timeDimension: { from: "2026-03-20", until: "2026-07-01", granularity: "day" },
  limit: 10_000
}

const seller: SalesQuery = {
  measures: ["sellerOrders", "units", "gross", "net"],
  dimensions: ["currency"],
  timeDimension: { ...ninetyDays, granularity: "day" },
  filters: [{ dimension: "seller", operator: "equals", values: ["s7"] }]
}

const reads = 200
const rawReads = 9

const read = Effect.fnUntraced(function* (query: SalesQuery, times: number) {
  const queries = yield* SalesQueries
  const all: Array<number> = []
  let cells = 0
  for (let n = 0; n < times; n++) {
    const { millis, value } = yield* timed(queries.run(query))
    all.push(millis)
    cells = value.rows.length
  }
  return { p50: Bench.median(all), p99: Bench.quantile(all, 0.99), cells }
})

const rawText = `SELECT tenant_day::text AS day, currency, sum(is_first::int)::bigint AS orders, sum(units)::bigint AS units,
    sum(gross)::bigint AS gross, sum(gross - discount)::bigint AS net
  FROM hm_order_line
 WHERE tenant_id = 'bench' AND tenant_day >= DATE '2026-04-02' AND tenant_day < DATE '2026-07-01'
   AND ordered_at >= DATE '2026-03-31' AND ordered_at < DATE '2026-07-03'
 GROUP BY 1, 2 ORDER BY 1, 2`

const duckText = `SELECT tenant_day::text AS day, currency, sum(is_first::int) AS orders, sum(units) AS units, sum(gross) AS gross,
    sum(gross - discount) AS net
  FROM line
 WHERE tenant_id = 'bench' AND tenant_day >= DATE '2026-04-02' AND tenant_day < DATE '2026-07-01'
 GROUP BY 1, 2 ORDER BY 1, 2`

const undrainedRows = 1_000

const dashboards = Effect.fnUntraced(function* (
  server: EmbeddedPostgres.Server,
  millions: number,
  scale: number
) {
  const context = yield* database(server, `dashboards_${millions}`)
  const file = Path.join(tmpdir(), `hm-bench-lines-${process.pid}-${millions}.csv`)
  const run = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const facts = yield* OrderFacts.OrderFacts
    yield* Bench.say(`loading ${millions}M lines`)
    const refreshSeconds = yield* Dataset.load(Math.round(millions * 500_000 * scale) * 2)
    yield* sql`SET statement_timeout = 0`
    yield* sql.unsafe(`COPY (SELECT tenant_id, tenant_day, currency, is_first, units, gross, discount
                                FROM hm_order_line)
                        TO '${file}' WITH (FORMAT csv, HEADER)`)
    const merged = yield* read(dashboard, reads)
    const dice = OrderMix.random(9)
    let rows = 0
    for (let n = 0; rows < undrainedRows; n++) {
      const data = Dataset.order(dice, `undrained-${n}`, 1)
      rows += data.lines.length
      yield* facts.place(data)
    }
    yield* Bench.say("reading")
    const live = yield* read(dashboard, reads)
    const cells = yield* read(wide, reads / 4)
    const ofSeller = yield* read(seller, reads)
    const raw: Array<number> = []
    for (let n = 0; n < rawReads; n++) raw.push((yield* timed(sql.unsafe(rawText))).millis)
    const [duck] = yield* DuckDb.ask(
      [`CREATE TABLE line AS SELECT * FROM read_csv('${file}', header = true)`],
      [duckText],
      31
    )
    const peers = { "raw SQL": Bench.median(raw), "DuckDB in memory": Bench.median(duck?.millis ?? []) }
    const size = `${millions}M`
    return [
      figure(`dashboard ${size}: p50`, "ms", live.p50, peers),
      figure(`dashboard ${size}: p99`, "ms", live.p99),
      figure(`dashboard ${size}, all merged: p50`, "ms", merged.p50),
      figure(`5,000 cells ${size}: p50`, "ms", cells.p50),
      figure(`5,000 cells ${size}: cells`, "rows", cells.cells),
      figure(`one seller by day ${size}: p50`, "ms", ofSeller.p50),
      figure(`full refresh ${size}`, "s", refreshSeconds)
    ]
  })
  return yield* run.pipe(
    provide(TenantId.make(Dataset.largest)),
    Effect.provideContext(context),
    Effect.ensuring(Effect.sync(() => rmSync(file, { force: true })))
  )
})

const heldRows = 300_000

/** A transaction that keeps its snapshot while rows are written and merged: their entries stay until it ends. */
const held = Effect.fnUntraced(function* (server: EmbeddedPostgres.Server, scale: number) {
  const context = yield* database(server, "held")
  const run = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Dataset.load(writeLines)
    const fresh = yield* read(dashboard, reads)
    const dice = OrderMix.random(11)
    const beside = yield* sql.withTransaction(
      Effect.gen(function* () {
        yield* sql`SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`
        yield* sql`SELECT count(*) FROM hm_order_merge`
        yield* Bench.say(`writing and merging ${heldRows} rows under a held snapshot`)
        // On connections of their own: this one only holds its snapshot.
        return yield* Effect.gen(function* () {
          const facts = yield* OrderFacts.OrderFacts
          const summaries = yield* OrderSummaries
          let rows = 0
          for (let n = 0; rows < heldRows * scale; n++) {
            const batchOf = Array.from({ length: 1_000 }, (_, m) => ({
              type: "order.placed" as const,
              data: Dataset.order(dice, `h${n}-${m}`, 1)
            }))
            rows += batchOf.reduce((sum, { data }) => sum + data.lines.length, 0)
            yield* facts.record(batchOf)
            if ((yield* summaries.waiting(mergeRowsMax)) >= mergeRowsMax) yield* summaries.merge()
            // A sign of life: the server ends a transaction that stands idle for a minute.
            yield* sql`SELECT 1`
          }
          yield* summaries.drain
          return yield* read(dashboard, reads)
        }).pipe(Effect.provideContext(yield* connect(server, "held")))
      })
    )
    return [
      figure("dashboard beside a held snapshot, 300k drained rows", "x fresh", beside.p50 / fresh.p50),
      figure("dashboard beside a held snapshot: p50", "ms", beside.p50)
    ]
  })
  return yield* run.pipe(provide(TenantId.make(Dataset.largest)), Effect.provideContext(context))
})

// ---------------------------------------------------------------------------------------------------------------
// All of it
// ---------------------------------------------------------------------------------------------------------------

const sections = {
  write,
  batch,
  held,
  "dashboards-1m": (server: EmbeddedPostgres.Server, scale: number) => dashboards(server, 1, scale),
  "dashboards-4m": (server: EmbeddedPostgres.Server, scale: number) => dashboards(server, 4, scale)
}

/** How flat it is, when both sizes were read. */
const flatness = (figures: Figures): Figures => {
  const of = (size: string) => figures.find((one) => one.figure === `dashboard ${size}: p50`)?.ours
  const [small, large] = [of("1M"), of("4M")]
  return small === undefined || large === undefined
    ? []
    : [figure("dashboard 4M against 1M: p50", "x", large / small)]
}

const run = Effect.fnUntraced(function* ({ only, scale }: Bench.Options) {
  const wanted = Object.entries(sections).filter(([name]) => only.length === 0 || only.includes(name))
  const { settings } = yield* Bench.readTargets("analytics")
  if (wanted.some(([name]) => name.startsWith("dashboards"))) yield* Setup.installPeers
  const server = yield* EmbeddedPostgres.start({ durability: "production", settings })
  const figures = yield* Effect.forEach(wanted, ([, section]) => Effect.scoped(section(server, scale)))
  const all = figures.flat()
  return [...all, ...flatness(all)]
}, Effect.scoped)

export const analytics = { name: "analytics", run }
