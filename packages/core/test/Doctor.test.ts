import { assert, describe, it } from "@effect/vitest"
import * as Check from "@hypermarket/core/Check"
import * as Doctor from "@hypermarket/core/Doctor"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { SqlClient } from "effect/sql"
import { ConnectionError, SqlError } from "effect/sql/SqlError"

const well = (name: string) =>
  Check.make(name, Effect.succeed([{ status: "ok", message: `${name} is well` }]))

/** The checks of these tests read nothing. */
const withoutSql = <A, E>(self: Effect.Effect<A, E, SqlClient.SqlClient>) =>
  Effect.provideService(self, SqlClient.SqlClient, {} as SqlClient.SqlClient)

describe("Doctor", () => {
  it.effect("reports a check that fails, dies or hangs as a finding, and runs the others", () =>
    Effect.gen(function* () {
      const failing = Check.make(
        "failing",
        Effect.fail(
          new SqlError({ reason: new ConnectionError({ cause: new Error("gone"), message: "gone" }) })
        )
      )
      const dying = Check.make("dying", Effect.die(new Error("a column is missing")))
      const hanging = Check.make("hanging", Effect.never)
      const running = yield* Effect.forkChild(
        withoutSql(
          Doctor.run(
            [well("path")],
            [
              { name: "alpha", checks: [failing, well("alpha rows")] },
              { name: "beta", checks: [hanging, dying, well("beta rows")] }
            ]
          )
        )
      )
      yield* TestClock.adjust("10 seconds")
      const lines = yield* Fiber.join(running)
      assert.deepStrictEqual(
        lines.map(({ check, domain, status }) => `${domain}: ${check} ${status}`),
        [
          "core: path ok",
          "alpha: failing fail",
          "alpha: alpha rows ok",
          "beta: hanging fail",
          "beta: dying fail",
          "beta: beta rows ok"
        ]
      )
      const messages = lines.filter(({ status }) => status === "fail").map(({ message }) => message)
      assert.match(messages.join("\n"), /10 seconds/)
      for (const { hint } of lines.filter(({ status }) => status === "fail")) assert.isString(hint)
    })
  )

  it("names pending migrations alone, and a newer schema beside the rest", () => {
    const pending = Doctor.schemaFinding({
      pending: [{}, {}] as never,
      newer: []
    })
    assert.deepInclude(pending, { status: "fail", message: "2 migrations are pending" })
    assert.deepInclude(Doctor.schemaFinding({ pending: [], newer: [] }), { status: "ok" })
    const newer = Doctor.schemaFinding({
      pending: [],
      newer: [{ domain: "events", schemaRelease: "0.4.0", release: "0.3.0" }]
    })
    assert.strictEqual(newer.status, "warn")
    assert.include(newer.message, "0.4.0")
  })
})
