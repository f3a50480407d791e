/**
 * Handlers of the HTTP groups of notifications.
 *
 * @since 0.1.0
 */
import * as AccessScope from "@hypermarket/core/AccessScope"
import * as AuditedReading from "@hypermarket/core/AuditedReading"
import * as IdempotentRequests from "@hypermarket/core/IdempotentRequests"
import * as Storage from "@hypermarket/core/Storage"
import * as Withheld from "@hypermarket/core/Withheld"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { NotificationBrandings } from "./NotificationBrandings.ts"
import { NotificationMappings } from "./NotificationMappings.ts"
import { NotificationPreferences } from "./NotificationPreferences.ts"
import { NotificationProfile } from "./NotificationProfile.ts"
import { NotificationProfiles } from "./NotificationProfiles.ts"
import { make as recipientOf } from "./NotificationRecipient.ts"
import { Notifications } from "./Notifications.ts"
import { NotificationsApi } from "./NotificationsApi.ts"
import { NotificationSuppressions } from "./NotificationSuppressions.ts"
import { NewNotificationTemplate, NotificationTemplate } from "./NotificationTemplate.ts"
import { NotificationTemplatesApi } from "./NotificationTemplatesApi.ts"
import { NotificationTemplates } from "./NotificationTemplates.ts"

const asItems = <A>(items: ReadonlyArray<A>) => ({ items })

const notifications = HttpApiBuilder.group(
  NotificationsApi,
  "notifications",
  Effect.fn(function* (handlers) {
    const service = yield* Notifications
    return handlers.handleAll({
      trigger: ({ payload }) => service.trigger(payload).pipe(Storage.orUnavailable),
      cancel: ({ payload }) => service.cancel(payload.key).pipe(Storage.orUnavailable),
      explain: ({ payload }) => service.explain(payload).pipe(Effect.map(asItems), Storage.orUnavailable),
      list: ({ query }) => service.list(query).pipe(Storage.orUnavailable),
      get: ({ params }) => service.get(params.notificationId).pipe(Storage.orUnavailable)
    })
  })
)

const mappings = HttpApiBuilder.group(
  NotificationsApi,
  "notificationMappings",
  Effect.fn(function* (handlers) {
    const service = yield* NotificationMappings
    return handlers.handleAll({
      setMapping: ({ payload }) => service.set(payload).pipe(Storage.orUnavailable),
      listMappings: () => service.list.pipe(Effect.map(asItems), Storage.orUnavailable),
      removeMapping: ({ params }) => service.remove(params.mapping).pipe(Storage.orUnavailable)
    })
  })
)

const draftTemplate = IdempotentRequests.create({
  operation: "notifications.draftTemplate",
  payload: Schema.toCodecJson(NewNotificationTemplate),
  answer: Schema.toCodecJson(NotificationTemplate)
})

const templates = HttpApiBuilder.group(
  NotificationTemplatesApi,
  "templates",
  Effect.fn(function* (handlers) {
    const service = yield* NotificationTemplates
    const draftOnce = yield* draftTemplate
    return handlers.handleAll({
      draftTemplate: ({ headers, payload }) =>
        draftOnce({ headers, payload }, service.draft(payload)).pipe(Storage.orUnavailable),
      listTemplates: ({ query }) => service.list(query).pipe(Storage.orUnavailable),
      getTemplate: ({ params }) =>
        service.get(params.template, params.templateVersion).pipe(Storage.orUnavailable),
      publishTemplate: ({ params }) =>
        service.publish(params.template, params.templateVersion).pipe(Storage.orUnavailable),
      archiveTemplate: ({ params }) =>
        service.archive(params.template, params.templateVersion).pipe(Storage.orUnavailable),
      previewTemplate: ({ params, payload }) =>
        service.preview(params.template, params.templateVersion, payload).pipe(Storage.orUnavailable)
    })
  })
)

const branding = HttpApiBuilder.group(
  NotificationTemplatesApi,
  "branding",
  Effect.fn(function* (handlers) {
    const service = yield* NotificationBrandings
    return handlers.handleAll({
      set: ({ payload }) => service.set(payload).pipe(Storage.orUnavailable),
      get: () => service.get.pipe(Storage.orUnavailable)
    })
  })
)

/** Name and address are those of a person; language, zone and quiet hours say when and how to write. */
const profile = Withheld.unless(
  AccessScope.contact,
  (found: NotificationProfile) =>
    new NotificationProfile({ ...found, email: null, name: null, withheld: [AccessScope.contact] })
)

const profiles = HttpApiBuilder.group(
  NotificationsApi,
  "profiles",
  Effect.fn(function* (handlers) {
    const service = yield* NotificationProfiles
    const readings = AuditedReading.make(yield* SqlClient.SqlClient)
    return handlers.handleAll({
      setProfile: ({ payload }) =>
        Effect.all([service.set(payload), profile]).pipe(
          Effect.map(([set, shown]) => shown(set)),
          Storage.orUnavailable
        ),
      getProfile: Effect.fnUntraced(function* ({ params }) {
        const found = yield* service.get(recipientOf(params.kind, params.recipientId))
        const shown = (yield* profile)(found)
        if (shown.withheld === undefined) {
          yield* readings.record({
            action: "profile.contact-read",
            target: { type: params.kind, id: params.recipientId }
          })
        }
        return shown
      }, Storage.orUnavailable),
      changeList: ({ payload }) => service.changeList(payload).pipe(Storage.orUnavailable),
      setDefaults: ({ payload }) => service.setDefaults(payload).pipe(Storage.orUnavailable),
      getDefaults: () => service.getDefaults.pipe(Storage.orUnavailable)
    })
  })
)

const preferences = HttpApiBuilder.group(
  NotificationsApi,
  "preferences",
  Effect.fn(function* (handlers) {
    const service = yield* NotificationPreferences
    return handlers.handleAll({
      setCategory: ({ payload }) => service.setCategory(payload).pipe(Storage.orUnavailable),
      categories: () => service.categories.pipe(Effect.map(asItems), Storage.orUnavailable),
      setPreference: ({ payload }) => service.set(payload).pipe(Storage.orUnavailable),
      get: ({ payload }) => service.get(payload.to).pipe(Effect.map(asItems), Storage.orUnavailable)
    })
  })
)

const suppressions = HttpApiBuilder.group(
  NotificationsApi,
  "suppressions",
  Effect.fn(function* (handlers) {
    const service = yield* NotificationSuppressions
    return handlers.handleAll({
      add: ({ payload }) => service.add(payload).pipe(Storage.orUnavailable),
      findSuppression: ({ payload }) => service.find(payload.address).pipe(Storage.orUnavailable),
      liftSuppression: ({ payload }) => service.lift(payload.address).pipe(Storage.orUnavailable)
    })
  })
)

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.mergeAll(
  notifications,
  mappings,
  templates,
  branding,
  profiles,
  preferences,
  suppressions
)
