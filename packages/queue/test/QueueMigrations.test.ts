import { assert, layer } from "@effect/vitest"
import * as QueueMigrations from "@hypermarket/queue/QueueMigrations"
import { Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import { handlerOf, layerQuiet, prefix, worker } from "./queueFixture.ts"

const start = Effect.exit(Effect.scoped(worker([handlerOf("steps", () => Effect.void)])))

layer(layerQuiet, { excludeTestServices: true })("The tables of a queue", (it) => {
  it.effect("let a worker start with the last step applied", () =>
    Effect.gen(function* () {
      yield* QueueMigrations.requireLastStep(prefix)
      assert.isTrue(Exit.isSuccess(yield* start))
    })
  )

  it.effect("stop a worker that finds an older step, with the command that migrates them", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      yield* sql`COMMENT ON TABLE hm_test_queue IS 'hypermarket queue, step 0'`
      const error = yield* Effect.flip(QueueMigrations.requireLastStep(prefix))
      assert.deepInclude(error, {
        _tag: "QueueTablesOutdated",
        prefix,
        step: 0,
        lastStep: QueueMigrations.lastStep
      })
      assert.include(error.message, "hypermarket migrate")
      assert.isTrue(Exit.isFailure(yield* start))
      const comment = QueueMigrations.step(QueueMigrations.lastStep, prefix).at(-1) ?? ""
      yield* sql.unsafe(comment)
      yield* QueueMigrations.requireLastStep(prefix)
    })
  )

  it.effect("are at step 0 when they do not exist", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(QueueMigrations.requireLastStep("hm_absent"))
      assert.deepInclude(error, { _tag: "QueueTablesOutdated", prefix: "hm_absent", step: 0 })
    })
  )

  it.effect("have no step beyond the last", () =>
    Effect.sync(() => {
      assert.throws(() => QueueMigrations.step(QueueMigrations.lastStep + 1, prefix), RangeError)
    })
  )
})
