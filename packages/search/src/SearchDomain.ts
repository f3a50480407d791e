/**
 * Search as a domain.
 *
 * @since 0.1.0
 */
import * as Domain from "@hypermarket/core/Domain"
import * as Job from "@hypermarket/core/Job"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Partitions from "@hypermarket/core/Partitions"
import { Version } from "@hypermarket/core/Precondition"
import * as Service from "@hypermarket/core/Service"
import type { AllTenants } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Checks from "./internal/checks.ts"
import * as Facts from "./internal/commerce.ts"
import * as Overview from "./internal/overview.ts"
import { ProductPopularity } from "./ProductPopularity.ts"
import * as RankingSignal from "./RankingSignal.ts"
import { RankingSignals } from "./RankingSignals.ts"
import { Search } from "./Search.ts"
import { SearchBuilds } from "./SearchBuild.ts"
import * as SearchConfig from "./SearchConfig.ts"
import { Curation } from "./SearchCuration.ts"
import { SearchCurations } from "./SearchCurations.ts"
import * as SearchDocument from "./SearchDocument.ts"
import { SearchDocuments } from "./SearchDocuments.ts"
import { IndexChange, IndexName, NewIndex, VersionId } from "./SearchIndex.ts"
import { SearchIndexes } from "./SearchIndexes.ts"
import { Activation, NewVersion } from "./SearchIndexVersion.ts"
import { SearchIndexVersions } from "./SearchIndexVersions.ts"
import { migrations } from "./SearchMigrations.ts"
import { CommonQueries, SearchQueries, SearchQuery } from "./SearchQuery.ts"
import { Searches, Signals, Source, UserBehaviors } from "./UserBehaviors.ts"
import * as SearchSubjectData from "./SearchSubjectData.ts"

/** Builds that a worker runs side by side: a large one of a tenant does not hold up a small one of another. */
const buildsPerWorker = 2

const build = Job.scheduled<SearchBuilds | AllTenants>({
  name: "search.version.build",
  every: "1 second",
  // A build of some million products; what a run does not finish, the next goes on with.
  deadline: "1 hour",
  run: Effect.flatMap(SearchBuilds, (builds) =>
    Effect.all(
      Array.from({ length: buildsPerWorker }, () =>
        Effect.repeat(builds.buildNext, { while: (worked) => worked })
      ),
      { concurrency: "unbounded", discard: true }
    )
  )
})

const startDue = Job.scheduled<SearchIndexVersions | AllTenants>({
  name: "search.version.start",
  every: "2 seconds",
  run: Effect.flatMap(SearchIndexVersions, (versions) => versions.startDue)
})

const remove = Job.scheduled<SearchBuilds | AllTenants>({
  name: "search.version.remove",
  every: "30 seconds",
  deadline: "10 minutes",
  run: Effect.flatMap(SearchBuilds, (builds) => builds.removeRetired)
})

const countPopularity = Job.scheduled<ProductPopularity | AllTenants>({
  name: "search.popularity.count",
  every: "2 seconds",
  deadline: "5 minutes",
  run: Effect.flatMap(ProductPopularity, (popularity) => popularity.count)
})

const pruneBehavior = Job.scheduled<UserBehaviors | AllTenants>({
  name: "search.behavior.prune",
  every: "10 minutes",
  deadline: "5 minutes",
  run: Effect.flatMap(UserBehaviors, (behaviors) => behaviors.prune)
})

/** Two years of behaviour, for the shop to learn from. Popularity needs a few months. */
const behaviorPartitions = Partitions.make({
  table: "hm_user_behavior_signal",
  by: "occurred_at",
  every: "month",
  keep: "750 days",
  ahead: 2
})

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = SearchBuilds.layer.pipe(
  Layer.provideMerge(SearchIndexVersions.layer),
  Layer.provideMerge(
    Layer.mergeAll(
      SearchIndexes.layer,
      SearchCurations.layer,
      SearchDocuments.layer,
      Search.layer,
      UserBehaviors.layer,
      ProductPopularity.layer,
      RankingSignals.layer
    )
  )
)

/**
 * @category domains
 * @since 0.1.0
 */
export const domain = Domain.make({
  name: "search",
  tables: [
    "hm_search_",
    "hm_product_popularity_signal",
    "hm_ranking_signal",
    "hm_user_behavior_signal",
    "hm_browse_history"
  ],
  migrations,
  layer,
  alerts: Overview.alerts,
  lookup: Overview.lookup,
  services: {
    search: Service.make(
      Search,
      {
        search: [IndexName, SearchQuery],
        searchAll: [IndexName, SearchQueries],
        queries: [IndexName, CommonQueries]
      },
      { internal: ["compare", "searchByClient", "searchAllByClient"] }
    ),
    indexes: Service.make(SearchIndexes, {
      create: [NewIndex],
      ensure: [IndexName],
      get: [IndexName],
      list: [Page.Request],
      change: [IndexName, Version, IndexChange],
      remove: [IndexName, Version]
    }),
    indexVersions: Service.make(SearchIndexVersions, {
      start: [IndexName, NewVersion],
      get: [IndexName, VersionId],
      list: [IndexName, Page.Request],
      validate: [IndexName, VersionId],
      activate: [IndexName, VersionId, Service.optional(Activation)],
      rollBack: [IndexName],
      retire: [IndexName, VersionId],
      startDue: []
    }),
    curations: Service.make(SearchCurations, {
      get: [IndexName],
      set: [IndexName, Version, Curation]
    }),
    documents: Service.make(
      SearchDocuments,
      {
        write: [IndexName, SearchDocument.DocumentBatch],
        removeWhere: [IndexName, SearchDocument.RemovalFilter],
        get: [IndexName, AdopterId],
        list: [IndexName, Page.Request],
        compare: [IndexName, Service.optional(VersionId)]
      },
      { internal: ["writeFacts"] }
    ),
    behaviour: Service.make(
      UserBehaviors,
      {
        record: [Source, Signals],
        recordQueries: [Source, IndexName, Searches],
        history: [AdopterId],
        erase: [AdopterId],
        pending: [],
        prune: []
      },
      { internal: ["recordByClient"] }
    ),
    popularity: Service.make(ProductPopularity, { get: [AdopterId], count: [] }),
    rankingSignals: Service.make(RankingSignals, {
      put: [Schema.Array(RankingSignal.RankingSignal).check(Schema.isMaxLength(RankingSignal.batchMax))],
      list: [RankingSignal.SignalName, Page.Request]
    })
  },
  internalServices: [SearchBuilds],
  subscriptions: [Facts.productChanged, Facts.sessionHappened, Facts.orderPlaced],
  jobs: [build, startDue, remove, countPopularity, pruneBehavior],
  partitions: [behaviorPartitions],
  checks: [Checks.versionsCheck, Checks.popularityCheck],
  settings: SearchConfig.settings,
  subjectData: SearchSubjectData.subjectData
})
