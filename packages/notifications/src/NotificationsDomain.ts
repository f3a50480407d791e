/**
 * Notifications as a domain.
 *
 * @since 0.1.0
 */
import * as Commerce from "@hypermarket/core/Commerce"
import * as Domain from "@hypermarket/core/Domain"
import * as Handler from "@hypermarket/core/Handler"
import * as Job from "@hypermarket/core/Job"
import * as Migrations from "@hypermarket/core/Migrations"
import { Version } from "@hypermarket/core/Precondition"
import * as Page from "@hypermarket/core/Page"
import * as Secrets from "@hypermarket/core/Secrets"
import * as Service from "@hypermarket/core/Service"
import { SignedToken } from "@hypermarket/core/SignedToken"
import * as Subscription from "@hypermarket/core/Subscription"
import type { AllTenants, Tenant } from "@hypermarket/core/Tenant"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import manifest from "../package.json" with { type: "json" }
import { CaughtMessages } from "./CaughtMessages.ts"
import * as Checks from "./internal/checks.ts"
import * as Facts from "./internal/facts.ts"
import * as Jobs from "./internal/jobs.ts"
import { CompiledTemplates } from "./internal/template/compiledTemplates.ts"
import { MailProvider } from "./MailProvider.ts"
import * as Identifier from "@hypermarket/core/Identifier"
import { ExplainRequest, NewNotification, NotificationKey } from "./Notification.ts"
import { NewNotificationBranding } from "./NotificationBranding.ts"
import { NotificationBrandings } from "./NotificationBrandings.ts"
import { NotificationDelivery } from "./NotificationDelivery.ts"
import { NotificationFeedback } from "./NotificationFeedback.ts"
import { NotificationMaintenance } from "./NotificationMaintenance.ts"
import { NewNotificationMapping } from "./NotificationMapping.ts"
import * as NotificationMappings from "./NotificationMappings.ts"
import {
  NewNotificationCategory,
  NewNotificationPreference,
  UnsubscribeClaims
} from "./NotificationPreference.ts"
import {
  Address,
  ListChange,
  NewNotificationDefaults,
  NewNotificationProfile
} from "./NotificationProfile.ts"
import { NewNotificationSuppression } from "./NotificationSuppression.ts"
import { NotificationPreferences } from "./NotificationPreferences.ts"
import { NotificationProfiles } from "./NotificationProfiles.ts"
import { Name, Recipient } from "./NotificationRecipient.ts"
import { Notifications } from "./Notifications.ts"
import * as Settings from "./NotificationsSettings.ts"
import { NotificationSuppressions } from "./NotificationSuppressions.ts"
import { NewNotificationTemplate, PreviewRequest } from "./NotificationTemplate.ts"
import { NotificationTemplates } from "./NotificationTemplates.ts"
import notification from "./migrations/0001_notification.ts"
import feedback from "./migrations/0002_feedback.ts"
import feedbackIndex from "./migrations/0003_feedback_index.ts"
import dueByTenant from "./migrations/0004_due_by_tenant.ts"
import payloadSchema from "./migrations/0005_payload_schema.ts"
import leaseUntil from "./migrations/0006_lease_until.ts"
import messageById from "./migrations/0007_message_by_id.ts"
import layoutOfTemplates from "./migrations/0008_layout.ts"
import * as NotificationsSubjectData from "./NotificationsSubjectData.ts"

/**
 * The services of this package.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  Notifications.layer,
  NotificationTemplates.layer,
  NotificationBrandings.layer,
  CaughtMessages.layer,
  NotificationProfiles.layer,
  NotificationPreferences.layer,
  NotificationMappings.NotificationMappings.layer,
  NotificationMaintenance.layer,
  NotificationFeedback.layer,
  NotificationDelivery.layer
).pipe(
  Layer.provideMerge(NotificationSuppressions.layer),
  Layer.provide([MailProvider.layer, CompiledTemplates.layer]),
  Layer.provide(SignedToken.layer),
  Layer.provide(Secrets.Secrets.layer)
)

const profiles = Subscription.make<NotificationProfiles | Tenant>({
  name: "notifications.profile",
  types: [Commerce.typeOf("customer.changed"), Commerce.typeOf("seller.changed")],
  handler: Effect.fnUntraced(function* (events) {
    const service = yield* NotificationProfiles
    const { profiles, rejections } = yield* Facts.profilesOf(events)
    yield* service.record(profiles)
    return rejections
  })
})

const mappings = Subscription.make<NotificationMappings.NotificationMappings | Tenant>({
  name: "notifications.mapping",
  types: NotificationMappings.types,
  handler: Effect.fnUntraced(function* (events) {
    const service = yield* NotificationMappings.NotificationMappings
    return yield* service.record(events)
  })
})

/**
 * These handlers fail when the database does, and not by what they send: an outage must not postpone mail beyond its end.
 * Half an hour in all, then the job that looks for lost messages takes over.
 */
const retry: Job.Retry = { attempts: 60, base: "1 second", max: "30 seconds" }

const decodeTrigger = Schema.decodeUnknownEffect(Jobs.TriggerJob)

const triggers = Handler.make<Notifications | Tenant>({
  queue: Jobs.triggerQueue,
  retry,
  run: Effect.fnUntraced(function* (jobs) {
    const service = yield* Notifications
    for (const job of jobs) yield* service.expand((yield* decodeTrigger(job.payload)).triggerId)
  })
})

const email = Handler.make<NotificationDelivery | Tenant>({
  queue: Jobs.emailQueue,
  retry,
  run: Effect.fnUntraced(function* (jobs) {
    const delivery = yield* NotificationDelivery
    for (const job of jobs) yield* delivery.run(job.payload)
  })
})

const recover = Job.scheduled<NotificationMaintenance | AllTenants>({
  name: "notifications.message.recover",
  every: "1 minute",
  run: Effect.flatMap(NotificationMaintenance, (maintenance) => Effect.asVoid(maintenance.recover))
})

const prune = Job.scheduled<NotificationMaintenance | AllTenants>({
  name: "notifications.message.prune",
  every: "1 hour",
  deadline: "5 minutes",
  run: Effect.flatMap(NotificationMaintenance, (maintenance) => maintenance.prune)
})

/**
 * @category domains
 * @since 0.1.0
 */
export const domain = Domain.make({
  name: "notifications",
  tables: ["hm_notification_", "hm_user_preference"],
  migrations: Migrations.make(
    "notifications",
    {
      "0001_notification": notification,
      "0002_feedback": feedback,
      "0003_feedback_index": feedbackIndex,
      "0004_due_by_tenant": dueByTenant,
      "0005_payload_schema": payloadSchema,
      "0006_lease_until": leaseUntil,
      "0007_message_by_id": messageById,
      "0008_layout": layoutOfTemplates
    },
    { release: manifest.version }
  ),
  layer,
  services: {
    notifications: Service.make(
      Notifications,
      {
        trigger: [NewNotification],
        cancel: [NotificationKey],
        explain: [ExplainRequest],
        get: [Identifier.Uuid],
        list: [Page.Request]
      },
      { internal: ["expand"] }
    ),
    templates: Service.make(NotificationTemplates, {
      draft: [NewNotificationTemplate],
      publish: [Name, Version],
      archive: [Name, Version],
      get: [Name, Version],
      list: [Page.Request],
      preview: [Name, Version, PreviewRequest]
    }),
    branding: Service.make(NotificationBrandings, { set: [NewNotificationBranding], get: [] }),
    preferences: Service.make(NotificationPreferences, {
      setCategory: [NewNotificationCategory],
      categories: [],
      set: [NewNotificationPreference],
      get: [Recipient],
      unsubscribe: [UnsubscribeClaims]
    }),
    profiles: Service.make(
      NotificationProfiles,
      {
        set: [NewNotificationProfile],
        get: [Recipient],
        changeList: [ListChange],
        setDefaults: [NewNotificationDefaults],
        getDefaults: []
      },
      { internal: ["record"] }
    ),
    suppressions: Service.make(
      NotificationSuppressions,
      { add: [NewNotificationSuppression], find: [Address], lift: [Address] },
      { internal: ["reasons", "suppressReported"] }
    ),
    caughtMessages: Service.make(CaughtMessages, { list: [Page.Request], source: [Identifier.Uuid] }),
    notificationMappings: Service.make(
      NotificationMappings.NotificationMappings,
      { set: [NewNotificationMapping], list: [], remove: [Name] },
      { internal: ["record"] }
    )
  },
  internalServices: [MailProvider, NotificationDelivery, NotificationFeedback, NotificationMaintenance],
  jobs: [recover, prune],
  subscriptions: [profiles, mappings],
  handlers: [triggers, email],
  checks: [Checks.delivery, Checks.backlog],
  settings: Settings.settings,
  subjectData: NotificationsSubjectData.subjectData
})
