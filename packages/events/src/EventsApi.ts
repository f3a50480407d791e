/**
 * The HTTP groups of events: publishing, queues, schedules, subscriptions. Schemas and endpoints only.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Authorization, RequestDeadline, RequiredScope } from "@hypermarket/core/Authorization"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import { StorageUnavailable } from "@hypermarket/core/Storage"
import { QueueOverloaded } from "@hypermarket/core/WorkQueue"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { EventInvalid } from "./CloudEvent.ts"
import {
  AnyQueueName,
  DeadJob,
  Discard,
  EventQueue,
  JobNotFound,
  JobRunning,
  QueueChange,
  QueuedJob,
  QueueMinute,
  QueueNotFound,
  Redrive
} from "./EventQueue.ts"
import { EventConflict, Receipt } from "./Receipt.ts"
import {
  EventSubscription,
  NewSubscription,
  SubscriptionChange,
  SubscriptionId,
  SubscriptionNotFound
} from "./EventSubscription.ts"
import {
  JobSchedule,
  NewSchedule,
  ScheduleExists,
  ScheduleId,
  ScheduleInvalid,
  ScheduleNotFound
} from "./JobScheduler.ts"

const { PreconditionRequired, Tagged, VersionStale } = Precondition
const created = HttpApiSchema.status(201)
const conditional = [PreconditionRequired, VersionStale] as const

/**
 * The content type is none of CloudEvents'.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContentTypeUnsupported extends HttpApiError.Problem<ContentTypeUnsupported>()(
  "ContentTypeUnsupported",
  {
    type: "urn:hypermarket:problem:core:media-type-unsupported",
    status: 415,
    title: "This endpoint does not accept this content type"
  }
) {}

/**
 * There is no fact of this type.
 *
 * @category errors
 * @since 0.1.0
 */
export class FactUnknown extends HttpApiError.Problem<FactUnknown>()(
  "FactUnknown",
  {
    type: "urn:hypermarket:problem:events:fact-unknown",
    status: 404,
    title: "There is no fact of this type"
  },
  { fact: Schema.String }
) {}

/**
 * The largest body of a publication, in bytes: a batch of facts.
 *
 * @category limits
 * @since 0.1.0
 */
export const publishBytesMax = 8 * 1024 * 1024

/**
 * @category api
 * @since 0.1.0
 */
export class EventGroup extends HttpApiGroup.make("events")
  .add(
    /**
     * Publishes in one of CloudEvents' content modes: `application/cloudevents+json`, `application/cloudevents-batch+json`,
     * or `application/json` with `ce-` headers. All or nothing. No Idempotency-Key: source and id are the key.
     */
    HttpApiEndpoint.post("publish", "/v1/events", {
      payload: Schema.Json,
      success: Schema.Struct({ items: Schema.Array(Receipt) }).pipe(HttpApiSchema.status(202)),
      error: [EventInvalid, EventConflict, ContentTypeUnsupported, StorageUnavailable]
    })
      .annotate(RequiredScope, "events:write")
      .annotate(RequestDeadline, "10 seconds")
  )
  .middleware(Authorization)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(OpenApi.Title, "Events") {}

/**
 * What is the same for every tenant.
 *
 * @category api
 * @since 0.1.0
 */
export class FactGroup extends HttpApiGroup.make("facts")
  .add(
    /** The JSON Schema of a fact's `data`. */
    HttpApiEndpoint.get("factSchema", "/v1/events/schemas/:type", {
      params: { type: Schema.String },
      success: Schema.Json,
      error: [FactUnknown, StorageUnavailable]
    }).annotate(RequiredScope, "events:read")
  )
  .middleware(Authorization)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotate(OpenApi.Title, "Facts") {}

/**
 * @category api
 * @since 0.1.0
 */
export class QueueGroup extends HttpApiGroup.make("queues")
  .add(
    HttpApiEndpoint.get("listQueues", "/v1/events/queues", {
      success: Schema.Struct({ items: Schema.Array(EventQueue) }),
      error: StorageUnavailable
    })
      .annotate(RequiredScope, "events:read")
      .annotate(RequestDeadline, "10 seconds"),
    HttpApiEndpoint.get("getQueue", "/v1/events/queues/:queue", {
      params: { queue: AnyQueueName },
      success: Tagged(EventQueue),
      error: [QueueNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "events:read"),
    HttpApiEndpoint.get("listMinutes", "/v1/events/queues/:queue/minutes", {
      params: { queue: AnyQueueName },
      success: Schema.Struct({ items: Schema.Array(QueueMinute) }),
      error: [QueueNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "events:read"),
    HttpApiEndpoint.patch("changeQueue", "/v1/events/queues/:queue", {
      params: { queue: AnyQueueName },
      headers: Precondition.Headers,
      payload: QueueChange,
      success: Tagged(EventQueue),
      error: [QueueNotFound, ...conditional, StorageUnavailable]
    }).annotate(RequiredScope, "events:admin"),
    HttpApiEndpoint.post("pauseQueue", "/v1/events/queues/:queue/pause", {
      params: { queue: AnyQueueName },
      success: HttpApiSchema.NoContent,
      error: [QueueNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "events:admin"),
    HttpApiEndpoint.post("resumeQueue", "/v1/events/queues/:queue/resume", {
      params: { queue: AnyQueueName },
      success: HttpApiSchema.NoContent,
      error: [QueueNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "events:admin"),
    HttpApiEndpoint.get("getJob", "/v1/events/queues/:queue/jobs/:jobId", {
      params: { queue: AnyQueueName, jobId: Identifier.Uuid },
      success: QueuedJob,
      error: [JobNotFound, StorageUnavailable]
    })
      .annotate(RequiredScope, "events:read")
      .annotate(RequestDeadline, "10 seconds"),
    HttpApiEndpoint.post("cancelJob", "/v1/events/queues/:queue/jobs/:jobId/cancel", {
      params: { queue: AnyQueueName, jobId: Identifier.Uuid },
      success: HttpApiSchema.NoContent,
      error: [JobNotFound, JobRunning, StorageUnavailable]
    })
      .annotate(RequiredScope, "events:admin")
      .annotate(RequestDeadline, "10 seconds"),
    HttpApiEndpoint.get("listDead", "/v1/events/queues/:queue/dead", {
      params: { queue: AnyQueueName },
      query: Page.Query,
      success: Page.schema(DeadJob),
      error: [QueueNotFound, Page.CursorInvalid, StorageUnavailable]
    }).annotate(RequiredScope, "events:read"),
    HttpApiEndpoint.post("redrive", "/v1/events/queues/:queue/redrive", {
      params: { queue: AnyQueueName },
      payload: Redrive,
      success: Schema.Struct({ redriven: Schema.Int }),
      error: [QueueNotFound, StorageUnavailable]
    })
      .annotate(RequiredScope, "events:admin")
      .annotate(RequestDeadline, "10 seconds"),
    HttpApiEndpoint.post("discard", "/v1/events/queues/:queue/discard", {
      params: { queue: AnyQueueName },
      payload: Discard,
      success: Schema.Struct({ discarded: Schema.Int }),
      error: [QueueNotFound, StorageUnavailable]
    })
      .annotate(RequiredScope, "events:admin")
      .annotate(RequestDeadline, "10 seconds")
  )
  .middleware(Authorization)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(OpenApi.Title, "Queues") {}

/**
 * @category api
 * @since 0.1.0
 */
export class SubscriptionGroup extends HttpApiGroup.make("subscriptions")
  .add(
    HttpApiEndpoint.post("createSubscription", "/v1/events/subscriptions", {
      headers: IdempotencyKey.Headers,
      payload: NewSubscription,
      success: Tagged(EventSubscription.pipe(created)),
      error: [...IdempotencyKey.errors, StorageUnavailable]
    }).annotate(RequiredScope, "events:admin"),
    HttpApiEndpoint.get("listSubscriptions", "/v1/events/subscriptions", {
      query: Page.Query,
      success: Page.schema(EventSubscription),
      error: [Page.CursorInvalid, StorageUnavailable]
    }).annotate(RequiredScope, "events:read"),
    HttpApiEndpoint.get("getSubscription", "/v1/events/subscriptions/:subscriptionId", {
      params: { subscriptionId: SubscriptionId },
      success: Tagged(EventSubscription),
      error: [SubscriptionNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "events:read"),
    HttpApiEndpoint.patch("changeSubscription", "/v1/events/subscriptions/:subscriptionId", {
      params: { subscriptionId: SubscriptionId },
      headers: Precondition.Headers,
      payload: SubscriptionChange,
      success: Tagged(EventSubscription),
      error: [SubscriptionNotFound, ...conditional, StorageUnavailable]
    }).annotate(RequiredScope, "events:admin"),
    HttpApiEndpoint.delete("removeSubscription", "/v1/events/subscriptions/:subscriptionId", {
      params: { subscriptionId: SubscriptionId },
      headers: Precondition.Headers,
      success: HttpApiSchema.NoContent,
      error: [SubscriptionNotFound, ...conditional, StorageUnavailable]
    }).annotate(RequiredScope, "events:admin")
  )
  .middleware(Authorization)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(OpenApi.Title, "Subscriptions") {}

/**
 * @category api
 * @since 0.1.0
 */
export class ScheduleGroup extends HttpApiGroup.make("schedules")
  .add(
    HttpApiEndpoint.post("createSchedule", "/v1/events/schedules", {
      headers: IdempotencyKey.Headers,
      payload: NewSchedule,
      success: Tagged(JobSchedule.pipe(created)),
      error: [ScheduleInvalid, ScheduleExists, ...IdempotencyKey.errors, StorageUnavailable]
    }).annotate(RequiredScope, "events:admin"),
    HttpApiEndpoint.get("listSchedules", "/v1/events/schedules", {
      query: Page.Query,
      success: Page.schema(JobSchedule),
      error: [Page.CursorInvalid, StorageUnavailable]
    }).annotate(RequiredScope, "events:read"),
    HttpApiEndpoint.get("getSchedule", "/v1/events/schedules/:scheduleId", {
      params: { scheduleId: ScheduleId },
      success: Tagged(JobSchedule),
      error: [ScheduleNotFound, StorageUnavailable]
    }).annotate(RequiredScope, "events:read"),
    HttpApiEndpoint.patch("changeSchedule", "/v1/events/schedules/:scheduleId", {
      params: { scheduleId: ScheduleId },
      headers: Precondition.Headers,
      payload: Schema.Struct({ paused: Schema.Boolean }),
      success: Tagged(JobSchedule),
      error: [ScheduleNotFound, ...conditional, StorageUnavailable]
    }).annotate(RequiredScope, "events:admin"),
    HttpApiEndpoint.post("runSchedule", "/v1/events/schedules/:scheduleId/run", {
      params: { scheduleId: ScheduleId },
      success: HttpApiSchema.NoContent,
      error: [ScheduleNotFound, QueueOverloaded, StorageUnavailable]
    }).annotate(RequiredScope, "events:write"),
    HttpApiEndpoint.delete("removeSchedule", "/v1/events/schedules/:scheduleId", {
      params: { scheduleId: ScheduleId },
      headers: Precondition.Headers,
      success: HttpApiSchema.NoContent,
      error: [ScheduleNotFound, ...conditional, StorageUnavailable]
    }).annotate(RequiredScope, "events:admin")
  )
  .middleware(Authorization)
  .middleware(HttpApiMiddleware.ProblemDetails)
  .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
  .annotate(HttpApi.QueryParseOptions, { onExcessProperty: "error" })
  .annotate(OpenApi.Title, "Schedules") {}

/**
 * The groups alone, for this package's handlers and tests; apps add them to their own API of the same id.
 *
 * @category api
 * @since 0.1.0
 */
export class EventsApi extends HttpApi.make(Api.id)
  .add(EventGroup)
  .add(FactGroup)
  .add(QueueGroup)
  .add(SubscriptionGroup)
  .add(ScheduleGroup) {}
