import { assert, layer } from "@effect/vitest"
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { OrderZones } from "@hypermarket/analytics/OrderZones"
import { SalesQueries } from "@hypermarket/analytics/SalesQueries"
import type { SalesQuery } from "@hypermarket/analytics/SalesQuery"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Fiber, Layer } from "effect"
import { SqlClient } from "effect/sql"
import * as Shop from "./Shop.ts"

const TestLayer = AnalyticsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, AnalyticsDomain.domain.migrations))
)

const as = (tenant: string) => provide(TenantId.make(tenant))

const hourMillis = 60 * 60 * 1000
const dayMillis = 24 * hourMillis

/** Days on which clocks change, by zone: midnight that comes twice, that is skipped, half hours, and a skipped day. */
const changes: ReadonlyArray<readonly [zone: string, day: string]> = [
  ["America/Havana", "2026-11-01"],
  ["America/Havana", "2026-03-08"],
  ["Atlantic/Azores", "2026-10-25"],
  ["Asia/Amman", "2021-10-29"],
  ["America/Scoresbysund", "2022-10-30"],
  ["America/Santiago", "2026-04-05"],
  ["America/Santiago", "2026-09-06"],
  ["Asia/Beirut", "2026-03-29"],
  ["Africa/Cairo", "2026-10-30"],
  ["Asia/Tehran", "2021-09-22"],
  ["America/Sao_Paulo", "2019-02-17"],
  ["America/Asuncion", "2024-03-24"],
  ["Australia/Lord_Howe", "2026-04-05"],
  ["Pacific/Chatham", "2026-09-27"],
  ["Asia/Kathmandu", "2026-06-01"],
  ["Pacific/Marquesas", "2026-06-01"],
  ["Pacific/Apia", "2011-12-30"],
  ["Asia/Pyongyang", "2018-05-05"],
  ["America/Caracas", "2016-05-01"],
  ["Europe/Berlin", "2026-10-25"],
  ["America/New_York", "2026-03-08"]
]

const granularities = ["hour", "day", "week", "month", "quarter", "year", undefined] as const
type Granularity = (typeof granularities)[number]

const millisOf = (day: string): number => Date.parse(`${day}T00:00:00Z`)
const dayOf = (millis: number): string => new Date(millis).toISOString().slice(0, 10)

/** Instants around a change, 40 minutes apart, and some further away. */
const instantsOf = (day: string): ReadonlyArray<number> => [
  ...Array.from({ length: 82 }, (_, n) => millisOf(day) - 15 * hourMillis + n * 40 * 60_000),
  millisOf(day) - 3 * dayMillis,
  millisOf(day) + 3 * dayMillis
]

const clocks = new Map<string, Intl.DateTimeFormat>()

/** The local day and hour as Intl has them. */
const local = (zone: string, millis: number) => {
  const clock =
    clocks.get(zone) ??
    new Intl.DateTimeFormat("en-CA", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit"
    })
  clocks.set(zone, clock)
  const parts = new Map(clock.formatToParts(millis).map(({ type, value }) => [type, value]))
  return {
    day: `${parts.get("year")}-${parts.get("month")}-${parts.get("day")}`,
    hour: parts.get("hour") ?? ""
  }
}

const bucketOf = (granularity: Granularity, { day, hour }: ReturnType<typeof local>): string => {
  const date = new Date(millisOf(day))
  switch (granularity) {
    case "hour":
      return `${day}T${hour}:00`
    case "week":
      return dayOf(millisOf(day) - ((date.getUTCDay() + 6) % 7) * dayMillis)
    case "month":
      return `${day.slice(0, 7)}-01`
    case "quarter":
      return dayOf(Date.UTC(date.getUTCFullYear(), Math.floor(date.getUTCMonth() / 3) * 3, 1))
    case "year":
      return `${day.slice(0, 4)}-01-01`
    case "day":
      return day
    default:
      return ""
  }
}

const expectedOf = (
  instants: ReadonlyArray<number>,
  zone: string,
  { from, granularity, until }: { from: string; until: string; granularity: Granularity }
) => {
  const orders = new Map<string, number>()
  for (const millis of instants) {
    const place = local(zone, millis)
    if (place.day < from || place.day >= until) continue
    const bucket = bucketOf(granularity, place)
    orders.set(bucket, (orders.get(bucket) ?? 0) + 1)
  }
  return Array.from(orders).toSorted(([a], [b]) => (a < b ? -1 : 1))
}

const ask = Effect.fnUntraced(function* (
  zone: string | undefined,
  time: { from: string; until: string; granularity: Granularity }
) {
  const sales = yield* SalesQueries
  const { from, granularity, until } = time
  const timeDimension: SalesQuery["timeDimension"] = {
    from,
    until,
    ...(granularity === undefined ? {} : { granularity }),
    ...(zone === undefined ? {} : { zone })
  }
  const { rows } = yield* sales.run({ measures: ["orders"], timeDimension, limit: 1_000 })
  return rows
    .map((row) => [String(row["time"] ?? ""), Number(row["orders"])] as const)
    .filter(([, orders]) => orders !== 0)
})

const placeAll = (instants: ReadonlyArray<number>) =>
  Effect.flatMap(OrderFacts, (facts) =>
    facts.record(
      instants.map((millis) => ({
        type: "order.placed" as const,
        data: Shop.order(`o${millis}`, { placedAt: new Date(millis).toISOString() })
      }))
    )
  )

layer(TestLayer, { excludeTestServices: true })("Days", (it) => {
  it.effect("of any zone are those of Intl, whatever its clocks do, in over 774 questions", () =>
    Effect.gen(function* () {
      let questions = 0
      for (const [index, [zone, day]] of changes.entries()) {
        const instants = instantsOf(day)
        yield* Effect.gen(function* () {
          yield* placeAll(instants)
          const whole = {
            from: dayOf(millisOf(day) - 5 * dayMillis),
            until: dayOf(millisOf(day) + 6 * dayMillis)
          }
          const days = [-3, -2, -1, 0, 1, 2, 3].map((n) => millisOf(day) + n * dayMillis)
          const times = [
            ...granularities.map((granularity) => ({ ...whole, granularity })),
            ...(["hour", "day", "month", "year", undefined] as const).flatMap((granularity) =>
              days.map((from) => ({ from: dayOf(from), until: dayOf(from + dayMillis), granularity }))
            )
          ]
          for (const time of times) {
            questions++
            assert.deepStrictEqual(
              yield* ask(zone, time),
              expectedOf(instants, zone, time),
              `${zone} ${JSON.stringify(time)}`
            )
          }
        }).pipe(as(`zone-${index}`))
      }
      assert.isAtLeast(questions, 774)
    })
  )

  it.effect("and hours of a tenant's own zone add up where midnight comes twice", () =>
    Effect.gen(function* () {
      const zones = yield* OrderZones
      yield* zones.setZone("America/Havana")
      yield* placeAll(
        ["2026-11-01T04:10:00Z", "2026-11-01T05:10:00Z", "2026-11-01T18:00:00Z"].map(Date.parse)
      )
      const day = { from: "2026-11-01", until: "2026-11-02" }
      assert.deepStrictEqual(yield* ask(undefined, { ...day, granularity: "day" }), [["2026-11-01", 3]])
      assert.deepStrictEqual(yield* ask(undefined, { ...day, granularity: "hour" }), [
        ["2026-11-01T00:00", 2],
        ["2026-11-01T13:00", 1]
      ])
    }).pipe(as("own"))
  )

  it.effect("are of a place that the database knows, whatever the case of its name", () =>
    Effect.gen(function* () {
      const zones = yield* OrderZones
      for (const zone of ["Factory", "localtime", "posix/Europe/Vienna", "Europe/Wien", "+02:00"]) {
        assert.strictEqual((yield* Effect.flip(zones.setZone(zone)))._tag, "ZoneUnknown", zone)
      }
      yield* zones.setZone("Utc")
      assert.strictEqual(yield* zones.zone, "UTC")
      yield* zones.setZone("EUROPE/vienna")
      assert.strictEqual(yield* zones.zone, "Europe/Vienna")
    }).pipe(as("names"))
  )

  it.effect("of orders that are written while the zone is set are of the new zone", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const zones = yield* OrderZones
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      // The writer has read the zone of before, and commits after the new one is set.
      const writer = yield* Effect.forkChild(
        sql.withTransaction(
          Effect.andThen(
            facts.place(Shop.order("early", { placedAt: "2026-03-10T12:00:00Z" })),
            sql`SELECT pg_sleep(0.3)`
          )
        )
      )
      yield* sql`
        SELECT 1
          FROM pg_stat_activity
         WHERE datname = current_database() AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()
      `.pipe(Effect.repeat({ until: (rows) => rows.length > 0 }))
      yield* zones.setZone("Pacific/Kiritimati")
      yield* Fiber.join(writer)
      yield* facts.place(Shop.order("late", { placedAt: "2026-03-10T12:00:00Z" }))
      assert.deepStrictEqual(
        yield* ask(undefined, { from: "2026-03-01", until: "2026-04-01", granularity: "day" }),
        [["2026-03-11", 2]]
      )
      assert.deepStrictEqual(yield* summaries.differences("1970-01-01", "2100-01-01"), [])
    }).pipe(as("race"))
  )

  it.effect("are computed again when a zone is corrected, of refunds and credits too", () =>
    Effect.gen(function* () {
      const zones = yield* OrderZones
      const facts = yield* OrderFacts
      const summaries = yield* OrderSummaries
      yield* facts.place(Shop.order("o1", { placedAt: "2026-03-31T20:00:00Z", sellerId: "s-far" }))
      yield* facts.refund(Shop.refund("o1", "r1", "500", "2026-04-30T20:00:00Z"))
      yield* facts.refund(Shop.refund("unknown", "r2", "50", "2026-04-30T20:00:00Z"))
      yield* summaries.drain
      assert.strictEqual((yield* Effect.flip(zones.setZone("Asia/Kathmandu")))._tag, "ZoneFixed")
      yield* zones.correctZone("Asia/Kathmandu")
      const year = { from: "2026-01-01", until: "2027-01-01", granularity: "day" } as const
      assert.deepStrictEqual(yield* ask(undefined, year), [["2026-04-01", 1]])
      const sales = yield* SalesQueries
      const booked = yield* sales.run({
        measures: ["bookedRefundUnits"],
        timeDimension: { from: "2026-05-01", until: "2026-06-01" }
      })
      assert.deepStrictEqual(booked.rows, [{ bookedRefundUnits: 1 }])
      assert.deepStrictEqual(yield* summaries.differences("1970-01-01", "2100-01-01"), [])
      yield* zones.correctSellerZone("s-far", "Pacific/Honolulu")
      assert.deepStrictEqual(yield* summaries.differences("1970-01-01", "2100-01-01"), [])
      yield* facts.place(Shop.order("unknown", { placedAt: "2026-03-31T20:00:00Z" }))
      assert.deepStrictEqual(yield* summaries.differences("1970-01-01", "2100-01-01"), [])
    }).pipe(as("corrected"))
  )
})
