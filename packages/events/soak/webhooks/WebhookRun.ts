/**
 * Thousands of deliveries to a receiver that fails at random, while workers are killed and frozen and Postgres is killed.
 *
 * Waits between attempts are cut short: a delivery that waits is made due. Everything else is as it is shipped, also the
 * minute after which an attempt without an end is taken for lost.
 */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { Events } from "@hypermarket/events/Events"
import * as EventsDomain from "@hypermarket/events/EventsDomain"
import { Webhooks } from "@hypermarket/events/Webhooks"
import * as Chance from "@hypermarket/soak/Chance"
import * as Cluster from "@hypermarket/soak/Cluster"
import * as Crew from "@hypermarket/soak/Crew"
import * as Run from "@hypermarket/soak/Run"
import { stallMillis, tenants } from "@hypermarket/soak/Settings"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import * as Clock from "effect/Clock"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import { hash } from "node:crypto"
import * as Path from "node:path"
import type { Violation } from "../events/Ledger.ts"
import { brokenPath, make as makeReceiver } from "./FlakyReceiver.ts"

export interface Size {
  readonly events: number
  readonly incidents: number
  readonly workers: number
  /** The longest pause between two incidents. */
  readonly pauseMillisMax: number
}

/** Each event goes to all of them. The last one never succeeds. */
const paths = ["/one", "/two", "/three", brokenPath] as const
/** Attempts in flight of an endpoint, which an incident may repeat. */
const inFlightMax = 4
/** A run that gets no further for this long has lost a delivery: more than the minute after which an attempt is lost. */
const stuckMillis = 120_000
const tenant = tenants[0]
/** A key for secrets, which protects nothing. */
const secretsKey = `soak:${hash("sha256", "soak", "base64")}`

const open = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly left: number; readonly progress: string }>`
    SELECT (count(*) FILTER (WHERE state NOT IN ('delivered', 'dead')))::integer AS left,
           concat_ws(' ', count(*), sum(sends), count(*) FILTER (WHERE state IN ('delivered', 'dead'))) AS progress
      FROM hm_webhook_delivery
  `
  return row ?? { left: 0, progress: "" }
})

/** An attempt whose worker was lost is taken back after a minute, by the next round of a sweep that runs every five seconds. */
const overdueMillis = 60_000
const roundsMillis = 15_000

/** Counts deliveries that are due, or in an attempt, for longer than they may be once everything has come back. */
const overdue = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly overdue: number; readonly example: string | null }>`
    SELECT count(*)::integer AS overdue,
           min(format('%s %s since %s', delivery_id, state, coalesce(started_at, dispatched_at, next_at))) AS example
      FROM hm_webhook_delivery
     WHERE state = 'waiting' AND next_at < clock_timestamp() - ${overdueMillis}::float8 * interval '1 millisecond'
        OR state = 'sending' AND coalesce(started_at, dispatched_at)
                                 < clock_timestamp() - ${overdueMillis + roundsMillis}::float8 * interval '1 millisecond'
  `
  return { overdue: row?.overdue ?? 0, example: row?.example ?? "" }
})

/** Looks for overdue deliveries from a minute after the last recovery until it is interrupted. */
const watchOverdue = (found: Array<{ readonly overdue: number; readonly example: string }>) =>
  overdue.pipe(
    Run.persist,
    Effect.map((row) => void found.push(row)),
    Effect.repeat(Schedule.spaced("1 second")),
    Effect.delay(overdueMillis + roundsMillis)
  )

/** Makes everything due that waits for its next attempt. */
const hurry = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    UPDATE hm_webhook_delivery
       SET next_at = clock_timestamp()
     WHERE state = 'waiting' AND attempts > 0 AND next_at > clock_timestamp()
  `
})

const happen = Effect.fnUntraced(function* (
  incident: number,
  chance: Chance.Chance,
  size: Size,
  parts: { readonly cluster: Cluster.Cluster; readonly crew: Crew.Crew }
) {
  yield* Effect.sleep(chance.between(500, size.pauseMillisMax))
  const worker = chance.between(0, size.workers - 1)
  // Each kind in turn, so that a short run has all of them.
  if (incident % 3 === 0) yield* parts.crew.kill(worker)
  else if (incident % 3 === 1) yield* parts.cluster.killAndStart
  else yield* parts.crew.freeze(worker, stallMillis)
})

export const run = Effect.fn("WebhookRun.run")(function* (seed: number, size: Size) {
  const startedAt = yield* Clock.currentTimeMillis
  const chance = Chance.make(seed)
  const receiver = yield* makeReceiver(Chance.make(seed + 1))
  const cluster = yield* Cluster.make()
  const options = TestDatabase.optionsOf(cluster.url)
  const env = {
    HM_SECRETS_KEYS: secretsKey,
    HM_OUTBOUND_ALLOW: `127.0.0.1/32:${receiver.port}`
  }
  const client = yield* Layer.build(
    EventsDomain.layer.pipe(
      Layer.provideMerge(Wakeup.layerSend),
      Layer.provideMerge(Database.layer(options, "hm-soak")),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
    )
  )
  yield* Migrations.run([CoreDomain.migrations, EventsDomain.domain.migrations], "public").pipe(
    Effect.provide(Database.layerDirect(options))
  )
  return yield* Effect.gen(function* () {
    const webhooks = yield* Webhooks
    const events = yield* Events
    const sql = yield* SqlClient.SqlClient
    const endpoints = yield* Effect.forEach(paths, (path) =>
      webhooks.create({ url: `http://127.0.0.1:${receiver.port}${path}` })
    )
    const crew = yield* Crew.make({
      workers: size.workers,
      url: cluster.url,
      script: Path.join(import.meta.dirname, "worker.ts"),
      env
    })
    const hurrying = yield* hurry.pipe(
      Effect.ignore,
      Effect.repeat(Schedule.spaced("500 millis")),
      Effect.forkChild
    )
    const pause = (size.incidents * size.pauseMillisMax) / 2 / size.events
    const publishing = yield* Effect.forEach(
      Array.from({ length: size.events }, (_, n) => n),
      (n) =>
        Effect.andThen(
          Effect.sleep(pause),
          // The same id again is a duplicate: what is not confirmed is published again.
          Run.persist(events.publish([{ id: String(n), type: "com.example.soak.made", data: { n } }]))
        ),
      { discard: true }
    ).pipe(Effect.forkChild)
    for (let incident = 0; incident < size.incidents; incident++) {
      yield* happen(incident, chance, size, { cluster, crew })
    }
    const recoveredAt = yield* Clock.currentTimeMillis
    const looks: Array<{ readonly overdue: number; readonly example: string }> = []
    const watching = yield* Effect.forkChild(watchOverdue(looks))
    yield* Fiber.join(publishing)
    const isDone = yield* Run.untilDone({ look: open, stuckMillis })
    yield* Fiber.interrupt(watching)
    // A run that ended earlier has nothing that could be overdue; of another the last look counts too.
    looks.push(yield* Run.persist(overdue))
    const late = looks.find((look) => look.overdue > 0)
    const settledMillis = (yield* Clock.currentTimeMillis) - recoveredAt
    yield* Fiber.interrupt(hurrying)
    yield* crew.stop
    const states = yield* sql<{ readonly state: string; readonly count: number; readonly isBroken: boolean }>`
      SELECT state, endpoint_id = ${endpoints.at(-1)?.endpointId ?? ""}::uuid AS "isBroken", count(*)::integer AS count
        FROM hm_webhook_delivery
       GROUP BY 1, 2
    `
    const countOf = (state: string, isBroken: boolean) =>
      states.find((row) => row.state === state && row.isBroken === isBroken)?.count ?? 0
    const repeated = Array.from(receiver.repeated.values())
    const accepted = receiver.accepted.size
    const delivered = countOf("delivered", false)
    const good = size.events * (paths.length - 1)
    const text = JSON.stringify(states)
    const broken: ReadonlyArray<readonly [Violation["rule"], boolean, string]> = [
      // An endpoint that fails a quarter of its requests is dead after ten in a row once in a million.
      ["lost", delivered !== good || countOf("dead", true) !== size.events, text],
      [
        "overdue",
        late !== undefined,
        `${late?.overdue ?? 0} a minute after the last recovery: ${late?.example ?? ""}`
      ],
      ["left_over", states.some(({ state }) => state !== "delivered" && state !== "dead"), text],
      // A delivery counts as delivered when its receiver has accepted it, and not otherwise.
      ["done_though_not_published", accepted !== delivered, `${accepted} accepted, ${delivered} delivered`],
      [
        "repeats_too_many",
        repeated.some((count) => count > inFlightMax * size.incidents),
        JSON.stringify(repeated)
      ]
    ]
    return yield* Run.conclude({
      seed,
      startedAt,
      isDone,
      crew,
      violations: broken.flatMap(([rule, isBroken, example]) =>
        isBroken ? [{ rule, count: 1, example }] : []
      ),
      counts: {
        deliveries: size.events * paths.length,
        requests: receiver.requests(),
        delivered,
        dead: countOf("dead", true),
        repeated: repeated.reduce((sum, count) => sum + count, 0),
        incidents: size.incidents,
        looksForOverdue: looks.length,
        settledMillis
      }
    })
  }).pipe(provide(tenant), Effect.provideContext(client))
}, Effect.scoped)
