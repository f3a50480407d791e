/**
 * The prose of experiments in the API reference.
 *
 * @since 0.1.0
 */
import * as Reference from "@hypermarket/core/Reference"
import { ExperimentsApi } from "./ExperimentsApi.ts"
import examples from "./ExperimentsApi.examples.json" with { type: "json" }

/**
 * @category reference
 * @since 0.1.0
 */
export const reference = Reference.make(
  ExperimentsApi,
  {
    experimentMetrics: {
      createMetric: {
        summary: "Create a metric",
        description:
          "Creates a metric. Facts of its source are kept from then on, for units in experiments and for others, so create it before the experiment starts. `prePeriodSeconds` turns on CUPED."
      },
      listMetrics: {
        summary: "List metrics",
        description: "Returns metrics, newest first, at most 200 per page."
      },
      getMetric: {
        summary: "Get a metric",
        description: "Returns the metric."
      }
    },
    experiments: {
      createExperiment: {
        summary: "Create an experiment",
        description:
          "Creates a draft. The first variant is the control; weights are in 0.01 % and sum to 10,000. `plan.unitsPlanned` is the number of units at which the last look is due. Start it with `POST /start`."
      },
      listExperiments: {
        summary: "List experiments",
        description: "Returns experiments, newest first, at most 200 per page."
      },
      getExperiment: {
        summary: "Get an experiment",
        description: "Returns the experiment, with its version as `ETag`."
      },
      changeExperiment: {
        summary: "Change an experiment",
        description:
          "Changes what the body names and keeps the rest, variants that it leaves out included. After the start, other weights, coverage or targeting begin a new phase, and estimates are computed within phases. More coverage moves no unit between variants; other weights do, except for units that were exposed."
      },
      startExperiment: {
        summary: "Start an experiment",
        description:
          "Starts a draft, or resumes a paused experiment. Answers 409 while a running experiment has some of its buckets of the layer."
      },
      setHoldout: {
        summary: "Set a layer's holdout",
        description:
          "Keeps the first buckets of a layer, of 0.001 % each, out of all its experiments. Answers 409 while a running experiment has some of them."
      },
      expose: {
        summary: "Record exposures",
        description:
          "Records that units have seen their variants, at most 1,000 per request. A unit counts once, so a batch may be sent again. What is left out is named by its place in the batch, with the reason. `at` is at most 24 hours ahead of the clock."
      },
      assign: {
        summary: "Assign a unit",
        description:
          "Returns the unit's variants, and the reason of each. A unit that was exposed stays in its variant. Logs no exposure: send it when the variant is shown."
      },
      recordFacts: {
        summary: "Record facts",
        description:
          "Records facts of units, at most 1,000 per request, in any order. A higher `version` of a `factId` replaces it; an equal or lower one changes nothing. Left out, with the reason, are facts of a source that no metric uses, and those more than 24 hours ahead of the clock."
      },
      pauseExperiment: {
        summary: "Pause an experiment",
        description:
          "Assigns no unit until the experiment is started again. It keeps its part of the layer, and no unit moves between variants."
      },
      takeLook: {
        summary: "Take a look",
        description:
          "Computes the figures and stores them as the next look, which spends a part of `alpha`. Name the number in `look` to make the request safe to repeat: a look that was taken is returned as it is."
      },
      listLooks: {
        summary: "List looks",
        description: "Returns all looks of an experiment, at most 100, the first one first."
      },
      stopExperiment: {
        summary: "Stop an experiment",
        description:
          "Ends assignment and exposures for good. Facts still count for exposed units until their windows end."
      },
      decideExperiment: {
        summary: "Record the decision",
        description: "Records what was decided, why, and the look that it rests on. It is recorded once."
      }
    }
  },
  {
    examples,
    problems: {
      "urn:hypermarket:problem:experiments:experiment-exists": {
        cause: "Another experiment of the tenant has this key.",
        remedy: "Choose another `key`, or change the experiment that has it."
      },
      "urn:hypermarket:problem:experiments:experiment-invalid": {
        cause:
          "A field refers to something that the experiment or the tenant does not have, the targeting does not compile, or a decision is on record.",
        remedy: "Correct the fields in `errors`."
      },
      "urn:hypermarket:problem:experiments:experiment-limit": {
        cause: "The tenant has `experimentsMax` experiments.",
        remedy: "Raise `HM_EXPERIMENTS_MAX` on the server."
      },
      "urn:hypermarket:problem:experiments:experiment-not-found": {
        cause: "The tenant has no experiment with this id.",
        remedy: "List the experiments to find the id."
      },
      "urn:hypermarket:problem:experiments:layer-overlap": {
        cause:
          "The experiments in `experiments` hold some of these buckets of the layer, or the layer's holdout does when the list is empty.",
        remedy: "Stop those experiments, or choose other buckets."
      },
      "urn:hypermarket:problem:experiments:look-not-found": {
        cause: "The experiment has no look with this number.",
        remedy: "List the looks of the experiment to find the number."
      },
      "urn:hypermarket:problem:experiments:look-unavailable": {
        cause:
          "No unit was exposed, `look` skips a number, the experiment has 100 looks, or the first planned look is not due. `reason` names which.",
        remedy: "Record exposures first, or leave `look` out to take the next one."
      },
      "urn:hypermarket:problem:experiments:metric-exists": {
        cause: "Another metric of the tenant has this key.",
        remedy: "Choose another `key`, or use the metric that has it."
      },
      "urn:hypermarket:problem:experiments:metric-limit": {
        cause: "The tenant has `metricsMax` metrics.",
        remedy: "Use a metric that exists, or raise `HM_EXPERIMENTS_MAX` on the server."
      },
      "urn:hypermarket:problem:experiments:metric-not-found": {
        cause: "The tenant has no metric with this id.",
        remedy: "List the metrics to find the id."
      },
      "urn:hypermarket:problem:experiments:status-wrong": {
        cause: "The operation is for experiments with a status in `expected`, and this one is `current`.",
        remedy: "Start, pause or stop the experiment first, or leave it as it is."
      }
    }
  }
)
