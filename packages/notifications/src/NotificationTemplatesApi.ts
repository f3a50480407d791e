/**
 * The HTTP group of templates: schemas and endpoints only. The prose is in `NotificationTemplatesReference.ts`.
 *
 * @since 0.1.0
 */
import * as Api from "@hypermarket/core/Api"
import { Audited, NotAudited } from "@hypermarket/core/Audit"
import { RequiredScope } from "@hypermarket/core/Authorization"
import * as Endpoint from "@hypermarket/core/Endpoint"
import * as IdempotencyKey from "@hypermarket/core/IdempotencyKey"
import * as Page from "@hypermarket/core/Page"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as Schema from "effect/Schema"
import { NotificationPayloadInvalid } from "./Notification.ts"
import { NewNotificationBranding, NotificationBranding } from "./NotificationBranding.ts"
import { NotificationLimit } from "./NotificationPreference.ts"
import { Name } from "./NotificationRecipient.ts"
import {
  NewNotificationTemplate,
  NotificationPreview,
  NotificationTemplate,
  NotificationTemplateInUse,
  NotificationTemplateInvalid,
  NotificationTemplateNotFound,
  NotificationTemplateSettled,
  PreviewRequest
} from "./NotificationTemplate.ts"

const created = HttpApiSchema.status(201)

const versionPath = "/v1/notifications/templates/:template/versions/:templateVersion"
const versionParams = {
  template: Name,
  templateVersion: Schema.FiniteFromString.check(
    Schema.isInt(),
    Schema.isBetween({ minimum: 1, maximum: 10_000 })
  )
}

/**
 * @category api
 * @since 0.1.0
 */
export class NotificationTemplatesGroup extends Endpoint.group(
  "templates",
  {
    title: "Templates",
    description:
      "A template is Liquid text by locale: subject, text and HTML. Versions are drafts until they are published. A trigger pins the published version, and that of its layout, so a change changes no message that waits."
  },
  HttpApiEndpoint.post("draftTemplate", "/v1/notifications/templates", {
    headers: IdempotencyKey.Headers,
    payload: NewNotificationTemplate,
    success: NotificationTemplate.pipe(created),
    error: [NotificationTemplateInvalid, NotificationLimit, ...IdempotencyKey.errors]
  })
    .annotate(RequiredScope, "notifications:admin")
    .annotate(Audited, "notification-template.drafted"),
  HttpApiEndpoint.get("listTemplates", "/v1/notifications/templates", {
    query: Page.Query,
    success: Page.schema(NotificationTemplate),
    error: Page.CursorInvalid
  }).annotate(RequiredScope, "notifications:read"),
  HttpApiEndpoint.get("getTemplate", versionPath, {
    params: versionParams,
    success: NotificationTemplate,
    error: NotificationTemplateNotFound
  }).annotate(RequiredScope, "notifications:read"),
  HttpApiEndpoint.post("publishTemplate", `${versionPath}/publish`, {
    params: versionParams,
    success: NotificationTemplate,
    error: [NotificationTemplateNotFound, NotificationTemplateSettled, NotificationTemplateInvalid]
  })
    .annotate(RequiredScope, "notifications:admin")
    .annotate(Audited, "notification-template.published"),
  HttpApiEndpoint.post("archiveTemplate", `${versionPath}/archive`, {
    params: versionParams,
    success: NotificationTemplate,
    error: [NotificationTemplateNotFound, NotificationTemplateInUse]
  })
    .annotate(RequiredScope, "notifications:admin")
    .annotate(Audited, "notification-template.archived"),
  HttpApiEndpoint.post("previewTemplate", `${versionPath}/preview`, {
    params: versionParams,
    payload: PreviewRequest,
    success: NotificationPreview,
    error: [NotificationTemplateNotFound, NotificationTemplateInvalid, NotificationPayloadInvalid]
  })
    .annotate(RequiredScope, "notifications:read")
    .annotate(NotAudited, "reads only")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class NotificationBrandingGroup extends Endpoint.group(
  "branding",
  {
    title: "Branding",
    description:
      "The branding of a tenant is what its templates and layouts see as `brand`. It is read when a message is sent."
  },
  HttpApiEndpoint.post("set", "/v1/notifications/branding", {
    payload: NewNotificationBranding,
    success: NotificationBranding
  })
    .annotate(RequiredScope, "notifications:admin")
    .annotate(Audited, "notification-branding.set"),
  HttpApiEndpoint.get("get", "/v1/notifications/branding", {
    success: NotificationBranding
  }).annotate(RequiredScope, "notifications:read")
) {}

/**
 * @category api
 * @since 0.1.0
 */
export class NotificationTemplatesApi extends HttpApi.make(Api.id)
  .add(NotificationTemplatesGroup)
  .add(NotificationBrandingGroup) {}
