/**
 * The HTTP groups of experiments and their metrics: schemas and endpoints.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import {
  bucketsMax,
  Environment,
  Experiment,
  ExperimentChange,
  ExperimentExists,
  ExperimentId,
  ExperimentInvalid,
  ExperimentLimit,
  ExperimentNotFound,
  ExperimentStatusWrong,
  LayerOverlap,
  LookNotFound,
  LookUnavailable,
  NewDecision,
  NewExperiment,
  UnitKind
} from "./Experiment.ts"
import { ExperimentLook } from "./ExperimentLook.ts"
import {
  ExperimentMetric,
  Key,
  MetricExists,
  MetricId,
  MetricLimit,
  MetricNotFound,
  NewExperimentMetric
} from "./ExperimentMetric.ts"
import { Exposures, Facts, Recorded } from "./ExperimentUnit.ts"

const created = HttpApiSchema.status(201)
const conditional = [Precondition.PreconditionRequired, Precondition.VersionStale] as const

/** Attributes of one unit: more would be a profile, which targeting does not need. */
const attributesMax = 200
const experimentsMax = 200

/**
 * A unit whose variants are asked for. Without `experiments` all that run for this kind of unit are answered.
 *
 * @category schemas
 * @since 0.1.0
 */
export const AssignmentRequest = Schema.Struct({
  unit: AdopterId,
  unitKind: Schema.optionalKey(UnitKind),
  environment: Schema.optionalKey(Environment),
  attributes: Schema.optionalKey(
    Schema.Record(Schema.String, Schema.Json).check(
      Schema.makeFilter((attributes) =>
        Object.keys(attributes).length > attributesMax
          ? `Expected at most ${attributesMax} attributes`
          : undefined
      )
    )
  ),
  experiments: Schema.optionalKey(Schema.Array(Key).check(Schema.isMaxLength(experimentsMax)))
})

/**
 * @category schemas
 * @since 0.1.0
 */
export const Assignments = Schema.Struct({
  assignments: Schema.Array(
    Schema.Struct({
      experiment: Key,
      variant: Schema.NullOr(Key),
      reason: Schema.Literals([
        "assigned",
        "sticky",
        "forced",
        "unknown-experiment",
        "not-running",
        "holdout",
        "layer",
        "targeting",
        "coverage"
      ])
    })
  )
})

/** A layer keeps at least half of its units for experiments. */
const holdoutMax = bucketsMax / 2

/**
 * @category schemas
 * @since 0.1.0
 */
export const Holdout = Schema.Struct({
  layer: Key,
  buckets: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: holdoutMax }))
})

/**
 * @category api
 * @since 0.1.0
 */
export class ExperimentMetricGroup extends Endpoint.group(
  "experimentMetrics",
  {
    title: "Experiment metrics",
    description:
      "A metric turns the facts of a unit into a number: whether it converted, how many facts it has, or what they sum to. A metric is never changed; one that differs gets another key."
  },
  HttpApiEndpoint.post("createMetric", "/v1/experiments/metrics", {
    headers: IdempotencyKey.Headers,
    payload: NewExperimentMetric,
    success: ExperimentMetric.pipe(created),
    error: [MetricExists, MetricLimit, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "experiment-metric.created")
    .annotate(RequiredScope, "experiments:write"),
  HttpApiEndpoint.get("listMetrics", "/v1/experiments/metrics", {
    query: Page.Query,
    success: Page.schema(ExperimentMetric),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "experiments:read"),
  HttpApiEndpoint.get("getMetric", "/v1/experiments/metrics/:metricId", {
    params: { metricId: MetricId },
    success: ExperimentMetric,
    error: MetricNotFound
  }).annotate(RequiredScope, "experiments:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class ExperimentGroup extends Endpoint.group(
  "experiments",
  {
    title: "Experiments",
    description:
      "An experiment assigns units to variants, counts each exposed unit once, and compares the variants' metrics at looks whose false positives stay within `alpha` altogether."
  },
  HttpApiEndpoint.post("createExperiment", "/v1/experiments/experiments", {
    headers: IdempotencyKey.Headers,
    payload: NewExperiment,
    success: Precondition.Tagged(Experiment.pipe(created)),
    error: [ExperimentExists, ExperimentInvalid, ExperimentLimit, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "experiment.created")
    .annotate(RequiredScope, "experiments:write"),
  HttpApiEndpoint.get("listExperiments", "/v1/experiments/experiments", {
    query: Page.Query,
    success: Page.schema(Experiment),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "experiments:read"),
  HttpApiEndpoint.get("getExperiment", "/v1/experiments/experiments/:experimentId", {
    params: { experimentId: ExperimentId },
    success: Precondition.Tagged(Experiment),
    error: ExperimentNotFound
  }).annotate(RequiredScope, "experiments:read"),
  HttpApiEndpoint.patch("changeExperiment", "/v1/experiments/experiments/:experimentId", {
    params: { experimentId: ExperimentId },
    headers: Precondition.Headers,
    payload: ExperimentChange,
    success: Precondition.Tagged(Experiment),
    error: [ExperimentNotFound, ExperimentInvalid, ExperimentStatusWrong, ...conditional]
  })
    .annotate(Audited, "experiment.changed")
    .annotate(RequiredScope, "experiments:write"),
  HttpApiEndpoint.post("startExperiment", "/v1/experiments/experiments/:experimentId/start", {
    params: { experimentId: ExperimentId },
    headers: Precondition.Headers,
    success: Precondition.Tagged(Experiment),
    error: [ExperimentNotFound, ExperimentStatusWrong, LayerOverlap, ...conditional]
  })
    .annotate(Audited, "experiment.started")
    .annotate(RequiredScope, "experiments:write"),
  HttpApiEndpoint.post("setHoldout", "/v1/experiments/layers", {
    payload: Holdout,
    success: HttpApiSchema.NoContent,
    error: LayerOverlap
  })
    .annotate(Audited, "experiment-layer.changed")
    .annotate(RequiredScope, "experiments:write"),
  HttpApiEndpoint.post("expose", "/v1/experiments/exposures", {
    payload: Schema.Struct({ exposures: Exposures }),
    success: Recorded
  })
    .annotate(NotAudited, "exposures are facts")
    .annotate(RequiredScope, "experiments:write"),
  HttpApiEndpoint.post("assign", "/v1/experiments/assignments", {
    payload: AssignmentRequest,
    success: Assignments
  })
    .annotate(NotAudited, "writes nothing")
    .annotate(RequiredScope, "experiments:read"),
  HttpApiEndpoint.post("recordFacts", "/v1/experiments/facts", {
    payload: Schema.Struct({ facts: Facts }),
    success: Recorded
  })
    .annotate(NotAudited, "facts are their own record")
    .annotate(RequiredScope, "experiments:write"),
  HttpApiEndpoint.post("pauseExperiment", "/v1/experiments/experiments/:experimentId/pause", {
    params: { experimentId: ExperimentId },
    headers: Precondition.Headers,
    success: Precondition.Tagged(Experiment),
    error: [ExperimentNotFound, ExperimentStatusWrong, ...conditional]
  })
    .annotate(Audited, "experiment.paused")
    .annotate(RequiredScope, "experiments:write"),
  HttpApiEndpoint.post("takeLook", "/v1/experiments/experiments/:experimentId/looks", {
    params: { experimentId: ExperimentId },
    payload: Schema.Struct({
      look: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1_000 })))
    }),
    success: ExperimentLook,
    error: [ExperimentNotFound, ExperimentStatusWrong, LookNotFound, LookUnavailable]
  })
    .annotate(Audited, "experiment.looked")
    .annotate(RequiredScope, "experiments:write"),
  HttpApiEndpoint.get("listLooks", "/v1/experiments/experiments/:experimentId/looks", {
    params: { experimentId: ExperimentId },
    success: Schema.Struct({ items: Schema.Array(ExperimentLook) }),
    error: ExperimentNotFound
  }).annotate(RequiredScope, "experiments:read"),
  HttpApiEndpoint.post("stopExperiment", "/v1/experiments/experiments/:experimentId/stop", {
    params: { experimentId: ExperimentId },
    headers: Precondition.Headers,
    success: Precondition.Tagged(Experiment),
    error: [ExperimentNotFound, ExperimentStatusWrong, ...conditional]
  })
    .annotate(Audited, "experiment.stopped")
    .annotate(RequiredScope, "experiments:write"),
  HttpApiEndpoint.post("decideExperiment", "/v1/experiments/experiments/:experimentId/decision", {
    params: { experimentId: ExperimentId },
    headers: Precondition.Headers,
    payload: NewDecision,
    success: Precondition.Tagged(Experiment),
    error: [ExperimentNotFound, ExperimentInvalid, ExperimentStatusWrong, LookNotFound, ...conditional]
  })
    .annotate(Audited, "experiment.decided")
    .annotate(RequiredScope, "experiments:write")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class ExperimentsApi extends HttpApi.make(Api.id).add(ExperimentMetricGroup).add(ExperimentGroup) {}
