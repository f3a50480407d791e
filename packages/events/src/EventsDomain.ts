/**
 * Events as a domain.
 *
 * @since 0.1.0
 */
import * as Domain from "@hypermarket/core/Domain"
import * as Handler from "@hypermarket/core/Handler"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Job from "@hypermarket/core/Job"
import { OutboundAddress } from "@hypermarket/core/OutboundAddress"
import { OutboundHttp } from "@hypermarket/core/OutboundHttp"
import { alertsMax } from "@hypermarket/core/Overview"
import * as Page from "@hypermarket/core/Page"
import { Version } from "@hypermarket/core/Precondition"
import { Secrets } from "@hypermarket/core/Secrets"
import * as Service from "@hypermarket/core/Service"
import type { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as QueueChecks from "@hypermarket/queue/QueueChecks"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as CloudEvent from "./CloudEvent.ts"
import {
  AnyQueueName,
  DeadRequest,
  Discard,
  JobRequest,
  NewQueueJobs,
  QueueChange,
  Redrive
} from "./EventQueue.ts"
import { EventQueues } from "./EventQueues.ts"
import { EventName } from "./EventState.ts"
import { Backfill, RetainedTypes } from "./EventRetention.ts"
import * as EventPersistedQueue from "./EventPersistedQueue.ts"
import * as Events from "./Events.ts"
import { migrations } from "./EventsMigrations.ts"
import {
  NewSubscription,
  QueueName,
  SubscriptionChange,
  SubscriptionId,
  SubscriptionName,
  WantedSubscription
} from "./EventSubscription.ts"
import { EventSubscriptions } from "./EventSubscriptions.ts"
import * as DoorWorker from "./internal/doorWorker.ts"
import { DomainNames } from "./internal/reads.ts"
import * as HandlerCheck from "./internal/handlerCheck.ts"
import { partitions } from "./internal/partitions.ts"
import * as ScheduleCheck from "./internal/scheduleCheck.ts"
import * as WebhookFanOut from "./internal/webhookFanOut.ts"
import * as WorkflowCheck from "./internal/workflow/check.ts"
import * as WorkflowOverview from "./internal/workflow/overview.ts"
import * as EventWorker from "./EventWorker.ts"
import { NewSchedule, ScheduleId } from "./JobSchedule.ts"
import { JobSchedules } from "./JobSchedules.ts"
import * as Overview from "./internal/overview.ts"
import { EndpointId, NewWebhook, WebhookChange, WebhookRotation } from "./Webhook.ts"
import { DeliveryId, DeliveryQuery, Replay } from "./WebhookDelivery.ts"
import * as WebhookOverview from "./WebhookOverview.ts"
import { Webhooks } from "./Webhooks.ts"
import { WebhookSender } from "./WebhookSender.ts"
import { ExecutionId, ListRequest, NewExecution, NewSignal, WorkflowRetry } from "./WorkflowExecution.ts"
import { WorkflowExecutions } from "./WorkflowExecutions.ts"
import * as WorkflowMaintenance from "./WorkflowMaintenance.ts"
import * as EventsSubjectData from "./EventsSubjectData.ts"

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  EventSubscriptions.layer,
  EventQueues.layer,
  JobSchedules.layer,
  WorkflowExecutions.layer,
  WorkflowMaintenance.WorkflowMaintenance.layer,
  Events.Events.layer,
  Layer.mergeAll(Webhooks.layer, WebhookSender.layer).pipe(
    Layer.provide([Secrets.layer, Layer.provide(OutboundHttp.layer, OutboundAddress.layer)])
  )
)

/** Jobs of one call are of one tenant, and one round serves them all. */
const dispatchBatchMax = 100

const dispatch = Handler.make<WebhookSender | Tenant>({
  queue: WebhookFanOut.dispatchQueue,
  batchMax: dispatchBatchMax,
  concurrency: 2,
  run: () => Effect.flatMap(WebhookSender, (sender) => sender.dispatch)
})

/** Slots of a worker: each holds a socket and a body, so that 200 hanging receivers cost a process about 50 MiB. */
const attemptsAtOnce = 200

const attempt = Handler.make<WebhookSender | Tenant>({
  queue: WebhookFanOut.attemptQueue,
  concurrency: attemptsAtOnce,
  // The request has 15 seconds; the rest is for the statements before and after it.
  deadline: "30 seconds",
  retry: { attempts: 1, base: "1 second", max: "1 second" },
  run: (jobs) =>
    Effect.flatMap(WebhookSender, (sender) =>
      Effect.forEach(jobs, ({ payload }) => sender.attempt(payload), { discard: true })
    )
})

const sweep = Job.scheduled<WebhookSender | AllTenants>({
  name: "events.webhook.sweep",
  every: "5 seconds",
  run: Effect.flatMap(WebhookSender, (sender) => sender.sweep)
})

const prune = Job.scheduled<WebhookSender | AllTenants>({
  name: "events.webhook.prune",
  every: "1 hour",
  deadline: "10 minutes",
  run: Effect.flatMap(WebhookSender, (sender) => sender.prune)
})

/**
 * @category domains
 * @since 0.1.0
 */
export const domain = Domain.make({
  name: "events",
  tables: ["hm_event_", "hm_job_scheduler", "hm_webhook_", "hm_workflow_"],
  migrations,
  layer,
  contracts: Events.layerOutbox,
  services: {
    events: Service.make(Events.Events, { publish: [CloudEvent.Publications], state: [EventName] }),
    queues: Service.make(EventQueues, {
      list: [],
      get: [AnyQueueName],
      minutes: [AnyQueueName],
      change: [AnyQueueName, Version, QueueChange],
      setPaused: [AnyQueueName, Schema.Boolean],
      enqueue: [QueueName, NewQueueJobs],
      job: [AnyQueueName, Identifier.Uuid],
      cancel: [AnyQueueName, Identifier.Uuid],
      jobs: [AnyQueueName, JobRequest],
      payload: [AnyQueueName, Identifier.Uuid],
      dead: [AnyQueueName, DeadRequest],
      deadGroups: [AnyQueueName],
      redrive: [AnyQueueName, Redrive],
      discard: [AnyQueueName, Discard]
    }),
    subscriptions: Service.make(EventSubscriptions, {
      create: [NewSubscription, Service.optional(DomainNames)],
      ensure: [SubscriptionName, WantedSubscription],
      get: [SubscriptionId],
      list: [Page.Request],
      change: [SubscriptionId, Version, SubscriptionChange],
      remove: [SubscriptionId, Version]
    }),
    schedules: Service.make(JobSchedules, {
      create: [NewSchedule],
      get: [ScheduleId],
      list: [Page.Request],
      setPaused: [ScheduleId, Version, Schema.Boolean],
      remove: [ScheduleId, Version],
      runNow: [ScheduleId],
      runs: [ScheduleId],
      tick: []
    }),
    webhooks: Service.make(Webhooks, {
      create: [NewWebhook, Service.optional(DomainNames)],
      get: [EndpointId],
      list: [Page.Request],
      change: [EndpointId, Version, WebhookChange],
      remove: [EndpointId, Version],
      rotate: [EndpointId, WebhookRotation],
      pause: [EndpointId],
      enable: [EndpointId],
      test: [EndpointId],
      deliveries: [DeliveryQuery],
      attempts: [EndpointId, DeliveryId],
      replay: [Replay],
      retention: [],
      retain: [Version, RetainedTypes],
      backfill: [Backfill]
    }),
    workflows: Service.make(WorkflowExecutions, {
      start: [NewExecution],
      get: [ExecutionId],
      list: [ListRequest],
      tasks: [ExecutionId, Page.Request],
      signal: [ExecutionId, NewSignal],
      cancel: [ExecutionId],
      kill: [ExecutionId],
      resume: [ExecutionId],
      retry: [ExecutionId, WorkflowRetry]
    })
  },
  internalServices: [WebhookSender, WorkflowMaintenance.WorkflowMaintenance],
  jobs: [sweep, prune, WorkflowMaintenance.prune, EventPersistedQueue.prune],
  handlers: [dispatch, attempt, WorkflowMaintenance.clocks, WorkflowMaintenance.events],
  register: EventWorker.register,
  worker: DoorWorker.run,
  checks: [
    ...QueueChecks.make(Events.prefix),
    HandlerCheck.check,
    ScheduleCheck.check,
    WebhookOverview.check,
    WorkflowCheck.check
  ],
  partitions,
  queueFingerprint: Overview.queueFingerprint,
  alerts: Effect.map(
    Effect.all([Overview.alerts, WebhookOverview.alerts, WorkflowOverview.alerts]),
    (parts) => parts.flat().slice(0, alertsMax)
  ),
  timeline: Overview.merged([WebhookOverview.timeline, WorkflowOverview.timeline]),
  lookup: Overview.lookup,
  subjectData: EventsSubjectData.subjectData
})
