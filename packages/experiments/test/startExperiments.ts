/** A process that starts the experiments whose ids and versions come in, and answers each with what became of it. */
import * as Database from "@hypermarket/core/Database"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import { ExperimentId } from "@hypermarket/experiments/Experiment"
import { Experiments } from "@hypermarket/experiments/Experiments"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { Effect, Layer, Result } from "effect"
import { createInterface } from "node:readline"

const url = process.argv[2] ?? ""
const lines = createInterface({ input: process.stdin })

await Effect.runPromise(
  Effect.gen(function* () {
    const experiments = yield* Experiments
    process.stdout.write("ready\n")
    const iterator = lines[Symbol.asyncIterator]()
    for (;;) {
      const { done, value } = yield* Effect.promise(() => iterator.next())
      if (done === true) return
      const [id = "", version = "0"] = String(value).split(" ")
      const result = yield* Effect.result(experiments.start(ExperimentId.make(id), Number(version)))
      process.stdout.write(`${Result.isSuccess(result) ? "started" : result.failure._tag}\n`)
    }
  }).pipe(
    provide(TenantId.make("layers")),
    Effect.provide(
      Experiments.layer.pipe(Layer.provide(Database.layer(TestDatabase.optionsOf(url), "hm-test-start")))
    )
  )
)
