import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Fiber, Schedule } from "effect"
import { makeKey, startApi } from "./apiProcess.ts"
import { connect, head } from "./rawClient.ts"

const clientCount = 64
const searchCount = 150

const post = (url: string, path: string, key: string, body: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const connection = yield* connect(url)
      yield* connection.write(
        head("POST", path, {
          authorization: `Bearer ${key}`,
          "content-type": "application/json",
          "content-length": body.length
        }) + body
      )
      return yield* connection.answer
    })
  )

const question = JSON.stringify({
  measures: ["orders"],
  timeDimension: { from: "2026-01-01", until: "2026-02-01", granularity: "day" }
})

describe("64 clients of one tenant that only ask questions of five seconds", () => {
  it.live("leave a tenant beside them all of its searches, and close no gate", () =>
    Effect.gen(function* () {
      const { url } = yield* TestDatabase.TestDatabase
      const sql = yield* PgClient.PgClient
      const api = yield* startApi(url)
      const asking = yield* makeKey(url, { tenant: "asking", scopes: ["analytics:read"] })
      const bystander = yield* makeKey(url, { tenant: "bystander", scopes: ["search:admin"] })
      const made = yield* post(
        api.url,
        "/v1/search/indexes",
        bystander,
        JSON.stringify({ indexName: "teas" })
      )
      assert.strictEqual(made.status, 201, made.body)
      const search = post(api.url, "/v1/search/indexes/teas/search", bystander, `{"query":"oolong"}`)
      assert.strictEqual((yield* search).status, 200)
      assert.strictEqual((yield* post(api.url, "/v1/analytics/query", asking, question)).status, 200)
      const statuses = new Map<number, number>()
      // A question that waits for this lock holds its connection for the five seconds of the lock timeout.
      yield* sql.withTransaction(
        Effect.gen(function* () {
          yield* sql`LOCK TABLE hm_order_zone IN ACCESS EXCLUSIVE MODE`
          const ask = post(api.url, "/v1/analytics/query", asking, question).pipe(
            Effect.tap(({ status }) =>
              Effect.sync(() => statuses.set(status, (statuses.get(status) ?? 0) + 1))
            )
          )
          const clients = yield* Effect.forEach(Array.from({ length: clientCount }), () =>
            Effect.forkScoped(Effect.forever(ask))
          )
          const holding = sql<{ readonly count: number }>`
            SELECT count(*)::int AS count
              FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'hypermarket-api' AND wait_event_type = 'Lock'
          `.pipe(Effect.map(([row]) => row?.count ?? 0))
          yield* Effect.repeat(holding, {
            until: (count) => count > 0,
            schedule: Schedule.spaced("20 millis")
          })
          for (let n = 0; n < searchCount || (statuses.get(503) ?? 0) < clientCount; n++) {
            const answer = yield* search
            assert.strictEqual(answer.status, 200, answer.body)
            // A quarter of the pool of ten.
            assert.isAtMost(yield* holding, 2)
          }
          yield* Effect.forEach(clients, Fiber.interrupt, { discard: true })
        })
      )
      yield* Effect.repeat(post(api.url, "/v1/analytics/query", asking, question), {
        until: ({ status }) => status === 200,
        schedule: Schedule.spaced("100 millis")
      })
      yield* api.service.signal("SIGTERM")
      assert.deepStrictEqual(yield* api.service.exit, { code: 0, signal: null }, api.service.log())
      assert.notInclude(api.service.log(), "The database is unavailable")
    }).pipe(Effect.scoped, Effect.provide(TestDatabase.layer()))
  )
})
