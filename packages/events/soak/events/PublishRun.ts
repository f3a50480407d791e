/**
 * Events published in batches, through the service that applications use, to a domain's subscription, while workers and
 * Postgres are killed: each is handled, and its effect in the database happens once.
 */
import * as Tenant from "@hypermarket/core/Tenant"
import { Events } from "@hypermarket/events/Events"
import * as Chance from "@hypermarket/soak/Chance"
import * as Run from "@hypermarket/soak/Run"
import { tenants } from "@hypermarket/soak/Settings"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import * as Ledger from "./Ledger.ts"
import * as Plan from "./Plan.ts"
import * as QueueRun from "./QueueRun.ts"

const batchEvents = 500
/** Publishers at a time, as several request handlers are. */
const publishers = 4

const untilRegistered = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Run.persist(sql`
    SELECT 1
      FROM hm_event_handler
     WHERE handler = ${Ledger.subscriptionName}
  `).pipe(Effect.repeat({ until: (rows) => rows.length > 0, schedule: Schedule.spaced("50 millis") }))
})

/** Published again until it is answered: what had committed is a duplicate then. */
const publish = Effect.fnUntraced(function* (first: number, count: number) {
  const events = yield* Events
  const tenantId = tenants[Math.floor(first / batchEvents) % tenants.length] ?? tenants[0]
  yield* events
    .publish(
      Array.from({ length: count }, (_, index) => ({
        specversion: "1.0" as const,
        id: String(first + index),
        source: "/soak",
        type: Ledger.eventType,
        data: { n: first + index, padding: "x".repeat(100) }
      }))
    )
    .pipe(Tenant.provide(tenantId), Run.persist)
})

const tally = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly effects: number; readonly distinct: number }>`
    SELECT count(*)::int AS effects, count(DISTINCT n)::int AS "distinct"
      FROM soak_effect
  `
  return row ?? { effects: 0, distinct: 0 }
})

export const run = Effect.fn("PublishRun.run")(function* (seed: number, size: Plan.Size) {
  const startedAt = yield* Clock.currentTimeMillis
  const incidents = Plan.incidentsOf(Chance.make(seed), size.incidents, size.workers)
  const { client, cluster, crew } = yield* QueueRun.setUp("publish", size.workers)
  return yield* Effect.gen(function* () {
    yield* untilRegistered
    const starts = Array.from(
      { length: Math.ceil(size.jobs / batchEvents) },
      (_, index) => index * batchEvents
    )
    const publishing = yield* Effect.forEach(
      starts,
      (first) => publish(first, Math.min(batchEvents, size.jobs - first)),
      { concurrency: publishers, discard: true }
    ).pipe(Effect.forkScoped)
    // Incidents come as the work goes on, the last of them when nine tenths are done.
    for (const [index, incident] of incidents.entries()) {
      const due = (0.9 * size.jobs * (index + 1)) / (incidents.length + 1)
      yield* Run.persist(tally).pipe(
        Effect.repeat({ until: ({ distinct }) => distinct >= due, schedule: Schedule.spaced("100 millis") })
      )
      yield* QueueRun.happen(incident, cluster, crew, size.workers)
    }
    yield* Fiber.join(publishing)
    const isDone = yield* QueueRun.untilJobsDone
    yield* crew.stop
    const { distinct, effects } = yield* tally
    const violations: Array<Ledger.Violation> = []
    if (distinct !== size.jobs) {
      violations.push({
        rule: "lost",
        count: size.jobs - distinct,
        example: `${distinct} of ${size.jobs} events were handled`
      })
    }
    if (effects !== distinct) {
      violations.push({
        rule: "not_exactly_once",
        count: effects - distinct,
        example: "effects of a transactional handler were repeated"
      })
    }
    const of = (tag: Plan.Incident["_tag"]) => incidents.filter(({ _tag }) => _tag === tag).length
    return yield* Run.conclude({
      seed,
      startedAt,
      isDone,
      crew,
      violations,
      counts: {
        published: size.jobs,
        handled: distinct,
        postgresKills: of("KillPostgres"),
        freezes: of("FreezeWorker")
      }
    })
  }).pipe(Effect.provideContext(client))
}, Effect.scoped)
