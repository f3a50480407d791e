/**
 * @since 0.1.0
 */
export * as ProductPopularity from "./ProductPopularity.ts"
export * as RankingSignal from "./RankingSignal.ts"
export * as Search from "./Search.ts"
export * as SearchApi from "./SearchApi.ts"
export * as SearchBuild from "./SearchBuild.ts"
export * as SearchConfig from "./SearchConfig.ts"
export * as SearchDocument from "./SearchDocument.ts"
export * as SearchDomain from "./SearchDomain.ts"
export * as SearchIndex from "./SearchIndex.ts"
export * as SearchIndexes from "./SearchIndexes.ts"
export * as SearchIndexVersion from "./SearchIndexVersion.ts"
export * as SearchIndexVersions from "./SearchIndexVersions.ts"
export * as SearchMigrations from "./SearchMigrations.ts"
export * as SearchQuery from "./SearchQuery.ts"
export * as SearchSettings from "./SearchSettings.ts"
export * as UserBehavior from "./UserBehavior.ts"
