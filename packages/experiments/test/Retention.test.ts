import { assert, layer } from "@effect/vitest"
import * as Now from "@hypermarket/core/Now"
import { AllTenants, provide, TenantId } from "@hypermarket/core/Tenant"
import { Experiments } from "@hypermarket/experiments/Experiments"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import { Effect } from "effect"
import * as Laboratory from "./Laboratory.ts"

layer(Laboratory.layer, { excludeTestServices: true })("Retention", (it) => {
  it.effect("facts are kept while a running experiment needs them, and their keys go when none does", () =>
    Effect.gen(function* () {
      const experiments = yield* Experiments
      const units = yield* ExperimentUnits
      const now = yield* Now.TestNow
      const experiment = yield* Laboratory.start("long", [{ key: "kept", kind: "count", source: "purchase" }])
      const start = experiment.startedAt
      if (start === null) return assert.fail("not started")
      yield* now.adjust("100 days")
      const early = Laboratory.fact("purchase", "early", "a", Laboratory.after(start, 1), 1n)
      const tooEarly = Laboratory.fact("purchase", "older", "a", Laboratory.after(start, -31), 1n)
      const recorded = yield* units.record([early, tooEarly])
      assert.deepStrictEqual(recorded.rejected, [{ index: 1, reason: "too-old" }])
      assert.strictEqual(recorded.accepted, 1)
      yield* experiments.stop(experiment.experimentId, experiment.version)
      yield* now.adjust("31 days")
      assert.isAtLeast(yield* Effect.provideService(units.prune, AllTenants, { actor: "test" }), 1)
      assert.deepInclude(yield* units.record([early]), {
        accepted: 0,
        rejected: [{ index: 0, reason: "too-old" }]
      })
      yield* now.adjust("-131 days")
    }).pipe(provide(TenantId.make("long")))
  )
})
