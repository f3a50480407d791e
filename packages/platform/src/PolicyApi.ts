/**
 * The HTTP groups of region policies: schemas and endpoints only.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { RequestDeadline, RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import { PolicyDecision, PolicyDecisionFilter } from "./PolicyDecision.ts"
import {
  NewRegionPolicy,
  PolicyDryRun,
  PolicyDryRunReport,
  PolicyExists,
  PolicyInvalid,
  PolicyKey,
  PolicyLimitReached,
  PolicyNotFound,
  PolicyQuestion,
  PolicyTie,
  RegionDecision,
  RegionPolicy,
  RegionPolicyChange
} from "./RegionPolicy.ts"

const created = HttpApiSchema.status(201)
const conditional = [Precondition.PreconditionRequired, Precondition.VersionStale] as const

/** The endpoints of policies, below a path. The tenant's and the installation's are alike. */
const policyEndpoints = <const Path extends `/${string}`>(path: Path) =>
  [
    HttpApiEndpoint.post("createPolicy", path, {
      headers: IdempotencyKey.Headers,
      payload: NewRegionPolicy,
      success: Precondition.Tagged(RegionPolicy.pipe(created)),
      error: [PolicyExists, PolicyTie, PolicyInvalid, PolicyLimitReached, ...IdempotencyKey.errors]
    })
      .annotate(Audited, "region-policy.created")
      .annotate(RequiredScope, "policy:admin"),
    HttpApiEndpoint.get("listPolicies", path, {
      query: Page.Query,
      success: Page.schema(RegionPolicy),
      error: Page.CursorInvalid
    }).annotate(RequiredScope, "policy:read"),
    HttpApiEndpoint.get("getPolicy", `${path}/:policyKey`, {
      params: { policyKey: PolicyKey },
      success: Precondition.Tagged(RegionPolicy),
      error: PolicyNotFound
    }).annotate(RequiredScope, "policy:read"),
    HttpApiEndpoint.put("changePolicy", `${path}/:policyKey`, {
      params: { policyKey: PolicyKey },
      headers: Precondition.Headers,
      payload: RegionPolicyChange,
      success: Precondition.Tagged(RegionPolicy),
      error: [PolicyNotFound, PolicyTie, PolicyInvalid, ...conditional]
    })
      .annotate(Audited, "region-policy.changed")
      .annotate(RequiredScope, "policy:admin"),
    HttpApiEndpoint.delete("removePolicy", `${path}/:policyKey`, {
      params: { policyKey: PolicyKey },
      headers: Precondition.Headers,
      success: HttpApiSchema.NoContent,
      error: [PolicyNotFound, ...conditional]
    })
      .annotate(Audited, "region-policy.removed")
      .annotate(RequiredScope, "policy:admin")
  ] as const

/**
 * The tenant's policies and the decisions by them.
 *
 * @category api
 * @since 0.1.0
 */
export class PolicyGroup extends Endpoint.group(
  "policy",
  {
    title: "Region policies",
    description:
      "A region policy is a rule of law as dated data: within its scope it denies or allows actions, requires something, or sets a value. It names its legal basis and source. A deny wins; of values the most specific one does. What is unknown never allows. The policies of the installation bind every tenant, and a tenant can only narrow them."
  },
  ...policyEndpoints("/v1/platform/policies"),
  HttpApiEndpoint.get("listVersions", "/v1/platform/policies/:policyKey/versions", {
    params: { policyKey: PolicyKey },
    query: Page.Query,
    success: Page.schema(RegionPolicy),
    error: [PolicyNotFound, Page.CursorInvalid]
  }).annotate(RequiredScope, "policy:read"),
  HttpApiEndpoint.post("decide", "/v1/platform/policy/decisions", {
    payload: PolicyQuestion,
    success: RegionDecision
  })
    .annotate(NotAudited, "the log of decisions has it")
    .annotate(RequiredScope, "policy:read"),
  HttpApiEndpoint.get("decisions", "/v1/platform/policy/decisions", {
    query: { ...Page.Query, ...PolicyDecisionFilter },
    success: Page.schema(PolicyDecision),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "policy:read"),
  HttpApiEndpoint.post("dryRun", "/v1/platform/policy/dry-runs", {
    payload: PolicyDryRun,
    success: PolicyDryRunReport,
    error: [PolicyTie, PolicyInvalid]
  })
    .annotate(NotAudited, "decides and writes nothing")
    .annotate(RequiredScope, "policy:read")
    .annotate(RequestDeadline, "10 seconds")
) {}

/**
 * The policies of the installation, for the tenant-less `system:admin` credential.
 *
 * @category api
 * @since 0.1.0
 */
export class InstallationPolicyGroup extends Endpoint.systemGroup(
  "installationPolicies",
  {
    title: "Policies of the installation",
    description:
      "Region policies that bind every tenant, or the one that `tenant` names. Tenants can narrow them and cannot lift them. These operations need the tenant-less credential."
  },
  ...policyEndpoints("/v1/platform/installation/policies")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class PolicyApi extends HttpApi.make(Api.id).add(PolicyGroup).add(InstallationPolicyGroup) {}
