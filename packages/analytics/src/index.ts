/**
 * @since 0.1.0
 */
export * as AnalyticsApi from "./AnalyticsApi.ts"
export * as AnalyticsDomain from "./AnalyticsDomain.ts"
export * as AnalyticsMigrations from "./AnalyticsMigrations.ts"
export * as Catalogue from "./Catalogue.ts"
export * as OrderFact from "./OrderFact.ts"
export * as OrderFacts from "./OrderFacts.ts"
export * as OrderSummaries from "./OrderSummaries.ts"
export * as OrderZones from "./OrderZones.ts"
export * as SalesClose from "./SalesClose.ts"
export * as SalesQuery from "./SalesQuery.ts"
