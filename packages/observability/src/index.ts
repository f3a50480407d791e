/**
 * @since 0.1.0
 */
export * as ErrorIntake from "./ErrorIntake.ts"
export * as ErrorProject from "./ErrorProject.ts"
export * as ErrorProjects from "./ErrorProjects.ts"
export * as ErrorReports from "./ErrorReports.ts"
export * as EventGrouping from "./EventGrouping.ts"
export * as EventScrubber from "./EventScrubber.ts"
export * as Issue from "./Issue.ts"
export * as Issues from "./Issues.ts"
export * as ObservabilityApi from "./ObservabilityApi.ts"
export * as ObservabilityDomain from "./ObservabilityDomain.ts"
export * as ObservabilitySettings from "./ObservabilitySettings.ts"
export * as ObservabilitySubjectData from "./ObservabilitySubjectData.ts"
export * as ReleaseOrder from "./ReleaseOrder.ts"
export * as SourceMaps from "./SourceMaps.ts"
export * as SourceMapWork from "./SourceMapWork.ts"
