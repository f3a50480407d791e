import { assert, layer } from "@effect/vitest"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as ExperimentHandle from "@hypermarket/experiments/ExperimentHandle"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import { Experiments } from "@hypermarket/experiments/Experiments"
import { Effect } from "effect"
import * as Laboratory from "./Laboratory.ts"

layer(Laboratory.layer, { excludeTestServices: true })("ExperimentHandle", (it) => {
  it.effect(
    "assigns as the service does, records what was shown once per unit, and sends the rest when it is closed",
    () =>
      Effect.gen(function* () {
        const experiments = yield* Experiments
        const looks = yield* ExperimentLooks
        const experiment = yield* Laboratory.start("local", [])
        yield* Effect.scoped(
          Effect.gen(function* () {
            const handle = yield* ExperimentHandle.open({ environment: "live" })
            for (let index = 0; index < 50; index++) {
              const unit = `u${index}`
              const { exposed, variant } = handle.assign("local", unit)
              const [remote] = yield* experiments.assign({
                environment: "live",
                unitKind: "customer",
                unit,
                attributes: {}
              })
              assert.strictEqual(variant, remote?.variant)
              // Every second one is never shown.
              if (index % 2 === 0) {
                exposed()
                exposed()
              }
            }
            handle.assign("local", "preview", {}, { forced: { local: "new" } }).exposed()
            assert.isUndefined(handle.assign("missing", "u1").variant)
          })
        )
        const look = yield* looks.look(experiment.experimentId)
        assert.strictEqual(
          look.units.reduce((sum, arm) => sum + arm.units, 0),
          25
        )
      }).pipe(provide(TenantId.make("local")))
  )
})
