/**
 * `pnpm bench analytics [--only write,batch,held,dashboards-1m,dashboards-4m]`: what exact summaries cost a writer, and what
 * they save a reader.
 */
import type { OrderFact } from "@hypermarket/analytics/OrderFact"
import * as OrderFacts from "@hypermarket/analytics/OrderFacts"
import { mergeRowsMax, OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import * as Bench from "@hypermarket/bench/Bench"
import * as Setup from "@hypermarket/bench/Setup"
import { AllTenants, provide, Tenant, TenantId } from "@hypermarket/core/Tenant"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { dashboard, dashboards, read, reads } from "./analytics/dashboards.ts"
import * as Dataset from "./analytics/dataset.ts"
import * as Rivals from "./analytics/rivals.ts"
import * as ServerCpu from "./analytics/serverCpu.ts"
import {
  type Figures,
  figure,
  clients,
  always,
  database,
  tenantOf,
  timed,
  connect
} from "./analytics/shared.ts"

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

export const bench: Bench.Bench = { run }
