/** Experiments, metrics and units for tests. */
import * as CoreDomain from "@hypermarket/core/CoreDomain"
import * as Now from "@hypermarket/core/Now"
import type { Tenant } from "@hypermarket/core/Tenant"
import type { Experiment, NewExperiment } from "@hypermarket/experiments/Experiment"
import { ExperimentMetrics } from "@hypermarket/experiments/ExperimentMetrics"
import type { NewExperimentMetric } from "@hypermarket/experiments/ExperimentMetric"
import { Experiments } from "@hypermarket/experiments/Experiments"
import * as ExperimentsDomain from "@hypermarket/experiments/ExperimentsDomain"
import type { Exposure, Fact } from "@hypermarket/experiments/ExperimentUnit"
import * as OrderMix from "@hypermarket/testing/OrderMix"
import * as TestDatabase from "@hypermarket/testing/TestDatabase"
import { DateTime, Duration, Effect, Layer } from "effect"

/** Services on a database of their own, with a `Now` that tests move. */
export const layer = ExperimentsDomain.layer.pipe(
  Layer.provideMerge(TestDatabase.layer(CoreDomain.migrations, ExperimentsDomain.domain.migrations)),
  Layer.provideMerge(Now.layerTest)
)

export const twoArms: NewExperiment["variants"] = [
  { key: "old", weight: 5_000 },
  { key: "new", weight: 5_000 }
]

/** Makes metrics and a running experiment with them as goals. */
export const start = Effect.fnUntraced(function* (
  key: string,
  metrics: ReadonlyArray<NewExperimentMetric>,
  more: Partial<NewExperiment> = {}
): Effect.fn.Return<Experiment, unknown, ExperimentMetrics | Experiments | Tenant> {
  const metricService = yield* ExperimentMetrics
  const experiments = yield* Experiments
  for (const metric of metrics) yield* metricService.create(metric)
  const draft = yield* experiments.create({
    key,
    variants: twoArms,
    metrics: metrics.map((metric) => ({ metric: metric.key, role: "goal" })),
    plan: { unitsPlanned: 1_000 },
    ...more
  })
  return yield* experiments.start(draft.experimentId, draft.version)
})

const dayMillis = 86_400_000

/** An instant some days after another. */
export const after = (start: DateTime.Utc, days: number): DateTime.Utc =>
  DateTime.makeUnsafe(start.epochMilliseconds + Math.round(days * dayMillis))

/** Moves the clock on by days: what is dated within them has happened then. */
export const pass = (days: number): Effect.Effect<void, never, Now.TestNow> =>
  Effect.flatMap(Now.TestNow, (now) => now.adjust(Duration.days(days)))

export const exposure = (experiment: string, unit: string, variant: string, at: DateTime.Utc): Exposure => ({
  experiment,
  unit,
  variant,
  at
})

export const fact = (
  source: string,
  factId: string,
  unit: string,
  at: DateTime.Utc,
  value: bigint
): Fact => ({
  source,
  factId,
  unit,
  at,
  value
})

/** Returns numbers in [0, 1) that a seed repeats. */
export const random = (seed: number): (() => number) => OrderMix.random(seed).next

/** The seed of a random test: printed, and taken from HM_EXPERIMENTS_SEED to repeat a run. */
export const seedOf = (name: string, fallback: number): number => {
  const seed = Number(process.env["HM_EXPERIMENTS_SEED"] ?? fallback)
  process.stdout.write(`${name}: seed ${seed}\n`)
  return seed
}
