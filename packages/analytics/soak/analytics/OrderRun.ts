/**
 * Hundreds of thousands of order changes in every disorder, while merging processes, sessions and Postgres itself are
 * killed. At each check, and at the end, the summaries and the unmerged changes equal the facts, and the facts are the
 * highest versions.
 */
import * as AnalyticsDomain from "@hypermarket/analytics/AnalyticsDomain"
import { OrderFacts } from "@hypermarket/analytics/OrderFacts"
import { OrderSummaries } from "@hypermarket/analytics/OrderSummaries"
import { OrderZones } from "@hypermarket/analytics/OrderZones"
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Chance from "@hypermarket/soak/Chance"
import * as Cluster from "@hypermarket/soak/Cluster"
import type * as Report from "@hypermarket/soak/Report"
import * as Run from "@hypermarket/soak/Run"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import * as Path from "node:path"

const mergerScript = Path.join(import.meta.dirname, "merger.ts")
const mergers = 2
const writers = 4
const batchFactsMax = 120
/** Nights in which every month is proven once. */
const rotationNights = 28
const always = ["1970-01-01", "2100-01-01"] as const

/** UTC, :45 and daylight saving for the tenants; :30, half an hour's daylight saving and a whole one for sellers. */
interface Shop {
  readonly id: TenantId
  readonly zone: string
}

const tenants: readonly [Shop, ...ReadonlyArray<Shop>] = [
  { id: TenantId.make("utc"), zone: "UTC" },
  { id: TenantId.make("kathmandu"), zone: "Asia/Kathmandu" },
  { id: TenantId.make("new-york"), zone: "America/New_York" }
]

const sellerZones = [
  ["s0", "Asia/Kolkata"],
  ["s1", "Australia/Lord_Howe"],
  ["s2", "Europe/Berlin"]
] as const

/** So few orders that writers meet at each of them all the time. */
const mixOf = (seed: number): OrderMix.Options => ({
  seed,
  orders: 1_500,
  versions: 40,
  sellers: ["s0", "s1", "s2", "s3"]
})

const setZones = Effect.gen(function* () {
  const zones = yield* OrderZones
  for (const { id, zone } of tenants) {
    yield* zones.setZone(zone).pipe(provide(id))
    for (const [seller, sellerZone] of sellerZones) {
      yield* zones.setSellerZone(seller, sellerZone).pipe(provide(id))
    }
  }
})

/** Merging processes; one that is killed is followed by the next. */
const crewOf = Effect.fnUntraced(function* (url: string, seed: number) {
  const start = Effect.fnUntraced(function* (number: number) {
    const scope = yield* Scope.make()
    const process = yield* ServiceProcess.start(mergerScript, [], {
      DATABASE_URL: url,
      HM_SOAK_TENANTS: tenants.map(({ id }) => id).join(","),
      HM_SOAK_SEED: String(seed * 100 + number)
    }).pipe(Scope.provide(scope))
    return { process, scope }
  })
  const crew = yield* Effect.forEach(
    Array.from({ length: mergers }, (_, n) => n),
    start
  )
  yield* Effect.addFinalizer(() => Effect.forEach(crew, ({ scope }) => Scope.close(scope, Exit.void)))
  let started = mergers
  const kill = Effect.fnUntraced(function* (number: number) {
    const victim = crew[number % mergers]
    if (victim === undefined) return
    // Closing the scope is kill -9.
    yield* Scope.close(victim.scope, Exit.void)
    crew[number % mergers] = yield* start(started++)
  })
  return { kill }
})

export const run = Effect.fn("OrderRun.run")(function* (seed: number, changes: number) {
  const startedAt = yield* Clock.currentTimeMillis
  const cluster = yield* Cluster.make()
  const options = {
    ...TestDatabase.optionsOf(cluster.url),
    statementTimeout: Duration.minutes(2),
    poolMax: 8
  }
  yield* Migrations.run([CoreDomain.migrations, AnalyticsDomain.domain.migrations], "public").pipe(
    Effect.provide(Database.layerDirect(options))
  )
  const client = yield* Layer.build(
    AnalyticsDomain.layer.pipe(Layer.provideMerge(Database.layer(options, "hm-soak")))
  )
  return yield* work(seed, changes, cluster, startedAt).pipe(Effect.provideContext(client))
}, Effect.scoped)

const work = Effect.fnUntraced(function* (
  seed: number,
  changes: number,
  cluster: Cluster.Cluster,
  startedAt: number
) {
  const facts = yield* OrderFacts
  const summaries = yield* OrderSummaries
  const sql = yield* SqlClient.SqlClient
  const chance = Chance.make(seed)
  const mix = mixOf(seed)
  yield* setZones
  const crew = yield* crewOf(cluster.url, seed)

  const highest = new Map(tenants.map(({ id }) => [id, new Map<string, OrderMix.Fact>()]))
  let written = 0
  const writer = Effect.fnUntraced(function* (number: number) {
    const dice = OrderMix.random(seed * 1_000 + number)
    while (written < changes) {
      const { id } = dice.pick(tenants)
      const batch = Array.from({ length: 1 + dice.below(batchFactsMax) }, () => OrderMix.next(mix, dice))
      written += batch.length
      // Sent again until it is answered: what was written without an answer is a repetition then.
      yield* Run.persist(facts.record(batch).pipe(provide(id)))
      const known = highest.get(id)
      for (const fact of batch) {
        const before = known?.get(OrderMix.idOf(fact))
        if (before === undefined || before.data.version < fact.data.version) {
          known?.set(OrderMix.idOf(fact), fact)
        }
      }
    }
  })

  const counts = { mergerKills: 0, postgresKills: 0, sessionKills: 0, probes: 0 }
  const violations: Array<Report.Violation<"left_over" | "lost">> = []
  const look = Effect.fnUntraced(function* (id: TenantId, when: string) {
    const found = yield* Run.persist(summaries.differences(...always).pipe(provide(id)))
    const [first] = found
    if (first !== undefined) {
      violations.push({
        rule: "left_over",
        count: found.length,
        example: `${when}: ${JSON.stringify(first)}`
      })
    }
  })
  const incident = Effect.gen(function* () {
    yield* Effect.sleep(Duration.millis(chance.between(100, 1_500)))
    const which = chance.next()
    if (which < 0.55) {
      counts.mergerKills++
      yield* crew.kill(chance.between(0, mergers - 1))
    } else if (which < 0.7) {
      counts.postgresKills++
      yield* cluster.killAndStart
    } else if (which < 0.85) {
      counts.sessionKills++
      yield* Effect.ignore(sql`
        SELECT pg_terminate_backend(pid)
          FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
         ORDER BY random()
         LIMIT 1
      `)
    } else {
      counts.probes++
      yield* look(chance.pick(tenants).id, "meanwhile")
    }
  })
  yield* Effect.raceFirst(
    Effect.forEach(
      Array.from({ length: writers }, (_, n) => n),
      writer,
      { concurrency: writers, discard: true }
    ),
    Effect.forever(incident)
  )
  for (const { id } of tenants) {
    yield* look(id, "before the last merge")
    yield* Run.persist(summaries.drain.pipe(provide(id)))
    yield* look(id, "in the end")
    const truth = OrderMix.truthOf(highest.get(id)?.values() ?? [])
    const found = yield* Run.persist(OrderMix.stored(id))
    for (const what of ["lines", "adjustments", "credits"] as const) {
      const wrong = truth[what].filter((row, place) => row !== found[what][place])
      if (truth[what].length !== found[what].length || wrong.length > 0) {
        violations.push({
          rule: "lost",
          count: wrong.length,
          example: `${what} of ${id}: ${wrong[0] ?? "more than told"}`
        })
      }
    }
  }
  // A cell that was changed by hand is found by the rotation of proofs, and repaired from the facts.
  const [shop] = tenants
  const [damaged] = yield* sql<{ readonly month: string }>`
    UPDATE hm_order_summary
       SET gross = gross + 7
     WHERE tenant_id = ${shop.id} AND grain = 6
       AND bucket = (SELECT min(bucket)
                       FROM hm_order_summary
                      WHERE tenant_id = ${shop.id} AND grain = 6)
    RETURNING date_trunc('month', bucket)::date::text AS month
  `
  let nights = 0
  let differing = 0
  while (differing === 0 && nights < rotationNights) {
    nights++
    differing = (yield* Run.persist(summaries.prove.pipe(provide(shop.id)))).length
  }
  if (differing === 0) {
    violations.push({ rule: "left_over", count: 1, example: `no proof found the damaged cell of ${shop.id}` })
  }
  yield* Run.persist(summaries.rebuild(damaged?.month ?? "").pipe(provide(shop.id)))
  yield* look(shop.id, "after the repair")
  const report: Report.Report = {
    seed,
    ok: violations.length === 0,
    violations,
    counts: { changes: written, ...counts },
    millis: (yield* Clock.currentTimeMillis) - startedAt
  }
  return report
})
