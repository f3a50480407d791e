import { assert, describe, it } from "@effect/vitest"
import * as AccessLog from "@hypermarket/core/AccessLog"
import * as Unavailability from "@hypermarket/core/Unavailability"
import { Effect, Logger } from "effect"
import { TestClock } from "effect/testing"

const requestOf = (unavailable: AccessLog.Unavailable) => ({
  ...AccessLog.makeFacts("id", "POST", "/v1/events", 0),
  unavailable
})

const full = requestOf({ reason: "disk-full", state: "53100", message: "could not extend file" })
const overloaded = requestOf({ reason: "overloaded" })

describe("requests that are answered 503", () => {
  it.effect("are logged with their reason at the first, by count each minute, and when they have ended", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push([logLevel, message]))
      yield* Effect.gen(function* () {
        const { record } = yield* Unavailability.make
        for (let n = 0; n < 41; n++) yield* record(full)
        yield* record(overloaded)
        assert.deepStrictEqual(lines.splice(0), [
          [
            "Warn",
            [
              "Requests are answered 503",
              {
                reason: "disk-full",
                sqlstate: "53100",
                detail: "could not extend file",
                route: "/v1/events"
              }
            ]
          ],
          [
            "Warn",
            [
              "Requests are answered 503",
              { reason: "overloaded", sqlstate: undefined, detail: undefined, route: "/v1/events" }
            ]
          ]
        ])
        yield* TestClock.adjust("1 minute")
        for (let n = 0; n < 7; n++) yield* record(full)
        yield* TestClock.adjust("1 minute")
        yield* TestClock.adjust("3 minutes")
        const counted = "Requests were answered 503 in the last minute"
        const ended = "No more requests are answered 503 for this reason"
        assert.deepStrictEqual(lines, [
          ["Warn", [counted, { reason: "disk-full", count: 41 }]],
          ["Warn", [counted, { reason: "overloaded", count: 1 }]],
          ["Warn", [counted, { reason: "disk-full", count: 7 }]],
          ["Info", [ended, { reason: "overloaded" }]],
          ["Info", [ended, { reason: "disk-full" }]]
        ])
      }).pipe(Effect.provide(Logger.layer([logger])))
    })
  )
})
