/**
 * Quotas as a domain.
 *
 * @since 0.1.0
 */
import { Version } from "@hypermarket/core/Precondition"
import * as Check from "@hypermarket/core/Check"
import * as Domain from "@hypermarket/core/Domain"
import * as Job from "@hypermarket/core/Job"
import * as Migrations from "@hypermarket/core/Migrations"
import * as Page from "@hypermarket/core/Page"
import * as Partitions from "@hypermarket/core/Partitions"
import * as Service from "@hypermarket/core/Service"
import * as Subscription from "@hypermarket/core/Subscription"
import type { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import manifest from "../package.json" with { type: "json" }
import * as RatePresence from "./internal/ratePresence.ts"
import { InstallationLimits } from "./InstallationLimits.ts"
import rateLimit from "./migrations/0001_rate_limit.ts"
import tenantQuota from "./migrations/0002_tenant_quota.ts"
import rateLease from "./migrations/0003_rate_lease.ts"
import rateStore from "./migrations/0004_rate_store.ts"
import grantOrder from "./migrations/0005_grant_order.ts"
import flexibleStore from "./migrations/0006_flexible_store.ts"
import ratePresence from "./migrations/0007_rate_presence.ts"
import { QuotaMaintenance } from "./QuotaMaintenance.ts"
import * as Settings from "./QuotasSettings.ts"
import * as RateLimitHandle from "./RateLimitHandle.ts"
import { RateBucket, RateCheck, RateRefund, RateRelease } from "./RateLimit.ts"
import * as RateLimiterFlexible from "./RateLimiterFlexible.ts"
import { RateLimits } from "./RateLimits.ts"
import {
  NewRateOverride,
  NewRatePolicy,
  RateOverrideId,
  RatePolicyChange,
  RatePolicyName
} from "./RatePolicy.ts"
import * as RequestLimits from "./RequestLimits.ts"
import {
  NewQuotaFeature,
  NewQuotaGrant,
  QuotaFeatureChange,
  QuotaFeatureName,
  QuotaGrantId
} from "./QuotaFeature.ts"
import {
  CheckQuotas,
  QuotaReservationId,
  QuotaUsageRequest,
  RecordQuota,
  ReserveQuota
} from "./TenantQuota.ts"
import { TenantQuotas } from "./TenantQuotas.ts"
import * as QuotasSubjectData from "./QuotasSubjectData.ts"
import * as UsageFacts from "./UsageFacts.ts"

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  RateLimits.layer,
  InstallationLimits.layer,
  TenantQuotas.layer,
  QuotaMaintenance.layer,
  UsageFacts.UsageFacts.layer
)

const facts = Subscription.make<UsageFacts.UsageFacts | Tenant>({
  name: "quotas.usage",
  types: [UsageFacts.type],
  handler: (events) => Effect.flatMap(UsageFacts.UsageFacts, ({ record }) => record(events))
})

const sweep = Job.scheduled<QuotaMaintenance | AllTenants>({
  name: "quotas.bucket.sweep",
  every: "10 minutes",
  deadline: "5 minutes",
  run: Effect.flatMap(QuotaMaintenance, (maintenance) => maintenance.sweep)
})

const watch = Job.scheduled<QuotaMaintenance | AllTenants>({
  name: "quotas.table.watch",
  every: "1 minute",
  run: Effect.flatMap(QuotaMaintenance, (maintenance) => maintenance.watch)
})

const fold = Job.scheduled<QuotaMaintenance | AllTenants>({
  name: "quotas.balance.fold",
  every: "1 minute",
  run: Effect.flatMap(QuotaMaintenance, (maintenance) => maintenance.fold)
})

const prune = Job.scheduled<QuotaMaintenance | AllTenants>({
  name: "quotas.key.prune",
  every: "1 hour",
  deadline: "10 minutes",
  run: Effect.flatMap(QuotaMaintenance, (maintenance) => maintenance.prune)
})

/** Changes wait for a minute at most when a worker folds them; ten are a worker that is not running. */
const changesWaitingWarn = 100_000

const changesFolded = Check.make(
  "quota balances",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<{ readonly waiting: number }>`
      SELECT count(*)::int AS waiting
        FROM (SELECT 1 FROM hm_quota_delta LIMIT ${changesWaitingWarn}) d
    `
    const waiting = row?.waiting ?? 0
    return [
      waiting < changesWaitingWarn
        ? { status: "ok" as const, message: `${waiting} changes of quotas are not folded yet` }
        : {
            status: "warn" as const,
            message: `${waiting} changes of quotas or more are not folded`,
            hint: "start a worker: it folds them every minute"
          }
    ]
  })
)

/** The methods of policies and overrides, of a tenant and of the installation alike. */
const policyMethods = {
  createPolicy: [NewRatePolicy],
  getPolicy: [RatePolicyName],
  listPolicies: [Page.Request],
  updatePolicy: [RatePolicyName, Schema.Int, RatePolicyChange],
  removePolicy: [RatePolicyName, Version],
  putOverride: [RatePolicyName, NewRateOverride],
  listOverrides: [RatePolicyName, Page.Request],
  removeOverride: [RatePolicyName, RateOverrideId]
} as const

/**
 * @category domains
 * @since 0.1.0
 */
export const domain = Domain.make({
  name: "quotas",
  tables: ["hm_api_rate_limit", "hm_tenant_quota", "hm_quota_", "hm_rate_"],
  migrations: Migrations.make(
    "quota",
    {
      "0001_rate_limit": rateLimit,
      "0002_tenant_quota": tenantQuota,
      "0003_rate_lease": rateLease,
      "0004_rate_store": rateStore,
      "0005_grant_order": grantOrder,
      "0006_flexible_store": flexibleStore,
      "0007_rate_presence": ratePresence
    },
    { release: manifest.version }
  ),
  layer,
  contracts: RequestLimits.layer,
  services: {
    limits: Service.opening(
      Service.make(
        RateLimits,
        {
          ...policyMethods,
          check: [RateCheck],
          peek: [RateBucket],
          refund: [RateRefund],
          reset: [RateBucket],
          release: [RateRelease]
        },
        { internal: ["limiter"] }
      ),
      Service.local(RateLimitHandle.Options, RateLimitHandle.open)
    ),
    flexibleLimits: Service.local(RateLimiterFlexible.Options, RateLimiterFlexible.open),
    installationLimits: Service.make(InstallationLimits, policyMethods),
    quotas: Service.make(TenantQuotas, {
      createFeature: [NewQuotaFeature],
      getFeature: [QuotaFeatureName],
      listFeatures: [Page.Request],
      updateFeature: [QuotaFeatureName, Schema.Int, QuotaFeatureChange],
      removeFeature: [QuotaFeatureName, Version],
      grant: [QuotaFeatureName, NewQuotaGrant],
      listGrants: [QuotaFeatureName, Page.Request],
      revokeGrant: [QuotaFeatureName, QuotaGrantId],
      reserve: [ReserveQuota],
      getReservation: [QuotaReservationId],
      commit: [QuotaReservationId, Service.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)))],
      release: [QuotaReservationId],
      record: [RecordQuota],
      usage: [QuotaUsageRequest],
      check: [CheckQuotas]
    })
  },
  internalServices: [QuotaMaintenance, UsageFacts.UsageFacts],
  subscriptions: [facts],
  jobs: [sweep, watch, fold, prune],
  checks: [changesFolded, RatePresence.check],
  partitions: [
    Partitions.make({
      table: "hm_quota_ledger",
      by: "recorded_at",
      every: "month",
      keep: "395 days",
      ahead: 2
    })
  ],
  settings: Settings.settings,
  subjectData: QuotasSubjectData.subjectData
})
