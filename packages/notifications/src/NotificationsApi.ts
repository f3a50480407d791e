/**
 * The HTTP groups of notifications: schemas and endpoints only. The prose is in `NotificationsReference.ts`.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as Identifier from "@hypermarket/core/Identifier"
import * as Page from "@hypermarket/core/Page"
import { SecretsNotConfigured } from "@hypermarket/core/SecretsNotConfigured"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import {
  ExplainRequest,
  Explanation,
  NewNotification,
  NotificationCancellation,
  NotificationKey,
  NotificationKeyReused,
  NotificationMessage,
  NotificationNotFound,
  NotificationPayloadInvalid,
  NotificationRefused,
  NotificationTrigger
} from "./Notification.ts"
import {
  NewNotificationMapping,
  NotificationMapping,
  NotificationMappingNotFound
} from "./NotificationMapping.ts"
import {
  NewNotificationCategory,
  NewNotificationPreference,
  NotificationCategory,
  NotificationCategoryNotFound,
  NotificationCategoryRequired,
  NotificationLimit,
  NotificationPreference
} from "./NotificationPreference.ts"
import {
  Address,
  ListChange,
  NewNotificationDefaults,
  NewNotificationProfile,
  NotificationDefaults,
  NotificationProfile,
  NotificationProfileNotFound
} from "./NotificationProfile.ts"
import {
  NewNotificationSuppression,
  NotificationSuppression,
  NotificationSuppressionNotFound
} from "./NotificationSuppression.ts"
import { Name, Recipient, RecipientKind } from "./NotificationRecipient.ts"

/** As the queue declares it, whose module is not for a browser. */
class Overloaded extends HttpApiError.Problem<Overloaded>()("QueueOverloaded", {
  type: "urn:hypermarket:problem:queue:queue-overloaded",
  status: 503,
  title: "Queue overloaded"
}) {}

const accepted = HttpApiSchema.status(202)
const items = <A extends Schema.Top>(item: A) => Schema.Struct({ items: Schema.Array(item) })

/**
 * @category api
 * @since 0.1.0
 */
export class NotificationsGroup extends Endpoint.group(
  "notifications",
  {
    title: "Notifications",
    description:
      "A trigger tells one recipient, a list or everyone of a kind. Each recipient has at most one message per trigger and channel, whose state and reason are kept for 90 days."
  },
  HttpApiEndpoint.post("trigger", "/v1/notifications/triggers", {
    payload: NewNotification,
    success: NotificationTrigger.pipe(accepted),
    error: [NotificationRefused, NotificationPayloadInvalid, NotificationKeyReused, Overloaded]
  })
    .annotate(RequiredScope, "notifications:write")
    .annotate(NotAudited, "a trigger is its own record"),
  HttpApiEndpoint.post("explain", "/v1/notifications/triggers/explain", {
    payload: ExplainRequest,
    success: items(Explanation),
    error: NotificationNotFound
  })
    .annotate(RequiredScope, "notifications:read")
    .annotate(NotAudited, "reads only"),
  HttpApiEndpoint.post("cancel", "/v1/notifications/triggers/cancel", {
    payload: Schema.Struct({ key: NotificationKey }),
    success: NotificationCancellation,
    error: NotificationNotFound
  })
    .annotate(RequiredScope, "notifications:write")
    .annotate(Audited, "notification.cancelled"),
  HttpApiEndpoint.get("list", "/v1/notifications/messages", {
    query: Page.Query,
    success: Page.schema(NotificationMessage),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "notifications:read"),
  HttpApiEndpoint.get("get", "/v1/notifications/messages/:notificationId", {
    params: { notificationId: Identifier.Uuid },
    success: NotificationMessage,
    error: NotificationNotFound
  }).annotate(RequiredScope, "notifications:read")
) {}

const mappings = "/v1/notifications/mappings"

/**
 * @category api
 * @since 0.1.0
 */
export class NotificationMappingsGroup extends Endpoint.group(
  "notificationMappings",
  {
    title: "Mappings",
    description: "A mapping triggers messages by facts of the shop."
  },
  HttpApiEndpoint.post("setMapping", mappings, {
    payload: NewNotificationMapping,
    success: NotificationMapping,
    error: [NotificationRefused, NotificationLimit]
  })
    .annotate(RequiredScope, "notifications:admin")
    .annotate(Audited, "notification-mapping.set"),
  HttpApiEndpoint.get("listMappings", mappings, {
    success: items(NotificationMapping)
  }).annotate(RequiredScope, "notifications:read"),
  HttpApiEndpoint.delete("removeMapping", `${mappings}/:mapping`, {
    params: { mapping: Name },
    success: HttpApiSchema.NoContent,
    error: NotificationMappingNotFound
  })
    .annotate(RequiredScope, "notifications:admin")
    .annotate(Audited, "notification-mapping.removed")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class NotificationProfilesGroup extends Endpoint.group(
  "profiles",
  {
    title: "Profiles",
    description:
      "A profile has the address, language, time zone and quiet hours of a recipient. Profiles also come from the facts `customer.changed` and `seller.changed`. What a profile lacks is the tenant's default."
  },
  HttpApiEndpoint.post("setProfile", "/v1/notifications/profiles", {
    payload: NewNotificationProfile,
    success: NotificationProfile,
    error: Overloaded
  })
    .annotate(RequiredScope, "notifications:write")
    .annotate(NotAudited, "profiles are the shop's own data"),
  HttpApiEndpoint.get("getProfile", "/v1/notifications/profiles/:kind/:recipientId", {
    params: { kind: RecipientKind, recipientId: Identifier.AdopterId },
    success: NotificationProfile,
    error: NotificationProfileNotFound
  }).annotate(RequiredScope, "notifications:read"),
  HttpApiEndpoint.post("changeList", "/v1/notifications/lists", {
    payload: ListChange,
    success: Schema.Struct({ members: Schema.Int })
  })
    .annotate(RequiredScope, "notifications:write")
    .annotate(NotAudited, "lists are the shop's own data"),
  HttpApiEndpoint.post("setDefaults", "/v1/notifications/defaults", {
    payload: NewNotificationDefaults,
    success: NotificationDefaults
  })
    .annotate(RequiredScope, "notifications:admin")
    .annotate(Audited, "notification-defaults.set"),
  HttpApiEndpoint.get("getDefaults", "/v1/notifications/defaults", {
    success: NotificationDefaults
  }).annotate(RequiredScope, "notifications:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class NotificationPreferencesGroup extends Endpoint.group(
  "preferences",
  {
    title: "Preferences",
    description:
      "A category is `required` (owed by law or contract), `service` (on until switched off) or `marketing` (off until a consent is recorded). A preference is a recipient's choice of a category and channel, with its source and time."
  },
  HttpApiEndpoint.post("setCategory", "/v1/notifications/categories", {
    payload: NewNotificationCategory,
    success: NotificationCategory,
    error: NotificationLimit
  })
    .annotate(RequiredScope, "notifications:admin")
    .annotate(Audited, "notification-category.set"),
  HttpApiEndpoint.get("categories", "/v1/notifications/categories", {
    success: items(NotificationCategory)
  }).annotate(RequiredScope, "notifications:read"),
  HttpApiEndpoint.post("setPreference", "/v1/notifications/preferences", {
    payload: NewNotificationPreference,
    success: NotificationPreference,
    error: [NotificationCategoryNotFound, NotificationCategoryRequired]
  })
    .annotate(RequiredScope, "notifications:write")
    .annotate(NotAudited, "each choice is kept with its source and time"),
  HttpApiEndpoint.post("get", "/v1/notifications/preferences/read", {
    payload: Schema.Struct({ to: Recipient }),
    success: items(NotificationPreference)
  })
    .annotate(RequiredScope, "notifications:read")
    .annotate(NotAudited, "reads only")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class NotificationSuppressionsGroup extends Endpoint.group(
  "suppressions",
  {
    title: "Suppressions",
    description:
      "A suppressed address gets no more mail. An address that the mail server says does not exist is suppressed by the worker. Addresses are kept as keyed hashes: a suppression is found by its address, and the list cannot be read back."
  },
  HttpApiEndpoint.post("add", "/v1/notifications/suppressions", {
    payload: NewNotificationSuppression,
    success: NotificationSuppression,
    error: SecretsNotConfigured
  })
    .annotate(RequiredScope, "notifications:write")
    .annotate(Audited, "notification-suppression.added"),
  HttpApiEndpoint.post("findSuppression", "/v1/notifications/suppressions/find", {
    payload: Schema.Struct({ address: Address }),
    success: NotificationSuppression,
    error: [NotificationSuppressionNotFound, SecretsNotConfigured]
  })
    .annotate(RequiredScope, "notifications:read")
    .annotate(NotAudited, "reads only"),
  HttpApiEndpoint.post("liftSuppression", "/v1/notifications/suppressions/lift", {
    payload: Schema.Struct({ address: Address }),
    success: HttpApiSchema.NoContent,
    error: SecretsNotConfigured
  })
    .annotate(RequiredScope, "notifications:write")
    .annotate(Audited, "notification-suppression.lifted")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class NotificationsApi extends HttpApi.make(Api.id)
  .add(NotificationsGroup)
  .add(NotificationMappingsGroup)
  .add(NotificationProfilesGroup)
  .add(NotificationPreferencesGroup)
  .add(NotificationSuppressionsGroup) {}
