/**
 * Deliveries while their workers are killed and their connections are ended. `HM_WEBHOOK_EVENTS` and `HM_WEBHOOK_KILLS` make
 * it larger: each event goes to four endpoints.
 */
import { assert, layer } from "@effect/vitest"
import { Events } from "@hypermarket/events/Events"
import { Webhooks } from "@hypermarket/events/Webhooks"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import { TestDatabase } from "@hypermarket/testing/TestDatabase"
import { Config, Effect, Exit, Schedule, Scope } from "effect"
import { SqlClient } from "effect/sql"
import * as Path from "node:path"
import { Receiver } from "./Receiver.ts"
import * as Fixture from "./webhookFixture.ts"

const script = Path.join(import.meta.dirname, "webhookWorker.ts")
const endpointsCount = 4
const settings = Config.all({
  eventsCount: Config.Int("HM_WEBHOOK_EVENTS").pipe(Config.withDefault(50)),
  kills: Config.Int("HM_WEBHOOK_KILLS").pipe(Config.withDefault(3))
})
/** Attempts of an endpoint that a kill may interrupt after their answer. */
const inFlightMax = 4

layer(Fixture.layer, { excludeTestServices: true })("Workers that are killed", (it) => {
  it.effect("or lose their connections, lose no delivery, and repeat at most the attempts in flight", () =>
    Effect.gen(function* () {
      const { eventsCount, kills } = yield* settings
      const receiver = yield* Receiver
      const webhooks = yield* Webhooks
      const events = yield* Events
      const sql = yield* SqlClient.SqlClient
      const { url } = yield* TestDatabase
      const paths = Array.from({ length: endpointsCount }, (_, index) => `/killed-${index}`)
      const accepted = new Set<string>()
      let requests = 0
      let repeated = 0
      for (const path of paths) {
        receiver.answer(path, (request, response) => {
          requests++
          const name = `${path} ${request.headers["webhook-id"]}`
          if (accepted.has(name)) repeated++
          // Each fifth request fails.
          if (requests % 5 === 0) return void response.writeHead(500).end()
          accepted.add(name)
          response.writeHead(204).end()
        })
      }
      const endpoints = yield* Effect.forEach(paths, (path) =>
        webhooks.create({ url: `${receiver.origin}${path}` })
      )
      yield* events.publish(
        Array.from({ length: eventsCount }, (_, n) => ({ id: String(n), type: "com.example.made" }))
      )
      const start = Effect.gen(function* () {
        const scope = yield* Scope.make()
        yield* ServiceProcess.start(script, [], {
          ...Fixture.environmentOf(receiver),
          HM_TEST_WORKER_URL: url
        }).pipe(Scope.provide(scope))
        // The release kills the process, and waits until it has ended.
        return Scope.close(scope, Exit.void)
      })
      /** Makes everything due that waits for its next attempt. */
      const hurry = Effect.forEach(endpoints, ({ endpointId }) =>
        Effect.gen(function* () {
          const { items } = yield* webhooks.deliveries({ endpointId, state: "waiting" })
          const deliveryIds = items.flatMap(({ attempts, deliveryId }) => (attempts > 0 ? [deliveryId] : []))
          if (deliveryIds.length > 0) yield* webhooks.replay({ endpointId, state: "waiting", deliveryIds })
        })
      )
      const requested = (count: number) =>
        Effect.andThen(
          hurry,
          Effect.sync(() => requests >= count)
        ).pipe(Effect.repeat({ until: (holds) => holds, schedule: Schedule.spaced("500 millis") }))
      for (let kill = 1; kill <= kills; kill++) {
        const end = yield* start
        const share = (endpointsCount * eventsCount) / (kills + 2)
        yield* requested((kill - 0.5) * share)
        // As a restart of the server ends them.
        yield* sql`
          SELECT pg_terminate_backend(pid)
            FROM pg_stat_activity
           WHERE datname = current_database() AND application_name = 'hm-test-worker'
        `
        yield* requested(kill * share)
        yield* end
        // Its attempts are lost: they need not wait for the minute after which a worker assumes it.
        yield* sql`
          UPDATE hm_webhook_delivery
             SET dispatched_at = dispatched_at - interval '1 minute', started_at = started_at - interval '1 minute'
           WHERE tenant_id = 'killed' AND state = 'sending'
        `
      }
      const end = yield* start
      const states = sql<{ readonly state: string; readonly count: number }>`
        SELECT state, count(*)::int AS count
          FROM hm_webhook_delivery
         WHERE tenant_id = 'killed'
         GROUP BY state
      `
      yield* Effect.andThen(hurry, states).pipe(
        Effect.repeat({
          until: (rows) => rows.every(({ state }) => state === "delivered"),
          schedule: Schedule.spaced("500 millis")
        })
      )
      yield* end
      assert.deepStrictEqual(yield* states, [{ state: "delivered", count: endpointsCount * eventsCount }])
      assert.strictEqual(accepted.size, endpointsCount * eventsCount)
      assert.isAtMost(repeated, inFlightMax * endpointsCount * kills * 2)
    }).pipe(Fixture.as("killed"))
  )
})
