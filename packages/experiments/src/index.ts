/**
 * @since 0.1.0
 */
export * as Assignment from "./Assignment.ts"
export * as Experiment from "./Experiment.ts"
export * as ExperimentHandle from "./ExperimentHandle.ts"
export * as ExperimentLook from "./ExperimentLook.ts"
export * as ExperimentLooks from "./ExperimentLooks.ts"
export * as ExperimentMetric from "./ExperimentMetric.ts"
export * as ExperimentMetrics from "./ExperimentMetrics.ts"
export * as ExperimentPlan from "./ExperimentPlan.ts"
export * as Experiments from "./Experiments.ts"
export * as ExperimentsApi from "./ExperimentsApi.ts"
export * as ExperimentsDomain from "./ExperimentsDomain.ts"
export * as ExperimentsSettings from "./ExperimentsSettings.ts"
export * as ExperimentUnit from "./ExperimentUnit.ts"
export * as ExperimentUnits from "./ExperimentUnits.ts"
export * as ExperimentsSubjectData from "./ExperimentsSubjectData.ts"
