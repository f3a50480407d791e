/**
 * The HTTP group of the activity log: schemas and endpoints only.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { MayRunLong, RequestDeadline, RequiredScope } from "@hypermarket/core/Authorization"
import * as BoundedInt from "@hypermarket/core/BoundedInt"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as Page from "@hypermarket/core/Page"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import {
  Activity,
  ActivityFilter,
  ActivityFormat,
  ActivityHead,
  ActivityKey,
  ActivityReport,
  ActivityVerify
} from "./Activity.ts"

/**
 * @category api
 * @since 0.1.0
 */
export class ActivityGroup extends Endpoint.group(
  "audit",
  {
    title: "Activity log",
    description:
      "The activity log has one row per change: who did what to which target, with the target before and after. Checkpoints seal the rows each minute, so that a row that is changed, removed, moved or added later is found. Keep the head elsewhere: it proves that the end was not dropped. Reading the log is recorded in it."
  },
  HttpApiEndpoint.get("list", "/v1/platform/activity", {
    query: { ...Page.Query, ...ActivityFilter },
    success: Page.schema(Activity),
    error: Page.CursorInvalid
  })
    .annotate(Audited, "activity.read")
    .annotate(RequiredScope, "audit:read"),
  HttpApiEndpoint.get("head", "/v1/platform/activity/head", {
    success: Schema.Struct({ head: Schema.NullOr(ActivityHead), keys: Schema.Array(ActivityKey) })
  }).annotate(RequiredScope, "audit:read"),
  HttpApiEndpoint.get("keys", "/v1/platform/activity/keys", {
    success: Schema.Struct({ items: Schema.Array(ActivityKey) })
  }).annotate(RequiredScope, "audit:read"),
  HttpApiEndpoint.get("exportActivity", "/v1/platform/activity/export", {
    query: {
      after: Schema.optionalKey(BoundedInt.fromText({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
      format: Schema.optionalKey(ActivityFormat)
    },
    success: [
      Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/x-ndjson" })),
      Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/csv" }))
    ]
  })
    .annotate(Audited, "activity.exported")
    .annotate(RequiredScope, "audit:read")
    .annotate(RequestDeadline, "20 seconds")
    .annotate(MayRunLong, true),
  HttpApiEndpoint.post("verify", "/v1/platform/activity/verify", {
    payload: ActivityVerify,
    success: ActivityReport
  })
    .annotate(NotAudited, "reads only")
    .annotate(RequiredScope, "audit:read")
    .annotate(RequestDeadline, "20 seconds")
    .annotate(MayRunLong, true)
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class ActivityApi extends HttpApi.make(Api.id).add(ActivityGroup) {}
