/**
 * The platform as a domain.
 *
 * @since 0.1.0
 */
import * as Check from "@hypermarket/core/Check"
import * as Domain from "@hypermarket/core/Domain"
import { Instant } from "@hypermarket/core/Instant"
import * as Job from "@hypermarket/core/Job"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import * as Partitions from "@hypermarket/core/Partitions"
import { Version } from "@hypermarket/core/Precondition"
import * as Service from "@hypermarket/core/Service"
import * as SubjectData from "@hypermarket/core/SubjectData"
import { type AllTenants, TenantId } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { ActivityFormat, ActivityRequest, ActivityVerify, CheckpointNumber, NewActivity } from "./Activity.ts"
import * as ActivityChecks from "./audit/checks.ts"
import * as Erasure from "./audit/erasure.ts"
import * as Retention from "./audit/retention.ts"
import { ActivityLog } from "./ActivityLog.ts"
import { ActivitySeals } from "./ActivitySeals.ts"
import { ApiKeyId, NewApiKey, Reason, Rotation, SystemKeyName } from "./ApiKey.ts"
import { ApiKeys } from "./ApiKeys.ts"
import { ConsoleSessions } from "./ConsoleSessions.ts"
import * as FeatureFlag from "./FeatureFlag.ts"
import { FeatureFlags } from "./FeatureFlags.ts"
import { FlagApprovalPolicies } from "./FlagApprovalPolicies.ts"
import * as FlagChangeRequest from "./FlagChangeRequest.ts"
import * as FlagChangeRequests from "./FlagChangeRequests.ts"
import { FlagEvaluations } from "./FlagEvaluations.ts"
import * as FlagHandle from "./FlagHandle.ts"
import { FlagUsage } from "./FlagUsage.ts"
import * as FlagSegment from "./FlagSegment.ts"
import { FlagSegments } from "./FlagSegments.ts"
import { InstallationPolicies } from "./InstallationPolicies.ts"
import { migrations } from "./PlatformMigrations.ts"
import * as Settings from "./PlatformSettings.ts"
import { PolicyDecisionRequest } from "./PolicyDecision.ts"
import * as PolicyHandle from "./PolicyHandle.ts"
import { RegionPolicies } from "./RegionPolicies.ts"
import * as RegionPolicy from "./RegionPolicy.ts"
import { NewSubjectRequest, PartNumber, SubjectRequestId } from "./SubjectRequest.ts"
import { SubjectRequests } from "./SubjectRequests.ts"
import { NewTenant, TenantChange } from "./TenantAccount.ts"
import { TenantAccounts } from "./TenantAccounts.ts"
import * as FlagChecks from "./flags/checks.ts"
import * as SubjectTables from "./subject/tables.ts"
import * as Overview from "./internal/overview.ts"

const expiringWithinMillis = 14 * 24 * 60 * 60 * 1000

const expiringKeys = Check.make(
  "expiring keys",
  Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    const now = yield* Now.now
    const [row] = yield* sql<{ readonly count: number }>`
      SELECT count(*)::int AS count
        FROM hm_api_key
       WHERE revoked_at IS NULL AND replaced_by IS NULL
         -- One that was made for a shorter time, as for a session of the console, expires as it was meant to.
         AND expires_at - recorded_at > make_interval(days => 14)
         AND expires_at BETWEEN ${now} AND ${new Date(now.getTime() + expiringWithinMillis)}
    `
    const count = row?.count ?? 0
    return [
      count === 0
        ? { status: "ok" as const, message: "no key expires within 14 days" }
        : {
            status: "warn" as const,
            message: `${count} keys expire within 14 days and have no successor`,
            hint: "rotate them: POST /v1/platform/keys/<id>/rotate"
          }
    ]
  })
)

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  TenantAccounts.layer,
  ApiKeys.layer,
  FeatureFlags.layer,
  FlagSegments.layer,
  FlagEvaluations.layer,
  FlagUsage.layer,
  FlagChangeRequests.FlagChangeRequests.layer,
  FlagApprovalPolicies.layer,
  ActivityLog.layer,
  ActivitySeals.layer,
  RegionPolicies.layer,
  InstallationPolicies.layer,
  ConsoleSessions.layer,
  SubjectRequests.layer
)

const seal = Job.scheduled<ActivitySeals | AllTenants>({
  name: "platform.activity.seal",
  every: "1 minute",
  run: Effect.flatMap(ActivitySeals, (seals) => seals.seal)
})

const sweep = Job.scheduled<ActivitySeals | AllTenants>({
  name: "platform.activity.sweep",
  every: "1 day",
  deadline: "10 minutes",
  run: Effect.flatMap(ActivitySeals, (seals) => seals.sweep)
})

const pruneSessions = Job.scheduled<ConsoleSessions | AllTenants>({
  name: "platform.console.prune",
  every: "1 hour",
  run: Effect.flatMap(ConsoleSessions, (sessions) => sessions.prune)
})

const runSubjectRequests = Job.scheduled<SubjectRequests | AllTenants>({
  name: "platform.subject.run",
  every: "15 seconds",
  run: Effect.flatMap(SubjectRequests, (requests) => requests.runDue)
})

const pruneSubjectParts = Job.scheduled<SubjectRequests | AllTenants>({
  name: "platform.subject.prune",
  every: "1 hour",
  run: Effect.flatMap(SubjectRequests, (requests) => requests.prune)
})

const pruneFlagUsage = Job.scheduled<FlagUsage | AllTenants>({
  name: "platform.flags.prune-usage",
  every: "1 day",
  run: Effect.flatMap(FlagUsage, (usage) => usage.prune)
})

const applyFlagRequests = Job.scheduled<FlagChangeRequests.FlagChangeRequests | AllTenants>({
  name: FlagChangeRequests.loop,
  every: "5 seconds",
  run: Effect.flatMap(FlagChangeRequests.FlagChangeRequests, (requests) => requests.runDue)
})

const pruneFlagRequests = Job.scheduled<FlagChangeRequests.FlagChangeRequests | AllTenants>({
  name: "platform.flags.prune-requests",
  every: "1 day",
  run: Effect.flatMap(FlagChangeRequests.FlagChangeRequests, (requests) => requests.prune)
})

const retain = Job.scheduled<ActivitySeals | AllTenants>({
  name: "platform.activity.retain",
  every: "1 day",
  deadline: "10 minutes",
  run: Effect.flatMap(ActivitySeals, (seals) => Effect.asVoid(seals.retain))
})

/** Kept for a quarter: what led to a decision can be asked by its day, since policies keep their versions. */
const decisionPartitions = Partitions.make({
  table: "hm_platform_policy_decision",
  by: "decided_at",
  every: "month",
  keep: "90 days",
  ahead: 2
})

const { Environment, FlagChange, FlagEnvironment, FlagKey, FlagReason, NewFeatureFlag } = FeatureFlag
const Attributes = Schema.Record(Schema.String, Schema.Json)

const flags = Service.opening(
  Service.make(FeatureFlags, {
    create: [NewFeatureFlag],
    get: [FlagKey],
    list: [Page.Request],
    change: [FlagKey, Version, FlagChange],
    setEnvironment: [FlagKey, Environment, Version, FlagEnvironment],
    kill: [FlagKey, Environment, FlagReason.fields.reason],
    archive: [FlagKey, Version, FlagReason.fields.reason],
    rollBack: [FlagKey, Version, Version],
    listVersions: [FlagKey, Page.Request],
    diff: [FlagKey, Version, Version]
  }),
  Service.local(FlagHandle.Options, FlagHandle.open)
)

const segments = Service.make(FlagSegments, {
  create: [FlagSegment.NewFlagSegment],
  get: [FlagSegment.SegmentKey],
  list: [Page.Request],
  change: [FlagSegment.SegmentKey, Version, FlagSegment.FlagSegmentChange],
  remove: [FlagSegment.SegmentKey, Version]
})

const flagRequests = Service.make(
  FlagChangeRequests.FlagChangeRequests,
  {
    create: [FlagChangeRequest.NewFlagChangeRequest],
    get: [FlagChangeRequest.FlagRequestId],
    list: [FlagChangeRequests.ListRequest],
    approve: [FlagChangeRequest.FlagRequestId],
    close: [FlagChangeRequest.FlagRequestId, FlagReason.fields.reason]
  },
  { internal: ["runDue", "prune"] }
)

const flagEnvironments = Service.make(FlagApprovalPolicies, {
  get: [Environment],
  list: [Page.Request],
  set: [Environment, Version, FlagChangeRequest.FlagApprovalPolicyChange]
})

const flagEvaluations = Service.make(
  FlagEvaluations,
  {
    evaluator: [Environment, Service.optional(Schema.BigInt)],
    evaluate: [Environment, FlagKey, Attributes],
    explain: [Environment, FlagKey, Attributes]
  },
  { internal: ["newest", "changes", "age"] }
)

/**
 * @category domains
 * @since 0.1.0
 */
export const domain = Domain.make({
  name: "platform",
  tables: ["hm_tenant", "hm_api_key", "hm_platform_", "hm_console_"],
  migrations,
  layer,
  alerts: Overview.alerts,
  lookup: Overview.lookup,
  services: {
    tenants: Service.make(TenantAccounts, {
      create: [NewTenant],
      get: [TenantId],
      list: [Page.Request],
      change: [TenantId, Version, TenantChange],
      current: []
    }),
    // A program in process is the operator: scopes of a caller are a matter of HTTP.
    keys: Service.make(ApiKeys, {
      create: [NewApiKey, Schema.Literal("operator")],
      createSystem: [SystemKeyName, Service.optional(Instant)],
      get: [ApiKeyId],
      list: [Page.Request],
      rotate: [ApiKeyId, Version, Rotation, Schema.Literal("operator")],
      revoke: [ApiKeyId, Version, Reason]
    }),
    flags,
    segments,
    flagRequests,
    flagEnvironments,
    flagEvaluations,
    policy: Service.opening(
      Service.make(
        RegionPolicies,
        {
          create: [RegionPolicy.NewRegionPolicy],
          get: [RegionPolicy.PolicyKey],
          list: [Page.Request],
          change: [RegionPolicy.PolicyKey, Version, RegionPolicy.RegionPolicyChange],
          remove: [RegionPolicy.PolicyKey, Version],
          listVersions: [RegionPolicy.PolicyKey, Page.Request],
          decide: [RegionPolicy.PolicyQuestion],
          decideNow: [RegionPolicy.PolicyQuestion],
          dryRun: [RegionPolicy.PolicyDryRun],
          decisions: [PolicyDecisionRequest]
        },
        { internal: ["follow"] }
      ),
      Service.local(PolicyHandle.Options, PolicyHandle.open)
    ),
    installationPolicies: Service.make(InstallationPolicies, {
      create: [RegionPolicy.NewRegionPolicy],
      get: [RegionPolicy.PolicyKey],
      list: [Page.Request],
      change: [RegionPolicy.PolicyKey, Version, RegionPolicy.RegionPolicyChange],
      remove: [RegionPolicy.PolicyKey, Version]
    }),
    audit: Service.make(ActivityLog, {
      record: [NewActivity],
      list: [ActivityRequest],
      head: [],
      keys: [],
      exportAfter: [CheckpointNumber, Service.optional(ActivityFormat)],
      owners: [],
      verify: [ActivityVerify]
    }),
    subjects: Service.make(
      SubjectRequests,
      {
        create: [NewSubjectRequest],
        get: [SubjectRequestId],
        list: [Page.Request],
        part: [SubjectRequestId, PartNumber],
        createForTenant: [TenantId]
      },
      { internal: ["finish", "runDue", "prune"] }
    )
  },
  internalServices: [ActivitySeals, ConsoleSessions, FlagUsage],
  contracts: Layer.merge(ActivityLog.layerAudit, RegionPolicies.layerPolicy),
  jobs: [
    seal,
    sweep,
    retain,
    pruneSessions,
    runSubjectRequests,
    pruneSubjectParts,
    pruneFlagUsage,
    applyFlagRequests,
    pruneFlagRequests
  ],
  partitions: [Retention.partitions, decisionPartitions],
  subjectData: SubjectData.join([Erasure.subjectData, SubjectTables.subjectData]),
  settings: Settings.settings,
  checks: [expiringKeys, ActivityChecks.signed, ActivityChecks.sealed, FlagChecks.stale, FlagChecks.conflicts]
})
