/**
 * The HTTP groups of events: publishing, queues, schedules, subscriptions. Schemas and endpoints only.
 *
 * @since 0.1.0
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as Api from "@hypermarket/core/Api"
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { RequestDeadline, RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import * as Precondition from "@hypermarket/core/Precondition"
import { BodyBytesMax } from "@hypermarket/core/RequestBody"
import * as Text from "@hypermarket/core/Text"
import { QueueOverloaded } from "@hypermarket/queue/QueueJob"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { EventInvalid } from "./EventInvalid.ts"
import {
  AnyQueueName,
  DeadGroup,
  DeadJob,
  DeadQuery,
  Discard,
  EventQueue,
  JobNotFound,
  JobPayload,
  JobQuery,
  JobRunning,
  ListedJob,
  QueueChange,
  QueuedJob,
  QueueMinute,
  QueueNotFound,
  Redrive
} from "./EventQueue.ts"
import { PublicationNotFound, EventQuery, EventState } from "./EventState.ts"
import { EventConflict, Receipt } from "./Receipt.ts"
import {
  EventSubscription,
  NewSubscription,
  SubscriptionChange,
  SubscriptionId,
  SubscriptionNotFound
} from "./EventSubscription.ts"
import { batchMax, WireEvent } from "./internal/eventAttributes.ts"
import {
  JobSchedule,
  NewSchedule,
  ScheduleExists,
  ScheduleId,
  ScheduleInvalid,
  ScheduleLimit,
  ScheduleNotFound,
  ScheduleRun
} from "./JobSchedule.ts"

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

const WireEvents = Schema.Array(WireEvent).check(Schema.isMaxLength(batchMax))

/**
 * @category api
 * @since 0.1.0
 */
export class EventGroup extends Endpoint.group(
  "events",
  {
    title: "Events",
    description:
      "An event is a fact that happened, in the CloudEvents 1.0 envelope. Publishing is idempotent by `source` and `id`. Published events reach the domains' handlers and the tenant's subscriptions, at least once."
  },
  /**
   * Publishes in one of CloudEvents' content modes: `application/cloudevents+json`, `application/cloudevents-batch+json`,
   * or `application/json` with `ce-` headers. All or nothing. No Idempotency-Key: source and id are the key.
   */
  HttpApiEndpoint.post("publish", "/v1/events", {
    // The structured mode first: the reference shows its event as the sample of a request.
    payload: [
      WireEvent.pipe(HttpApiSchema.asJson({ contentType: "application/cloudevents+json" })),
      WireEvents.pipe(HttpApiSchema.asJson({ contentType: "application/cloudevents-batch+json" })),
      Schema.Union([WireEvent, WireEvents])
    ],
    success: Schema.Struct({ items: Schema.Array(Receipt) }).pipe(HttpApiSchema.status(202)),
    error: [EventInvalid, EventConflict, ContentTypeUnsupported]
  })
    .annotate(NotAudited, "events are their own record")
    .annotate(RequiredScope, "events:write")
    .annotate(RequestDeadline, "10 seconds")
    .annotate(BodyBytesMax, publishBytesMax),
  /** By query and not by path: a source is a URI. */
  HttpApiEndpoint.get("state", "/v1/events/state", {
    query: EventQuery,
    success: EventState,
    error: PublicationNotFound
  })
    .annotate(RequiredScope, "events:read")
    .annotate(RequestDeadline, "10 seconds")
) {}

/**
 * The schemas of facts, the same for every tenant.
 *
 * @category api
 * @since 0.1.0
 */
export class FactGroup extends Endpoint.group(
  "facts",
  {
    title: "Facts",
    description:
      "A fact is an event whose `data` has a schema that every domain understands, for example `order.placed`."
  },
  /** The JSON Schema of a fact's `data`. */
  HttpApiEndpoint.get("factSchema", "/v1/events/schemas/:type", {
    params: { type: Text.make({ max: 200 }) },
    success: Schema.Json,
    error: FactUnknown
  }).annotate(RequiredScope, "events:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class QueueGroup extends Endpoint.group(
  "queues",
  {
    title: "Queues",
    description:
      "A queue holds the jobs of one handler or subscription. Jobs that fail are retried with backoff; after the last attempt they are in the dead-letter queue until they are redriven or discarded."
  },
  HttpApiEndpoint.get("listQueues", "/v1/events/queues", {
    success: Schema.Struct({ items: Schema.Array(EventQueue) })
  })
    .annotate(RequiredScope, "events:read")
    .annotate(RequestDeadline, "10 seconds"),
  HttpApiEndpoint.get("getQueue", "/v1/events/queues/:queue", {
    params: { queue: AnyQueueName },
    success: Tagged(EventQueue),
    error: QueueNotFound
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.get("minutes", "/v1/events/queues/:queue/minutes", {
    params: { queue: AnyQueueName },
    success: Schema.Struct({ items: Schema.Array(QueueMinute) }),
    error: QueueNotFound
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.patch("changeQueue", "/v1/events/queues/:queue", {
    params: { queue: AnyQueueName },
    headers: Precondition.Headers,
    payload: QueueChange,
    success: Tagged(EventQueue),
    error: [QueueNotFound, ...conditional]
  })
    .annotate(Audited, "queue.changed")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.post("pauseQueue", "/v1/events/queues/:queue/pause", {
    params: { queue: AnyQueueName },
    success: HttpApiSchema.NoContent,
    error: QueueNotFound
  })
    .annotate(Audited, "queue.paused")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.post("resumeQueue", "/v1/events/queues/:queue/resume", {
    params: { queue: AnyQueueName },
    success: HttpApiSchema.NoContent,
    error: QueueNotFound
  })
    .annotate(Audited, "queue.resumed")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.get("job", "/v1/events/queues/:queue/jobs/:jobId", {
    params: { queue: AnyQueueName, jobId: Identifier.Uuid },
    success: QueuedJob,
    error: JobNotFound
  })
    .annotate(RequiredScope, "events:read")
    .annotate(RequestDeadline, "10 seconds"),
  HttpApiEndpoint.get("jobs", "/v1/events/queues/:queue/jobs", {
    params: { queue: AnyQueueName },
    query: JobQuery,
    success: Page.schema(ListedJob),
    error: [QueueNotFound, Page.CursorInvalid]
  })
    .annotate(RequiredScope, "events:read")
    .annotate(RequestDeadline, "10 seconds"),
  /** Payloads hold data of customers: reading one needs a scope that reading a queue does not give. */
  HttpApiEndpoint.get("payload", "/v1/events/queues/:queue/jobs/:jobId/payload", {
    params: { queue: AnyQueueName, jobId: Identifier.Uuid },
    success: JobPayload,
    error: JobNotFound
  })
    .annotate(RequiredScope, AccessScope.payload)
    .annotate(RequestDeadline, "10 seconds"),
  HttpApiEndpoint.post("cancel", "/v1/events/queues/:queue/jobs/:jobId/cancel", {
    params: { queue: AnyQueueName, jobId: Identifier.Uuid },
    success: HttpApiSchema.NoContent,
    error: [JobNotFound, JobRunning]
  })
    .annotate(Audited, "job.cancelled")
    .annotate(RequiredScope, "events:admin")
    .annotate(RequestDeadline, "10 seconds"),
  HttpApiEndpoint.get("dead", "/v1/events/queues/:queue/dead", {
    params: { queue: AnyQueueName },
    query: DeadQuery,
    success: Page.schema(DeadJob),
    error: [QueueNotFound, Page.CursorInvalid]
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.get("deadGroups", "/v1/events/queues/:queue/dead/groups", {
    params: { queue: AnyQueueName },
    success: Schema.Struct({ items: Schema.Array(DeadGroup) }),
    error: QueueNotFound
  })
    .annotate(RequiredScope, "events:read")
    .annotate(RequestDeadline, "10 seconds"),
  HttpApiEndpoint.post("redrive", "/v1/events/queues/:queue/redrive", {
    params: { queue: AnyQueueName },
    payload: Redrive,
    success: Schema.Struct({ redriven: Schema.Int }),
    error: QueueNotFound
  })
    .annotate(Audited, "queue.redriven")
    .annotate(RequiredScope, "events:admin")
    .annotate(RequestDeadline, "10 seconds"),
  HttpApiEndpoint.post("discard", "/v1/events/queues/:queue/discard", {
    params: { queue: AnyQueueName },
    payload: Discard,
    success: Schema.Struct({ discarded: Schema.Int }),
    error: QueueNotFound
  })
    .annotate(Audited, "queue.discarded")
    .annotate(RequiredScope, "events:admin")
    .annotate(RequestDeadline, "10 seconds")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class SubscriptionGroup extends Endpoint.group(
  "subscriptions",
  {
    title: "Subscriptions",
    description:
      "A subscription copies events of the types it names to a queue of the tenant, where the tenant's worker handles them. Or each event starts an execution of a workflow, or is a signal for one."
  },
  HttpApiEndpoint.post("createSubscription", "/v1/events/subscriptions", {
    headers: IdempotencyKey.Headers,
    payload: NewSubscription,
    success: Tagged(EventSubscription.pipe(created)),
    error: [...IdempotencyKey.errors]
  })
    .annotate(Audited, "subscription.created")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.get("listSubscriptions", "/v1/events/subscriptions", {
    query: Page.Query,
    success: Page.schema(EventSubscription),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.get("getSubscription", "/v1/events/subscriptions/:subscriptionId", {
    params: { subscriptionId: SubscriptionId },
    success: Tagged(EventSubscription),
    error: SubscriptionNotFound
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.patch("changeSubscription", "/v1/events/subscriptions/:subscriptionId", {
    params: { subscriptionId: SubscriptionId },
    headers: Precondition.Headers,
    payload: SubscriptionChange,
    success: Tagged(EventSubscription),
    error: [SubscriptionNotFound, ...conditional]
  })
    .annotate(Audited, "subscription.changed")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.delete("removeSubscription", "/v1/events/subscriptions/:subscriptionId", {
    params: { subscriptionId: SubscriptionId },
    headers: Precondition.Headers,
    success: HttpApiSchema.NoContent,
    error: [SubscriptionNotFound, ...conditional]
  })
    .annotate(Audited, "subscription.removed")
    .annotate(RequiredScope, "events:admin")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class ScheduleGroup extends Endpoint.group(
  "schedules",
  {
    title: "Schedules",
    description:
      "A schedule enqueues a job at times given by a cron expression in a time zone, or at an interval."
  },
  HttpApiEndpoint.post("createSchedule", "/v1/events/schedules", {
    headers: IdempotencyKey.Headers,
    payload: NewSchedule,
    success: Tagged(JobSchedule.pipe(created)),
    error: [ScheduleInvalid, ScheduleExists, ScheduleLimit, ...IdempotencyKey.errors]
  })
    .annotate(Audited, "schedule.created")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.get("listSchedules", "/v1/events/schedules", {
    query: Page.Query,
    success: Page.schema(JobSchedule),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.get("getSchedule", "/v1/events/schedules/:scheduleId", {
    params: { scheduleId: ScheduleId },
    success: Tagged(JobSchedule),
    error: ScheduleNotFound
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.patch("changeSchedule", "/v1/events/schedules/:scheduleId", {
    params: { scheduleId: ScheduleId },
    headers: Precondition.Headers,
    payload: Schema.Struct({ paused: Schema.Boolean }),
    success: Tagged(JobSchedule),
    error: [ScheduleNotFound, ...conditional]
  })
    .annotate(Audited, "schedule.changed")
    .annotate(RequiredScope, "events:admin"),
  HttpApiEndpoint.post("runNow", "/v1/events/schedules/:scheduleId/run", {
    params: { scheduleId: ScheduleId },
    success: HttpApiSchema.NoContent,
    error: [ScheduleNotFound, QueueOverloaded]
  })
    .annotate(Audited, "schedule.run")
    .annotate(RequiredScope, "events:write"),
  HttpApiEndpoint.get("runs", "/v1/events/schedules/:scheduleId/runs", {
    params: { scheduleId: ScheduleId },
    success: Schema.Struct({ items: Schema.Array(ScheduleRun) }),
    error: ScheduleNotFound
  }).annotate(RequiredScope, "events:read"),
  HttpApiEndpoint.delete("removeSchedule", "/v1/events/schedules/:scheduleId", {
    params: { scheduleId: ScheduleId },
    headers: Precondition.Headers,
    success: HttpApiSchema.NoContent,
    error: [ScheduleNotFound, ...conditional]
  })
    .annotate(Audited, "schedule.removed")
    .annotate(RequiredScope, "events:admin")
) {}

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
