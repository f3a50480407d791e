import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Schedule } from "effect"
import { startApi, stoppableScript } from "./apiProcess.ts"
import { connect, head } from "./rawClient.ts"

/** More than there are listeners: connections of every one of them are among these. */
const connectionCount = 90

const startStoppable = Effect.flatMap(TestDatabase.TestDatabase, ({ url }) =>
  startApi(url, { script: stoppableScript })
)

describe("an API process that is told to stop", () => {
  it.live("answers each request whose head has arrived with its own answer, and closes its connection", () =>
    Effect.gen(function* () {
      const api = yield* startStoppable
      const waiting = yield* Effect.forEach(Array.from({ length: connectionCount }), () => connect(api.url))
      const withBody = yield* connect(api.url)
      const idle = yield* Effect.forEach(Array.from({ length: 40 }), () => connect(api.url))
      for (const connection of waiting) yield* connection.write(head("GET", "/test/brief"))
      yield* withBody.write(`${head("POST", "/test/echo", { "content-length": 11 })}half`)
      // Every head has arrived when each of as many later requests, on connections of their own, is answered.
      for (const connection of idle) {
        yield* connection.write(head("GET", "/health/live"))
        assert.strictEqual((yield* connection.answer).status, 200)
      }
      yield* api.service.signal("SIGTERM")
      // Connections that were idle at the signal still answer, and readiness is the first to say it.
      let asked = 0
      const readiness = yield* Effect.suspend(() => {
        const connection = idle[asked++]
        if (connection === undefined) return Effect.die("readiness did not fail")
        return Effect.andThen(connection.write(head("GET", "/health/ready")), connection.answer)
      }).pipe(
        Effect.repeat({ until: ({ status }) => status === 503, schedule: Schedule.spaced("10 millis") })
      )
      assert.include(readiness.body, "stopping")
      assert.strictEqual(readiness.headers.get("connection"), "close")
      yield* withBody.write("-sent-l")
      for (const connection of [...waiting, withBody]) {
        const answer = yield* connection.answer
        assert.strictEqual(answer.status, 200, answer.body)
        assert.strictEqual(answer.headers.get("connection"), "close")
        assert.strictEqual(answer.body, connection === withBody ? "half-sent-l" : "in time")
      }
      assert.deepStrictEqual(yield* api.service.exit, { code: 0, signal: null }, api.service.log())
    }).pipe(Effect.provide(TestDatabase.layerDatabase()))
  )

  it.live("ends with code 0 while connections stay idle and a body never arrives", () =>
    Effect.gen(function* () {
      const api = yield* startStoppable
      for (let n = 0; n < 70; n++) yield* connect(api.url)
      const stalled = yield* connect(api.url)
      yield* stalled.write(`${head("POST", "/test/echo", { "content-length": 300 })}never more`)
      const last = yield* connect(api.url)
      yield* last.write(head("GET", "/health/live"))
      assert.strictEqual((yield* last.answer).status, 200)
      yield* api.service.signal("SIGTERM")
      assert.deepStrictEqual(yield* api.service.exit, { code: 0, signal: null }, api.service.log())
    }).pipe(Effect.provide(TestDatabase.layerDatabase()))
  )
})
