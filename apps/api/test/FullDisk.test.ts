/** The short form of the drill `disk` of `pnpm soak api`. Only root can mount the disk that it fills. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FullDisk from "../soak/api/FullDisk.ts"

describe("A server whose disk is full", { retry: 0 }, () => {
  it.live.skipIf(!FullDisk.isPossible)(
    "refuses facts with its reason, serves reads, and loses none that it acknowledged",
    () =>
      Effect.gen(function* () {
        const report = yield* FullDisk.run(40)
        assert.deepStrictEqual(report.failures, [])
        assert.isAtLeast(report.stored, report.acknowledged)
        assert.isAtLeast(report.notReady, 1)
      }).pipe(Effect.scoped)
  )
})
