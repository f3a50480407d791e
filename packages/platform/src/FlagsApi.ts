/**
 * The HTTP groups of flags and segments: schemas and endpoints.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import {
  Environment,
  FeatureFlag,
  FlagChange,
  FlagDiff,
  FlagEnvironment,
  FlagKey,
  FlagReason,
  FlagRollback,
  FlagVersion,
  NewFeatureFlag
} from "./FeatureFlag.ts"
import {
  FlagApprovalRequired,
  FlagEnvironmentNotFound,
  FlagExists,
  FlagInUse,
  FlagInvalid,
  FlagLimitReached,
  FlagNotFound,
  FlagRevisionBusy,
  FlagVersionNotFound
} from "./FlagProblems.ts"
import { FlagExplanation } from "./FlagEvaluation.ts"
import {
  FlagSegment,
  FlagSegmentChange,
  FlagSegmentExists,
  FlagSegmentNotFound,
  NewFlagSegment,
  SegmentKey
} from "./FlagSegment.ts"

const { PreconditionRequired, Tagged, VersionStale } = Precondition
const created = HttpApiSchema.status(201)
const conditional = [PreconditionRequired, VersionStale] as const
const refused = [FlagInvalid, FlagInUse, FlagApprovalRequired, FlagRevisionBusy] as const
const flagParams = { flagKey: FlagKey }
const segmentParams = { segmentKey: SegmentKey }

/** A version in a query. */
const VersionNumber = Schema.NumberFromString.check(
  Schema.isInt(),
  Schema.isBetween({ minimum: 1, maximum: 2_147_483_647 })
)

/**
 * @category api
 * @since 0.1.0
 */
export class FlagGroup extends Endpoint.group(
  "flags",
  {
    title: "Flags",
    description:
      "A flag serves one of its variants to each customer, by ordered rules and per environment. Every change is a version that can be compared and restored. SDKs evaluate through their own protocols, such as OFREP under `/ofrep/v1`."
  },
  HttpApiEndpoint.post("createFlag", "/v1/platform/flags", {
    headers: IdempotencyKey.Headers,
    payload: NewFeatureFlag,
    success: Tagged(FeatureFlag.pipe(created)),
    error: [FlagExists, FlagLimitReached, ...refused, ...IdempotencyKey.errors]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "flag.created"),
  HttpApiEndpoint.get("listFlags", "/v1/platform/flags", {
    query: Page.Query,
    success: Page.schema(FeatureFlag),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "flags:read"),
  HttpApiEndpoint.get("getFlag", "/v1/platform/flags/:flagKey", {
    params: flagParams,
    success: Tagged(FeatureFlag),
    error: FlagNotFound
  }).annotate(RequiredScope, "flags:read"),
  HttpApiEndpoint.patch("changeFlag", "/v1/platform/flags/:flagKey", {
    params: flagParams,
    headers: Precondition.Headers,
    payload: FlagChange,
    success: Tagged(FeatureFlag),
    error: [FlagNotFound, FlagExists, ...refused, ...conditional]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "flag.changed"),
  HttpApiEndpoint.put("setEnvironment", "/v1/platform/flags/:flagKey/environments/:environment", {
    params: { ...flagParams, environment: Environment },
    headers: Precondition.Headers,
    payload: FlagEnvironment,
    success: Tagged(FeatureFlag),
    error: [FlagNotFound, ...refused, ...conditional]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "flag.environment-set"),
  HttpApiEndpoint.post("killFlag", "/v1/platform/flags/:flagKey/environments/:environment/kill", {
    params: { ...flagParams, environment: Environment },
    payload: FlagReason,
    success: Tagged(FeatureFlag),
    error: [FlagNotFound, FlagEnvironmentNotFound, ...refused]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "flag.killed"),
  HttpApiEndpoint.post("archiveFlag", "/v1/platform/flags/:flagKey/archive", {
    params: flagParams,
    headers: Precondition.Headers,
    payload: FlagReason,
    success: Tagged(FeatureFlag),
    error: [FlagNotFound, ...refused, ...conditional]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "flag.archived"),
  HttpApiEndpoint.post("rollBackFlag", "/v1/platform/flags/:flagKey/rollback", {
    params: flagParams,
    headers: Precondition.Headers,
    payload: FlagRollback,
    success: Tagged(FeatureFlag),
    error: [FlagNotFound, FlagVersionNotFound, ...refused, ...conditional]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "flag.rolled-back"),
  HttpApiEndpoint.get("listVersions", "/v1/platform/flags/:flagKey/versions", {
    params: flagParams,
    query: Page.Query,
    success: Page.schema(FlagVersion),
    error: [FlagNotFound, Page.CursorInvalid]
  }).annotate(RequiredScope, "flags:read"),
  HttpApiEndpoint.get("diffFlag", "/v1/platform/flags/:flagKey/diff", {
    params: flagParams,
    query: { from: Schema.optionalKey(VersionNumber), to: Schema.optionalKey(VersionNumber) },
    success: FlagDiff,
    error: [FlagNotFound, FlagVersionNotFound]
  }).annotate(RequiredScope, "flags:read"),
  HttpApiEndpoint.post("explainFlag", "/v1/platform/flags/:flagKey/explain", {
    params: flagParams,
    payload: Schema.Struct({
      environment: Environment,
      context: Schema.Record(Schema.String, Schema.Json)
    }),
    success: FlagExplanation,
    error: FlagNotFound
  })
    .annotate(RequiredScope, "flags:read")
    .annotate(NotAudited, "evaluates and writes nothing")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class FlagSegmentGroup extends Endpoint.group(
  "segments",
  {
    title: "Segments",
    description:
      "A segment is a named condition that rules of several flags refer to. Changing it changes every flag that uses it, in all environments at once."
  },
  HttpApiEndpoint.post("createSegment", "/v1/platform/segments", {
    headers: IdempotencyKey.Headers,
    payload: NewFlagSegment,
    success: Tagged(FlagSegment.pipe(created)),
    error: [FlagSegmentExists, FlagLimitReached, ...refused, ...IdempotencyKey.errors]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "segment.created"),
  HttpApiEndpoint.get("listSegments", "/v1/platform/segments", {
    query: Page.Query,
    success: Page.schema(FlagSegment),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "flags:read"),
  HttpApiEndpoint.get("getSegment", "/v1/platform/segments/:segmentKey", {
    params: segmentParams,
    success: Tagged(FlagSegment),
    error: FlagSegmentNotFound
  }).annotate(RequiredScope, "flags:read"),
  HttpApiEndpoint.patch("changeSegment", "/v1/platform/segments/:segmentKey", {
    params: segmentParams,
    headers: Precondition.Headers,
    payload: FlagSegmentChange,
    success: Tagged(FlagSegment),
    error: [FlagSegmentNotFound, ...refused, ...conditional]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "segment.changed"),
  HttpApiEndpoint.delete("removeSegment", "/v1/platform/segments/:segmentKey", {
    params: segmentParams,
    headers: Precondition.Headers,
    success: HttpApiSchema.NoContent,
    error: [FlagSegmentNotFound, ...refused, ...conditional]
  })
    .annotate(RequiredScope, "flags:write")
    .annotate(Audited, "segment.removed")
) {}

/**
 * The groups alone, for this package's handlers and tests; apps add them to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class FlagsApi extends HttpApi.make(Api.id).add(FlagGroup).add(FlagSegmentGroup) {}
