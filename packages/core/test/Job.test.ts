import { assert, describe, it } from "@effect/vitest"
import * as Job from "@hypermarket/core/Job"
import { Effect } from "effect"

describe("Job.checkRun", () => {
  const retry = { attempts: 3, base: "100 millis", max: "1 hour" } as const

  it.effect("accepts settings that a worker can run with", () =>
    Effect.gen(function* () {
      yield* Job.checkRun("mails", { retry: Job.retryDefault, deadline: "60 seconds" })
      yield* Job.checkRun("job", { retry, deadline: 5_000, every: "1 day" })
    })
  )

  it.effect(
    "names the handler and the field of a duration that is none, and of attempts that cannot be stored",
    () =>
      Effect.gen(function* () {
        const fromJavaScript = (value: string) => JSON.parse(JSON.stringify(value))
        for (const [field, settings] of [
          ["retry.base", { retry: { ...retry, base: fromJavaScript("10 milliseconds") }, deadline: 1 }],
          ["retry.max", { retry: { ...retry, max: fromJavaScript("soon") }, deadline: 1 }],
          ["deadline", { retry, deadline: fromJavaScript("1 fortnight") }],
          ["deadline", { retry, deadline: Number.NaN }],
          ["every", { retry, deadline: 1, every: Number.POSITIVE_INFINITY }],
          ["retry.attempts", { retry: { ...retry, attempts: 0 }, deadline: 1 }],
          ["retry.attempts", { retry: { ...retry, attempts: 1.5 }, deadline: 1 }]
        ] as const) {
          const error = yield* Effect.flip(Job.checkRun("mails", settings))
          assert.strictEqual(error.field, field)
          assert.include(error.message, "mails")
        }
      })
  )

  it.effect("refuses a queue that no job could be put into", () =>
    Effect.gen(function* () {
      for (const queue of ["job.mails.sendNow", "job.mails send", "", `job.${"a".repeat(124)}`]) {
        const error = yield* Effect.flip(Job.checkRun(queue, { retry, deadline: 1 }))
        assert.deepStrictEqual([error.name, error.field], [queue, "queue"])
      }
    })
  )
})
