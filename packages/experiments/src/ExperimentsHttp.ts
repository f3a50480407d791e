/**
 * Handlers of the HTTP groups of experiments and their metrics.
 *
 * @since 0.1.0
 */
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import { expectedVersion, tagged } from "@hypermarket/core/Precondition"
import * as Storage from "@hypermarket/core/Storage"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Experiment, NewExperiment } from "./Experiment.ts"
import { ExperimentLooks } from "./ExperimentLooks.ts"
import { ExperimentMetric, NewExperimentMetric } from "./ExperimentMetric.ts"
import { ExperimentMetrics } from "./ExperimentMetrics.ts"
import { Experiments } from "./Experiments.ts"
import { ExperimentsApi } from "./ExperimentsApi.ts"
import { ExperimentUnits } from "./ExperimentUnits.ts"

const createMetric = IdempotentRequests.create({
  operation: "experiments.createMetric",
  payload: Schema.toCodecJson(NewExperimentMetric),
  answer: Schema.toCodecJson(ExperimentMetric)
})

const createExperiment = IdempotentRequests.create({
  operation: "experiments.createExperiment",
  payload: Schema.toCodecJson(NewExperiment),
  answer: Schema.toCodecJson(Experiment)
})

const metrics = HttpApiBuilder.group(
  ExperimentsApi,
  "experimentMetrics",
  Effect.fn(function* (handlers) {
    const service = yield* ExperimentMetrics
    const createOnce = yield* createMetric
    return handlers.handleAll({
      createMetric: ({ headers, payload }) =>
        createOnce({ headers, payload }, service.create(payload)).pipe(Storage.orUnavailable),
      listMetrics: ({ query }) => service.list(query).pipe(Storage.orUnavailable),
      getMetric: ({ params }) => service.get(params.metricId).pipe(Storage.orUnavailable)
    })
  })
)

const experiments = HttpApiBuilder.group(
  ExperimentsApi,
  "experiments",
  Effect.fn(function* (handlers) {
    const service = yield* Experiments
    const units = yield* ExperimentUnits
    const looks = yield* ExperimentLooks
    const createOnce = yield* createExperiment
    return handlers.handleAll({
      createExperiment: ({ headers, payload }) =>
        createOnce({ headers, payload }, service.create(payload)).pipe(
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      listExperiments: ({ query }) => service.list(query).pipe(Storage.orUnavailable),
      getExperiment: ({ params }) =>
        service.get(params.experimentId).pipe(Effect.map(tagged), Storage.orUnavailable),
      changeExperiment: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.change(params.experimentId, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      startExperiment: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.start(params.experimentId, version)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      pauseExperiment: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.pause(params.experimentId, version)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      stopExperiment: ({ headers, params }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.stop(params.experimentId, version)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      decideExperiment: ({ headers, params, payload }) =>
        expectedVersion(headers).pipe(
          Effect.flatMap((version) => service.decide(params.experimentId, version, payload)),
          Effect.map(tagged),
          Storage.orUnavailable
        ),
      takeLook: ({ params, payload }) =>
        looks.look(params.experimentId, payload.look).pipe(Storage.orUnavailable),
      listLooks: ({ params }) =>
        looks.list(params.experimentId).pipe(
          Effect.map((items) => ({ items })),
          Storage.orUnavailable
        ),
      setHoldout: ({ payload }) =>
        service.setHoldout(payload.layer, payload.buckets).pipe(Storage.orUnavailable),
      assign: ({ payload }) =>
        service
          .assign({
            unit: payload.unit,
            unitKind: payload.unitKind ?? "customer",
            environment: payload.environment ?? "live",
            attributes: payload.attributes ?? {},
            ...(payload.experiments === undefined ? {} : { experiments: payload.experiments })
          })
          .pipe(
            Effect.map((assignments) => ({
              assignments: assignments.map((assignment) => ({
                ...assignment,
                variant: assignment.variant ?? null
              }))
            })),
            Storage.orUnavailable
          ),
      expose: ({ payload }) => units.expose(payload.exposures).pipe(Storage.orUnavailable),
      recordFacts: ({ payload }) => units.record(payload.facts).pipe(Storage.orUnavailable)
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(metrics, experiments)
