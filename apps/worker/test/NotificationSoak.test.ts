/** The short form of `pnpm soak notifications`: one printed seed, and the build without the commit of `sending`. */
import { assert, describe, it } from "@effect/vitest"
import * as Run from "@hypermarket/soak/Run"
import * as Effect from "effect/Effect"
import * as NotificationRun from "../soak/notifications/NotificationRun.ts"

const seed = process.pid

const size = { mails: 300, incidents: 3, workers: 2 }

describe("Mail under kill -9 of workers and Postgres", { retry: 0 }, () => {
  it.live("is never lost, and none is sent twice that was not in doubt and counted", () =>
    Effect.gen(function* () {
      yield* Run.say(`--seed ${seed}`)
      const report = yield* NotificationRun.run(seed, { ...size, marksSending: true })
      assert.deepStrictEqual(report.violations, [])
      assert.isAtLeast(report.counts["received"] ?? 0, size.mails)
    })
  )

  it.live("is seen to be sent twice without a count when `sending` is not committed first", () =>
    Effect.gen(function* () {
      const report = yield* NotificationRun.run(seed, { ...size, marksSending: false })
      assert.include(
        report.violations.map(({ rule }) => rule),
        "sent_twice_uncounted"
      )
    })
  )
})
