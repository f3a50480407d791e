/**
 * Search as a domain.
 *
 * @since 0.1.0
 */
import * as Check from "@hypermarket/core/Check"
import * as Commerce from "@hypermarket/core/Commerce"
import * as Domain from "@hypermarket/core/Domain"
import * as InputErrors from "@hypermarket/core/InputErrors"
import * as Job from "@hypermarket/core/Job"
import * as Now from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import { AdopterId } from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Partitions from "@hypermarket/core/Partitions"
import { Version } from "@hypermarket/core/Precondition"
import * as Service from "@hypermarket/core/Service"
import * as Subscription from "@hypermarket/core/Subscription"
import type { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { hash } from "node:crypto"
import { rulesHash } from "./internal/versionBuild.ts"
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
import { IndexChange, IndexName, NewIndex, products, VersionId } from "./SearchIndex.ts"
import { SearchIndexes } from "./SearchIndexes.ts"
import { Activation, NewVersion } from "./SearchIndexVersion.ts"
import { SearchIndexVersions } from "./SearchIndexVersions.ts"
import { migrations } from "./SearchMigrations.ts"
import { CommonQueries, SearchQueries, SearchQuery } from "./SearchQuery.ts"
import * as UserBehavior from "./UserBehavior.ts"
import { UserBehaviors } from "./UserBehaviors.ts"
import * as Overview from "./internal/overview.ts"
import * as SearchSubjectData from "./SearchSubjectData.ts"

// ---------------------------------------------------------------------------------------------------------------
// Subscriptions
// ---------------------------------------------------------------------------------------------------------------

/**
 * Facts were checked when they were published, by another release perhaps. One that does not decode is rejected; fields that
 * this release does not know are ignored.
 */
const decodeAll = Effect.fnUntraced(function* <A>(
  events: ReadonlyArray<Event>,
  decode: (data: unknown) => Effect.Effect<A, Schema.SchemaError>
) {
  const facts: Array<{ readonly event: Event; readonly data: A }> = []
  const rejections: Array<Subscription.Rejection> = []
  for (const event of events) {
    const data = yield* Effect.result(decode(event.data))
    if (Result.isSuccess(data)) facts.push({ event, data: data.success })
    else rejections.push(Subscription.reject(event, "fact-invalid", InputErrors.errorsOf(data.failure)))
  }
  return { facts, rejections }
})

/** Writes what can be indexed. A product that is larger than a document is rejected. */
const writeProducts = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const indexes = yield* SearchIndexes
  const documents = yield* SearchDocuments
  yield* indexes.ensure(products)
  const { facts, rejections } = yield* decodeAll(events, Commerce.decodeProduct)
  const changes = facts.flatMap(({ data, event }) => {
    const fields = SearchDocument.ofProduct(data)
    if (fields === undefined || !SearchDocument.isTooLarge(fields)) {
      return [{ id: data.productId, version: data.version, fields }]
    }
    const message = "The product is larger than a document may be"
    rejections.push(Subscription.reject(event, "document-too-large", [{ path: [], message }]))
    return []
  })
  const batch = {
    upserts: changes.flatMap(({ fields, id, version }) =>
      fields === undefined ? [] : [{ id, version, fields }]
    ),
    removals: changes.flatMap(({ fields, id, version }) => (fields === undefined ? [{ id, version }] : []))
  }
  yield* documents.writeFacts(products, batch)
  return rejections
})

const productChanged = Subscription.make<SearchIndexes | SearchDocuments | Tenant>({
  name: "search.product",
  types: [Commerce.typeOf("product.changed")],
  handler: writeProducts
})

const signalKinds = new Map([
  [Commerce.typeOf("session.viewed"), "view"],
  [Commerce.typeOf("session.clicked"), "click"],
  [Commerce.typeOf("session.carted"), "cart"]
] as const)

/** In batches of one source each: an event's id is unique for its source. */
const recordBySource = Effect.fnUntraced(function* (
  signals: ReadonlyArray<{ readonly source: string; readonly signal: UserBehavior.Signal }>
) {
  const behaviors = yield* UserBehaviors
  for (const [source, own] of Map.groupBy(signals, ({ source }) => source)) {
    for (let at = 0; at < own.length; at += UserBehavior.batchMax) {
      const batch = own.slice(at, at + UserBehavior.batchMax)
      yield* behaviors.record(
        source,
        batch.map(({ signal }) => signal)
      )
    }
  }
})

const sessionHappened = Subscription.make<UserBehaviors | Tenant>({
  name: "search.session",
  types: [...signalKinds.keys(), Commerce.typeOf("session.searched")],
  handler: Effect.fnUntraced(function* (events) {
    const behaviors = yield* UserBehaviors
    const { facts, rejections } = yield* decodeAll(events, Commerce.decodeSession)
    const searches = facts.flatMap(({ data, event }) =>
      event.type === Commerce.typeOf("session.searched") && data.query !== undefined
        ? [{ source: event.source, id: event.id, query: data.query }]
        : []
    )
    for (const [source, own] of Map.groupBy(searches, (search) => search.source)) {
      yield* behaviors.recordQueries(source, products, own)
    }
    yield* recordBySource(
      facts.flatMap(({ data, event }) => {
        const kind = signalKinds.get(event.type)
        if (kind === undefined || data.productId === undefined) return []
        const signal: UserBehavior.Signal = {
          id: event.id,
          kind,
          userKey: data.customerId ?? data.deviceId ?? data.sessionId,
          productId: data.productId,
          at: data.at,
          ...(data.queryId === undefined ? {} : { queryId: data.queryId }),
          ...(data.position === undefined ? {} : { position: data.position })
        }
        return [{ source: event.source, signal }]
      })
    )
    return rejections
  })
})

/** The longest id that a signal has. Ids of an order and a line may be longer together: their hash is then in its place. */
const purchaseIdOf = (orderId: string, lineId: string): string => {
  const id = `order/${orderId}/${lineId}`
  return id.length <= UserBehavior.idLengthMax ? id : `order/${hash("sha256", id, "base64url")}`
}

const orderPlaced = Subscription.make<UserBehaviors | Tenant>({
  name: "search.order",
  types: [Commerce.typeOf("order.placed")],
  handler: Effect.fnUntraced(function* (events) {
    const { facts, rejections } = yield* decodeAll(events, Commerce.decodeOrder)
    yield* recordBySource(
      facts.flatMap(({ data, event }) =>
        data.lines.map((line) => ({
          source: event.source,
          signal: {
            // The line and not the event: a correction publishes the order again.
            id: purchaseIdOf(data.orderId, line.lineId),
            kind: "purchase" as const,
            // A guest without a device is a user of this one order.
            userKey: data.customerId ?? data.deviceId ?? data.orderId,
            productId: line.productId,
            quantity: line.quantity,
            at: data.placedAt
          }
        }))
      )
    )
    return rejections
  })
})

// ---------------------------------------------------------------------------------------------------------------
// Jobs
// ---------------------------------------------------------------------------------------------------------------

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

/** Two years of behaviour, for whoever learns from it; popularity needs a few months. */
const behaviorPartitions = Partitions.make({
  table: "hm_user_behavior_signal",
  by: "occurred_at",
  every: "month",
  keep: "750 days",
  ahead: 2
})

// ---------------------------------------------------------------------------------------------------------------
// Checks
// ---------------------------------------------------------------------------------------------------------------

const versionsCheck = Check.make(
  "versions",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{
      readonly foreign: number
      readonly failed: number
      readonly held: number
      readonly stuck: number
      readonly outdated: number
    }>`
      SELECT (SELECT count(*)::int
                FROM hm_search_index i
                JOIN hm_search_index_version v ON v.tenant_id = i.tenant_id AND v.version_id = i.active_version
                JOIN pg_control_system() s ON v.system_identifier <> s.system_identifier::text) AS foreign,
             -- Its rows are removed after a minute, but it stays the index's latest outcome.
             (SELECT count(*)::int
                FROM hm_search_index i
                JOIN hm_search_index_version a ON a.tenant_id = i.tenant_id AND a.version_id = i.active_version
               CROSS JOIN LATERAL (
                     SELECT v.status
                       FROM hm_search_index_version v
                      WHERE v.tenant_id = i.tenant_id AND v.index_name = i.index_name
                        AND v.recorded_at > a.recorded_at AND v.status <> 'retired'
                      ORDER BY v.recorded_at DESC
                      LIMIT 1) latest
               WHERE latest.status = 'failed') AS failed,
             (SELECT count(*)::int
                FROM hm_search_index_version
               WHERE status = 'ready' AND activates AND activated_at IS NULL) AS held,
             (SELECT count(*)::int
                FROM hm_search_index_version
               WHERE status IN ('building', 'validating')
                 AND coalesce(lease_until, recorded_at) < clock_timestamp() - interval '2 minutes') AS stuck,
             (SELECT count(*)::int
                FROM hm_search_index i
                JOIN hm_search_index_version v ON v.tenant_id = i.tenant_id AND v.version_id = i.active_version
               WHERE v.rules_hash IS DISTINCT FROM ${rulesHash}) AS outdated
    `
    const { failed, foreign, held, outdated, stuck } = row ?? {
      foreign: 0,
      failed: 0,
      held: 0,
      stuck: 0,
      outdated: 0
    }
    return [
      foreign > 0
        ? {
            status: "fail" as const,
            message: `${foreign} indexes came from another cluster and do not answer`,
            hint: "a worker builds them anew: is one running?"
          }
        : { status: "ok" as const, message: "every active version was built in this cluster" },
      stuck > 0
        ? {
            status: "fail" as const,
            message: `${stuck} versions wait to be built`,
            hint: "is a worker running?"
          }
        : { status: "ok" as const, message: "no build waits for a worker" },
      outdated > 0
        ? {
            status: "fail" as const,
            message: `${outdated} indexes were built by the rules of another release and do not answer`,
            hint: "a worker of this release builds them: is one running?"
          }
        : { status: "ok" as const, message: "every active version was built by this release's rules" },
      failed > 0
        ? {
            status: "warn" as const,
            message: `the latest version of ${failed} indexes has failed`,
            hint: "read its failure: GET /v1/search/indexes/<name>/versions"
          }
        : { status: "ok" as const, message: "the latest version of no index has failed" },
      held > 0
        ? {
            status: "warn" as const,
            message: `${held} versions wait for a decision, since they did not pass a gate that warns`,
            hint: "read their gates, then activate with `despite`, or retire them"
          }
        : { status: "ok" as const, message: "no version is held back by a gate" }
    ]
  })
)

const pendingWarnMinutes = 15

const popularityCheck = Check.make(
  "popularity",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const [row] = yield* sql<{ readonly minutes: number | null }>`
      SELECT extract(epoch FROM ${now}::timestamptz - min(recorded_at))::float8 / 60 AS minutes
        FROM hm_search_popularity_pending
    `
    const minutes = Math.round(row?.minutes ?? 0)
    return [
      minutes > pendingWarnMinutes
        ? {
            status: "warn" as const,
            message: `signals have waited for ${minutes} minutes to be counted`,
            hint: "is a worker running?"
          }
        : { status: "ok" as const, message: "signals are counted" }
    ]
  })
)

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
    behaviour: Service.make(UserBehaviors, {
      record: [UserBehavior.Source, UserBehavior.Signals],
      recordQueries: [UserBehavior.Source, IndexName, UserBehavior.Searches],
      history: [AdopterId],
      erase: [AdopterId],
      pending: [],
      prune: []
    }),
    popularity: Service.make(ProductPopularity, { get: [AdopterId], count: [] }),
    rankingSignals: Service.make(RankingSignals, {
      put: [Schema.Array(RankingSignal.RankingSignal).check(Schema.isMaxLength(RankingSignal.batchMax))],
      list: [RankingSignal.SignalName, Page.Request]
    })
  },
  internalServices: [SearchBuilds],
  subscriptions: [productChanged, sessionHappened, orderPlaced],
  jobs: [build, startDue, remove, countPopularity, pruneBehavior],
  partitions: [behaviorPartitions],
  checks: [versionsCheck, popularityCheck],
  settings: SearchConfig.settings,
  subjectData: SearchSubjectData.subjectData
})
