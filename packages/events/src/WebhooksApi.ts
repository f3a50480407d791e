/**
 * The HTTP group of webhooks. Schemas and endpoints only.
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
import { SecretsNotConfigured } from "@hypermarket/core/SecretsNotConfigured"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { BackfillSelection, EventRetention, RetainedTypes } from "./EventRetention.ts"
import {
  EndpointId,
  IssuedWebhook,
  NewWebhook,
  WebhookChange,
  WebhookEndpoint,
  WebhookInvalid,
  WebhookLimit,
  WebhookNotFound,
  WebhookRotation,
  WebhookSecretLimit
} from "./Webhook.ts"
import {
  DeliveryId,
  DeliveryNotFound,
  DeliveryState,
  ReplaySelection,
  WebhookAttempt,
  WebhookDelivery
} from "./WebhookDelivery.ts"

const { PreconditionRequired, Tagged, VersionStale } = Precondition
const created = HttpApiSchema.status(201)
const conditional = [PreconditionRequired, VersionStale] as const
const params = { endpointId: EndpointId }

/** Statements over all deliveries of an endpoint, up to 10,000. */
const bulkDeadline = "10 seconds"

/**
 * @category api
 * @since 0.1.0
 */
export class WebhookGroup extends Endpoint.group(
  "webhooks",
  {
    title: "Webhooks",
    description:
      "A webhook endpoint gets the tenant's events by HTTP POST, signed as Standard Webhooks 1.0 describes. A delivery that fails is tried ten times over three days. What an endpoint missed is kept and can be replayed."
  },
  HttpApiEndpoint.post("createWebhook", "/v1/events/webhooks", {
    headers: IdempotencyKey.Headers,
    payload: NewWebhook,
    success: Tagged(IssuedWebhook.pipe(created)),
    error: [WebhookInvalid, WebhookLimit, SecretsNotConfigured, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "webhook.created")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.get("listWebhooks", "/v1/events/webhooks", {
    query: Page.Query,
    success: Page.schema(WebhookEndpoint),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.get("getWebhook", "/v1/events/webhooks/:endpointId", {
    params,
    success: Tagged(WebhookEndpoint),
    error: WebhookNotFound
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.patch("changeWebhook", "/v1/events/webhooks/:endpointId", {
    params,
    headers: Precondition.Headers,
    payload: WebhookChange,
    success: Tagged(WebhookEndpoint),
    error: [WebhookNotFound, WebhookInvalid, ...conditional]
  })
    .annotate(Audited, "webhook.changed")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.delete("removeWebhook", "/v1/events/webhooks/:endpointId", {
    params,
    headers: Precondition.Headers,
    success: HttpApiSchema.NoContent,
    error: [WebhookNotFound, ...conditional]
  })
    .annotate(Audited, "webhook.removed")
    .annotate(RequiredScope, "events:admin")
    .annotate(RequestDeadline, bulkDeadline),
  HttpApiEndpoint.post("rotateWebhook", "/v1/events/webhooks/:endpointId/rotate", {
    params,
    headers: IdempotencyKey.Headers,
    payload: WebhookRotation,
    success: IssuedWebhook,
    error: [
      WebhookNotFound,
      WebhookInvalid,
      WebhookSecretLimit,
      SecretsNotConfigured,
      ...IdempotencyKey.errors
    ]
  })
    .annotate(Audited, "webhook.rotated")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.post("pauseWebhook", "/v1/events/webhooks/:endpointId/pause", {
    params,
    success: WebhookEndpoint,
    error: WebhookNotFound
  })
    .annotate(Audited, "webhook.paused")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.post("enableWebhook", "/v1/events/webhooks/:endpointId/enable", {
    params,
    success: WebhookEndpoint,
    error: WebhookNotFound
  })
    .annotate(Audited, "webhook.enabled")
    .annotate(RequiredScope, "events:admin")
    .annotate(RequestDeadline, bulkDeadline),
  HttpApiEndpoint.post("testWebhook", "/v1/events/webhooks/:endpointId/test", {
    params,
    success: WebhookDelivery.pipe(HttpApiSchema.status(202)),
    error: WebhookNotFound
  })
    .annotate(NotAudited, "a delivery is its own record")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.get("deliveries", "/v1/events/webhooks/:endpointId/deliveries", {
    params,
    query: { ...Page.Query, state: Schema.optionalKey(DeliveryState) },
    success: Page.schema(WebhookDelivery),
    error: [WebhookNotFound, Page.CursorInvalid]
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.get("attempts", "/v1/events/webhooks/:endpointId/deliveries/:deliveryId/attempts", {
    params: { endpointId: EndpointId, deliveryId: DeliveryId },
    success: Schema.Struct({ items: Schema.Array(WebhookAttempt) }),
    error: DeliveryNotFound
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.post("replay", "/v1/events/webhooks/:endpointId/replay", {
    params,
    payload: ReplaySelection,
    success: Schema.Struct({ replayed: Schema.Int }),
    error: WebhookNotFound
  })
    .annotate(Audited, "webhook.replayed")
    .annotate(RequiredScope, "events:admin")
    .annotate(RequestDeadline, bulkDeadline),
  HttpApiEndpoint.post("backfillWebhook", "/v1/events/webhooks/:endpointId/backfill", {
    params,
    payload: BackfillSelection,
    success: Schema.Struct({ delivered: Schema.Int }),
    error: WebhookNotFound
  })
    .annotate(Audited, "webhook.backfilled")
    .annotate(RequiredScope, "events:admin")
    .annotate(RequestDeadline, bulkDeadline),
  HttpApiEndpoint.get("retention", "/v1/events/retention", {
    success: Tagged(EventRetention)
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.put("retain", "/v1/events/retention", {
    headers: Precondition.Headers,
    payload: RetainedTypes,
    success: Tagged(EventRetention),
    error: conditional
  })
    .annotate(Audited, "events.retained")
    .annotate(RequiredScope, "events:admin")
) {}

/**
 * The group alone, for this package's handlers and tests; apps add it to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class WebhooksApi extends HttpApi.make(Api.id).add(WebhookGroup) {}
