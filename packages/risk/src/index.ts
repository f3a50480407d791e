/**
 * @since 0.1.0
 */
export * as Feature from "./Feature.ts"
export * as FraudSignal from "./FraudSignal.ts"
export * as Risk from "./Risk.ts"
export * as RiskApi from "./RiskApi.ts"
export * as RiskDecision from "./RiskDecision.ts"
export * as RiskDomain from "./RiskDomain.ts"
export * as RiskList from "./RiskList.ts"
export * as RiskLists from "./RiskLists.ts"
export * as RiskReport from "./RiskReport.ts"
export * as RiskRules from "./RiskRules.ts"
export * as RiskRuleSet from "./RiskRuleSet.ts"
export * as RiskSettings from "./RiskSettings.ts"
export * as RiskSubjectData from "./RiskSubjectData.ts"
export * as StarterRules from "./StarterRules.ts"
