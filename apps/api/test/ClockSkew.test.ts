/** Processes whose clocks are wrong by days. */
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as ServiceProcess from "@hypermarket/testing/ServiceProcess"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Clock, Effect, Schedule } from "effect"
import { makeKey, startApi, workerScript } from "./apiProcess.ts"

const dayMillis = 24 * 60 * 60 * 1_000

/** The environment of a Node process whose time of day is shifted. */
const shifted = (days: number) => ({
  NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`
    const Real = Date
    const shift = ${days * dayMillis}
    globalThis.Date = class extends Real {
      constructor(...parts) {
        super(...(parts.length === 0 ? [Real.now() + shift] : parts))
      }
      static now() {
        return Real.now() + shift
      }
    }
  `)}`
})

const post = (url: string, key: string, body: unknown, headers: Readonly<Record<string, string>>) =>
  Effect.promise(() =>
    fetch(url, {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, ...headers },
      body: JSON.stringify(body)
    }).then((response) => response.text().then((text) => ({ status: response.status, text })))
  )

const textOf = (url: string) => Effect.promise(() => fetch(url).then((response) => response.text()))

describe("API processes and a worker whose clocks are 45 days ahead and 12 behind", () => {
  it.live("store, delay and expire by the database's clock, say so, and lose nothing", () =>
    Effect.gen(function* () {
      const { url: databaseUrl } = yield* TestDatabase.TestDatabase
      const sql = yield* PgClient.PgClient
      const apis = yield* Effect.forEach([45, -12], (days) => startApi(databaseUrl, { env: shifted(days) }), {
        concurrency: 2
      })
      const key = yield* makeKey(databaseUrl, { tenant: "skewed", scopes: ["events:write", "events:admin"] })
      const types = { "content-type": "application/cloudevents+json" }
      for (const [index, { url }] of apis.entries()) {
        for (let n = 0; n < 6; n++) {
          const event = {
            specversion: "1.0",
            id: `${index}-${n}`,
            source: "/skew",
            type: "skew.told",
            data: { n }
          }
          assert.strictEqual((yield* post(`${url}/v1/events`, key, event, types)).status, 202)
        }
        const subscription = yield* post(
          `${url}/v1/events/subscriptions`,
          key,
          { name: `skewed ${index}`, queue: "told", filters: [{ exact: { type: "skew.told" } }] },
          { "content-type": "application/json", "idempotency-key": `skewed-${index}` }
        )
        assert.strictEqual(subscription.status, 201, subscription.text)
      }
      const [stored] = yield* sql`
        SELECT count(*)::integer AS facts,
               bool_and(expires_at BETWEEN now() + interval '6 hours' AND now() + interval '40 days') AS expire
          FROM hm_event_dedupe
      `
      assert.deepStrictEqual(stored, { facts: 12, expire: true })
      const [idempotent] = yield* sql`
        SELECT count(*)::integer AS keys, bool_and(abs(extract(epoch FROM recorded_at - now())) < 3600) AS recorded,
               bool_and(expires_at BETWEEN now() + interval '22 hours' AND now() + interval '26 hours') AS expire
          FROM hm_idempotency_key
      `
      assert.deepStrictEqual(idempotent, { keys: 2, recorded: true, expire: true })

      // A due time of tomorrow has not come for a worker that is 45 days ahead; one that has come is not missed.
      const nowMillis = yield* Clock.currentTimeMillis
      const at = (millis: number) => new Date(nowMillis + millis).toISOString()
      for (const [name, runAt] of [
        ["due", at(1_500)],
        ["tomorrow", at(dayMillis)]
      ] as const) {
        const made = yield* post(
          `${apis[1]?.url ?? ""}/v1/events/schedules`,
          key,
          { name, queue: "told", type: `skew.${name}`, payload: null, runAt },
          { "content-type": "application/json" }
        )
        assert.strictEqual(made.status, 201, made.text)
      }
      const workerPort = yield* ServiceProcess.freePort
      const worker = yield* ServiceProcess.start(workerScript, [], {
        ...shifted(45),
        DATABASE_URL: databaseUrl,
        HM_WORKER_PORT: String(workerPort)
      })
      yield* ServiceProcess.answers(worker, `http://127.0.0.1:${workerPort}/health/ready`)
      const runs = sql<{ readonly name: string }>`
        SELECT name
          FROM hm_job_scheduler
         WHERE tenant_id = 'skewed' AND last_at IS NOT NULL
         ORDER BY name
      `
      yield* Effect.repeat(runs, {
        until: (rows) => rows.length > 0,
        schedule: Schedule.spaced("100 millis")
      })
      assert.deepStrictEqual(yield* runs, [{ name: "due" }])

      const gauges = yield* Effect.forEach(
        [...apis.map(({ url }) => url), `http://127.0.0.1:${workerPort}`],
        (url) =>
          Effect.map(textOf(`${url}/metrics`), (text) =>
            Number(/^hm_queue_clock_ahead_seconds (\S+)/m.exec(text)?.[1])
          )
      )
      const daysOf = (seconds: number) => Math.round((seconds * 1_000) / dayMillis)
      assert.deepStrictEqual(gauges.map(daysOf), [45, -12, 45])
      for (const service of [...apis.map(({ service: api }) => api), worker]) {
        yield* service.signal("SIGTERM")
        assert.deepStrictEqual(yield* service.exit, { code: 0, signal: null }, service.log())
        assert.include(service.log(), "The clock of this process differs")
      }
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer()))
  )
})
