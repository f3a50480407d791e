/**
 * Search as a domain.
 *
 * @since 0.1.0
 */
import * as Check from "@hypermarket/core/Check"
import * as Commerce from "@hypermarket/core/Commerce"
import * as Domain from "@hypermarket/core/Domain"
import * as Job from "@hypermarket/core/Job"
import { now } from "@hypermarket/core/Now"
import type { Event } from "@hypermarket/core/Outbox"
import * as Partitions from "@hypermarket/core/Partitions"
import * as Subscription from "@hypermarket/core/Subscription"
import type { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { rulesHash } from "./internal/versionBuild.ts"
import { ProductPopularity } from "./ProductPopularity.ts"
import { RankingSignals } from "./RankingSignal.ts"
import { Search } from "./Search.ts"
import { SearchBuilds } from "./SearchBuild.ts"
import * as SearchConfig from "./SearchConfig.ts"
import * as SearchDocument from "./SearchDocument.ts"
import { products } from "./SearchIndex.ts"
import { SearchIndexes } from "./SearchIndexes.ts"
import { SearchIndexVersions } from "./SearchIndexVersions.ts"
import { migrations } from "./SearchMigrations.ts"
import * as UserBehavior from "./UserBehavior.ts"

/**
 * The services of this package.
 *
 * @category models
 * @since 0.1.0
 */
export type Services =
  | SearchIndexes
  | SearchDocument.SearchDocuments
  | SearchIndexVersions
  | SearchBuilds
  | Search
  | UserBehavior.UserBehaviors
  | ProductPopularity
  | RankingSignals

// ---------------------------------------------------------------------------------------------------------------
// Subscriptions
// ---------------------------------------------------------------------------------------------------------------

/** Facts were checked when they were published: one that does not decode is a defect. */
const decodeAll = <A, E>(events: ReadonlyArray<Event>, decode: (data: unknown) => Effect.Effect<A, E>) =>
  Effect.forEach(events, (event) => Effect.map(Effect.orDie(decode(event.data)), (data) => ({ event, data })))

/** A fact may not be refused for good: what cannot be indexed is left out, and said. */
const writeProducts = Effect.fnUntraced(function* (events: ReadonlyArray<Event>) {
  const indexes = yield* SearchIndexes
  const documents = yield* SearchDocument.SearchDocuments
  yield* indexes.ensure(products)
  const facts = yield* decodeAll(events, Commerce.decodeProduct)
  const changes = facts.map(({ data }) => ({
    id: data.productId,
    version: data.version,
    fields: SearchDocument.ofProduct(data)
  }))
  const batch = {
    upserts: changes.flatMap(({ fields, id, version }) =>
      fields === undefined ? [] : [{ id, version, fields }]
    ),
    removals: changes.flatMap(({ fields, id, version }) => (fields === undefined ? [{ id, version }] : []))
  }
  yield* documents.write(products, batch)
})

const productChanged = Subscription.make<SearchIndexes | SearchDocument.SearchDocuments | Tenant>({
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
  const behaviors = yield* UserBehavior.UserBehaviors
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

const sessionHappened = Subscription.make<UserBehavior.UserBehaviors | Tenant>({
  name: "search.session",
  types: [...signalKinds.keys(), Commerce.typeOf("session.searched")],
  handler: Effect.fnUntraced(function* (events) {
    const behaviors = yield* UserBehavior.UserBehaviors
    const facts = yield* decodeAll(events, Commerce.decodeSession)
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
  })
})

const orderPlaced = Subscription.make<UserBehavior.UserBehaviors | Tenant>({
  name: "search.order",
  types: [Commerce.typeOf("order.placed")],
  handler: Effect.fnUntraced(function* (events) {
    const facts = yield* decodeAll(events, Commerce.decodeOrder)
    yield* recordBySource(
      facts.flatMap(({ data, event }) =>
        data.lines.map((line) => ({
          source: event.source,
          signal: {
            // The line and not the event: a correction publishes the order again.
            id: `order/${data.orderId}/${line.lineId}`,
            kind: "purchase" as const,
            userKey: data.customerId,
            productId: line.productId,
            quantity: line.quantity,
            at: data.placedAt
          }
        }))
      )
    )
  })
})

// ---------------------------------------------------------------------------------------------------------------
// Jobs
// ---------------------------------------------------------------------------------------------------------------

const build = Job.scheduled<SearchBuilds | AllTenants>({
  name: "search.version.build",
  every: "1 second",
  // A build of some million products; what a run does not finish, the next goes on with.
  deadline: "1 hour",
  run: Effect.flatMap(SearchBuilds, (builds) =>
    Effect.repeat(builds.buildNext, { while: (worked) => worked })
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

const pruneBehavior = Job.scheduled<UserBehavior.UserBehaviors | AllTenants>({
  name: "search.behavior.prune",
  every: "10 minutes",
  deadline: "5 minutes",
  run: Effect.flatMap(UserBehavior.UserBehaviors, (behaviors) => behaviors.prune)
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
      readonly stuck: number
      readonly outdated: number
    }>`
      SELECT (SELECT count(*)::int
                FROM hm_search_index i
                JOIN hm_search_index_version v ON v.tenant_id = i.tenant_id AND v.version_id = i.active_version
                JOIN pg_control_system() s ON v.system_identifier <> s.system_identifier::text) AS foreign,
             (SELECT count(*)::int FROM hm_search_index_version WHERE status = 'failed' AND removed_at IS NULL) AS failed,
             (SELECT count(*)::int
                FROM hm_search_index_version
               WHERE status IN ('building', 'validating')
                 AND coalesce(lease_until, recorded_at) < clock_timestamp() - interval '2 minutes') AS stuck,
             (SELECT count(*)::int
                FROM hm_search_index i
                JOIN hm_search_index_version v ON v.tenant_id = i.tenant_id AND v.version_id = i.active_version
               WHERE NOT i.automatic AND v.rules_hash <> ${rulesHash}) AS outdated
    `
    const { failed, foreign, outdated, stuck } = row ?? { foreign: 0, failed: 0, stuck: 0, outdated: 0 }
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
            status: "warn" as const,
            message: `${outdated} indexes that are not automatic were built by the rules of another release`,
            hint: "start a version of each: POST /v1/search/indexes/<name>/versions"
          }
        : { status: "ok" as const, message: "every active version was built by this release's rules" },
      failed > 0
        ? {
            status: "warn" as const,
            message: `${failed} versions have failed`,
            hint: "GET /v1/search/indexes/<name>/versions says why"
          }
        : { status: "ok" as const, message: "no version has failed" }
    ]
  })
)

const pendingWarnMinutes = 15

const popularityCheck = Check.make(
  "popularity",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const moment = yield* now
    const [row] = yield* sql<{ readonly minutes: number | null }>`
      SELECT extract(epoch FROM ${moment}::timestamptz - min(recorded_at))::float8 / 60 AS minutes
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
 * @category domains
 * @since 0.1.0
 */
export const domain: Domain.Domain<Services | Tenant | AllTenants> = Domain.make<
  Services | Tenant | AllTenants
>({
  name: "search",
  migrations,
  subscriptions: [productChanged, sessionHappened, orderPlaced],
  jobs: [build, startDue, remove, countPopularity, pruneBehavior],
  partitions: [behaviorPartitions],
  checks: [versionsCheck, popularityCheck],
  settings: SearchConfig.settings
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
      SearchDocument.SearchDocuments.layer,
      Search.layer,
      UserBehavior.UserBehaviors.layer,
      ProductPopularity.layer,
      RankingSignals.layer
    )
  )
)
