/**
 * The HTTP groups of change requests and of environments that ask for approvals: schemas and endpoints.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { Environment, FlagReason } from "./FeatureFlag.ts"
import {
  FlagApprovalPolicy,
  FlagApprovalPolicyChange,
  FlagChangeRequest,
  FlagRequestId,
  FlagRequestStatus,
  NewFlagChangeRequest
} from "./FlagChangeRequest.ts"
import {
  FlagApprovalRequired,
  FlagApproverIsAuthor,
  FlagEnvironmentNotFound,
  FlagExists,
  FlagInUse,
  FlagInvalid,
  FlagLimitReached,
  FlagNotFound,
  FlagRequestNotFound,
  FlagRequestNotOpen,
  FlagRequestStale,
  FlagRevisionBusy,
  FlagVersionNotFound
} from "./FlagProblems.ts"

const { PreconditionRequired, Tagged, VersionStale } = Precondition
const stepRefused = [
  FlagNotFound,
  FlagInvalid,
  FlagInUse,
  FlagExists,
  FlagEnvironmentNotFound,
  FlagVersionNotFound,
  FlagApprovalRequired,
  FlagRevisionBusy,
  FlagRequestStale
] as const
const path = "/v1/platform/flag-requests"
const params = { requestId: FlagRequestId }

/**
 * @category api
 * @since 0.1.0
 */
export class FlagRequestGroup extends Endpoint.group(
  "flagRequests",
  {
    title: "Change requests of flags",
    description:
      "A change request holds steps that change a flag: when a second person approves it, at their times, or both. It names the version of the flag that its author has seen. It never overwrites a later change: its approval is refused then, and a scheduled one becomes a `conflict`."
  },
  HttpApiEndpoint.post("create", path, {
    headers: IdempotencyKey.Headers,
    payload: NewFlagChangeRequest,
    success: FlagChangeRequest.pipe(HttpApiSchema.status(201)),
    error: [...stepRefused, FlagLimitReached, ...IdempotencyKey.errors]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "flag-request.created"),
  HttpApiEndpoint.get("list", path, {
    query: { ...Page.Query, status: Schema.optionalKey(FlagRequestStatus) },
    success: Page.schema(FlagChangeRequest),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "flags:read"),
  HttpApiEndpoint.get("get", `${path}/:requestId`, {
    params,
    success: FlagChangeRequest,
    error: FlagRequestNotFound
  }).annotate(RequiredScope, "flags:read"),
  HttpApiEndpoint.post("approve", `${path}/:requestId/approve`, {
    params,
    success: FlagChangeRequest,
    error: [...stepRefused, FlagRequestNotFound, FlagRequestNotOpen, FlagApproverIsAuthor]
  })
    .annotate(RequiredScope, "flags:admin")
    .annotate(Audited, "flag-request.approved"),
  HttpApiEndpoint.post("close", `${path}/:requestId/close`, {
    params,
    payload: FlagReason,
    success: FlagChangeRequest,
    error: [FlagRequestNotFound, FlagRequestNotOpen]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "flag-request.closed")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class FlagEnvironmentGroup extends Endpoint.group(
  "flagEnvironments",
  {
    title: "Environments of flags",
    description:
      "An environment can ask for a second person: its flags then change by approved change requests alone. Turning a flag off with `kill` needs none."
  },
  HttpApiEndpoint.get("list", "/v1/platform/flag-environments", {
    query: Page.Query,
    success: Page.schema(FlagApprovalPolicy),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "flags:read"),
  HttpApiEndpoint.get("get", "/v1/platform/flag-environments/:environment", {
    params: { environment: Environment },
    success: Tagged(FlagApprovalPolicy)
  }).annotate(RequiredScope, "flags:read"),
  HttpApiEndpoint.put("set", "/v1/platform/flag-environments/:environment", {
    params: { environment: Environment },
    headers: Precondition.Headers,
    payload: FlagApprovalPolicyChange,
    success: Tagged(FlagApprovalPolicy),
    error: [FlagRevisionBusy, PreconditionRequired, VersionStale]
  })
    .annotate(RequiredScope, "flags:admin")
    .annotate(Audited, "flag-environment.set")
) {}

/**
 * The groups alone, for this package's handlers and tests; apps add them to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class FlagRequestsApi extends HttpApi.make(Api.id).add(FlagRequestGroup).add(FlagEnvironmentGroup) {}
