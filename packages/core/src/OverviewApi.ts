/**
 * The HTTP API over all domains of a tenant: what needs an operator, what happened to a subject, and where an id is.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as AccessScope from "./AccessScope.ts"
import * as Api from "./Api.ts"
import { RequestDeadline, RequiredScope } from "./Authorization.ts"
import * as BoundedInt from "./BoundedInt.ts"
import * as Cursor from "./Cursor.ts"
import * as Endpoint from "./Endpoint.ts"
import * as Overview from "./Overview.ts"
import * as Page from "./Page.ts"
import * as Text from "./Text.ts"
import { TooManyStreams } from "./TooManyStreams.ts"

/**
 * A domain that is not in an answer, and why: the key lacks `<domain>:read`, or the domain was late or failed.
 *
 * @category models
 * @since 0.1.0
 */
export const Missing = Schema.Struct({
  domain: Schema.String,
  reason: Schema.Literals(["scope-missing", "late", "failed"])
})

const domain = { domain: Schema.String }
const missing = { missing: Schema.Array(Missing) }

/**
 * @category models
 * @since 0.1.0
 */
export const OverviewAlerts = Schema.Struct({
  items: Schema.Array(Schema.Struct({ ...domain, ...Overview.Alert.fields })),
  ...missing
})

/**
 * @category models
 * @since 0.1.0
 */
export const OverviewTimeline = Schema.Struct({
  items: Schema.Array(Schema.Struct({ ...domain, ...Overview.TimelineItem.fields })),
  nextCursor: Schema.NullOr(Schema.String),
  ...missing
})

/**
 * @category models
 * @since 0.1.0
 */
export const OverviewMatches = Schema.Struct({
  items: Schema.Array(Schema.Struct({ ...domain, ...Overview.Match.fields })),
  ...missing
})

/**
 * The topics of a stream, `alerts` and `queues`: one, or both separated by a comma.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Topics = Schema.String.check(
  Schema.isPattern(/^(alerts|queues)(,(alerts|queues))?$/, { message: "Expected alerts, queues or both" })
)

/** Ids of the shop are at most this long. */
const idLengthMax = 200

/**
 * @category api
 * @since 0.1.0
 */
export class OverviewGroup extends Endpoint.group(
  "overview",
  {
    title: "Overview",
    description:
      "Answers over all domains at once. Any key of the tenant may ask. A domain that the key may not read, or that did not answer within 800 ms, is named in `missing`; the others are there."
  },
  HttpApiEndpoint.get("listAlerts", "/v1/overview/alerts", { success: OverviewAlerts }).annotate(
    RequiredScope,
    AccessScope.everyKey
  ),
  HttpApiEndpoint.get("getTimeline", "/v1/overview/timeline/:kind/:id", {
    params: { kind: Overview.SubjectKind, id: Text.make({ max: idLengthMax }) },
    query: {
      limit: Schema.optionalKey(BoundedInt.fromText({ minimum: 1, maximum: Page.limitMax })),
      cursor: Schema.optionalKey(Cursor.Cursor)
    },
    success: OverviewTimeline,
    error: Page.CursorInvalid
  }).annotate(RequiredScope, AccessScope.everyKey),
  HttpApiEndpoint.get("watch", "/v1/overview/live", {
    query: { topics: Topics },
    success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/event-stream" })),
    error: TooManyStreams
  })
    .annotate(RequiredScope, AccessScope.everyKey)
    .annotate(RequestDeadline, Duration.infinity),
  HttpApiEndpoint.get("find", "/v1/overview/search", {
    query: { q: Text.make({ max: idLengthMax }) },
    success: OverviewMatches
  }).annotate(RequiredScope, AccessScope.everyKey)
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class OverviewApi extends HttpApi.make(Api.id).add(OverviewGroup) {}
