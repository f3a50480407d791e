import { assert, describe, it } from "@effect/vitest"
import * as DatabaseGate from "@hypermarket/core/DatabaseGate"
import { Effect, Logger, Metric } from "effect"
import { TestClock } from "effect/testing"

const suspicions = (gate: DatabaseGate.DatabaseGate, count: number) =>
  Effect.forEach(Array.from({ length: count }), () => gate.suspected("unreachable"), { discard: true })

/** A probe that gives the rounds in their order and the last one for ever. */
const probeOf = (rounds: ReadonlyArray<DatabaseGate.Round>) => {
  let asked = 0
  const probe = Effect.sync(() => rounds[Math.min(asked++, rounds.length - 1)] ?? "available")
  return { probe, asked: () => asked }
}

describe("the gate of the database", () => {
  it.effect("asks the probe after 16 outcomes in a row, and closes only when the probe finds nothing", () =>
    Effect.gen(function* () {
      const { asked, probe } = probeOf(["unavailable", "unavailable", "available"])
      const gate = yield* DatabaseGate.make(probe)
      yield* suspicions(gate, 15)
      gate.answered()
      yield* suspicions(gate, 15)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(asked(), 0)
      yield* suspicions(gate, 1)
      yield* TestClock.adjust("1 millis")
      assert.isTrue(gate.isClosed())
      yield* TestClock.adjust("600 millis")
      assert.isFalse(gate.isClosed())
      assert.strictEqual(asked(), 3)
    })
  )

  it.effect("stays open when the probe is answered, whatever requests end with", () =>
    Effect.gen(function* () {
      const { asked, probe } = probeOf(["available"])
      const gate = yield* DatabaseGate.make(probe)
      for (let n = 0; n < 5; n++) {
        yield* suspicions(gate, 64)
        yield* TestClock.adjust("10 millis")
        assert.isFalse(gate.isClosed())
      }
      assert.strictEqual(asked(), 5)
    })
  )

  it.effect("is not closed by a round in which the event loop was late, and not opened by one", () =>
    Effect.gen(function* () {
      const late = yield* DatabaseGate.make(probeOf(["lagged"]).probe)
      yield* suspicions(late, 40)
      yield* TestClock.adjust("1 second")
      assert.isFalse(late.isClosed())
      const { asked, probe } = probeOf(["unavailable", "lagged", "lagged", "available"])
      const gate = yield* DatabaseGate.make(probe)
      yield* suspicions(gate, 16)
      yield* TestClock.adjust("500 millis")
      assert.isTrue(gate.isClosed())
      assert.strictEqual(asked(), 3)
      yield* TestClock.adjust("250 millis")
      assert.isFalse(gate.isClosed())
    })
  )

  it.effect("shows in log and metric when it closes, for which reason, and when it opens again", () =>
    Effect.gen(function* () {
      const lines: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push([logLevel, message]))
      const isClosed = Effect.map(Metric.snapshot, (metrics) =>
        metrics.flatMap((metric) =>
          metric.type === "Gauge" && metric.id === "hm_api_gate_closed" ? [metric.state.value] : []
        )
      )
      yield* Effect.gen(function* () {
        const gate = yield* DatabaseGate.make(probeOf(["unavailable", "unavailable", "available"]).probe)
        yield* suspicions(gate, 17)
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* isClosed, [1])
        assert.deepStrictEqual(lines, [
          [
            "Warn",
            ["The database is unavailable: requests are refused until it answers", { reason: "unreachable" }]
          ]
        ])
        yield* TestClock.adjust("500 millis")
        assert.deepStrictEqual(yield* isClosed, [0])
        assert.deepStrictEqual(lines.slice(1), [
          ["Info", ["The database answers again: requests are accepted", { closed_ms: 500 }]]
        ])
      }).pipe(Effect.provide(Logger.layer([logger])))
    })
  )
})
