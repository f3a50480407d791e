import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Database from "@hypermarket/core/Database"
import * as Migrations from "@hypermarket/core/Migrations"
import { provide, TenantId } from "@hypermarket/core/Tenant"
import * as Wakeup from "@hypermarket/core/Wakeup"
import { ExperimentLooks } from "@hypermarket/experiments/ExperimentLooks"
import { ExperimentMetrics } from "@hypermarket/experiments/ExperimentMetrics"
import { Experiments } from "@hypermarket/experiments/Experiments"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import { ExperimentUnits } from "@hypermarket/experiments/ExperimentUnits"
import { Console, Effect, Layer } from "effect"

const migrate = Effect.flatMap(Database.options, (options) =>
  Migrations.run([CoreDomain.migrations, ExperimentsDomain.domain.migrations], options.schema).pipe(
    Effect.provide(Database.layerDirect(options))
  )
)

const services = ExperimentsDomain.layer.pipe(
  Layer.provide(Wakeup.layerSend),
  Layer.provide(Database.layerConfig)
)

const firstLook = Effect.gen(function* () {
  const metrics = yield* ExperimentMetrics
  const experiments = yield* Experiments
  const units = yield* ExperimentUnits
  const looks = yield* ExperimentLooks

  yield* metrics.create({ key: "purchases", kind: "conversion", source: "order" })
  const draft = yield* experiments.create({
    key: "ranking-2027",
    variants: [
      { key: "old", weight: 5_000 },
      { key: "new", weight: 5_000 }
    ],
    metrics: [{ metric: "purchases", role: "goal" }],
    plan: { unitsPlanned: 20_000 }
  })
  const { experimentId } = yield* experiments.start(draft.experimentId, draft.version)

  const [assignment] = yield* experiments.assign({
    environment: "live",
    unitKind: "customer",
    unit: "customer-42",
    attributes: { country: "AT" }
  })
  if (assignment?.variant !== undefined) {
    yield* units.expose([{ experiment: "ranking-2027", unit: "customer-42", variant: assignment.variant }])
  }
  const look = yield* looks.look(experimentId)
  yield* Console.log(assignment?.reason, look.recommendation.outcome)
}).pipe(provide(TenantId.make("acme")), Effect.provide(services))

await Effect.runPromise(Effect.andThen(migrate, firstLook))
