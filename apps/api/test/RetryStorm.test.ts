/** The short form of the drill `storm` of `pnpm soak api`. */
import { assert, it } from "@effect/vitest"
import * as EmbeddedPostgres from "@hypermarket/embedded-postgres/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as RetryStorm from "../soak/api/RetryStorm.ts"

it.live(
  "A hundred clients that retry meet an API with a fifth of a processor: the gate stays open, and it recovers",
  () =>
    Effect.gen(function* () {
      const server = yield* EmbeddedPostgres.start()
      const { answers, failures } = yield* RetryStorm.run(server.url, 300)
      // The drill also asks for readiness: beside other tests a probe may wait for longer than it does.
      assert.deepStrictEqual(
        failures.filter((failure) => !failure.startsWith("not ready")),
        []
      )
      assert.isAbove(answers["200"] ?? 0, 0)
      // No connection ends without an answer.
      assert.isUndefined(answers["0"])
      assert.isUndefined(answers["-1"])
    }).pipe(Effect.scoped),
  { retry: 0 }
)
