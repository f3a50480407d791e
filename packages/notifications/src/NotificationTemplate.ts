/**
 * Templates: schemas and errors. Imports no SQL and no renderer.
 *
 * @since 0.1.0
 */
import * as Text from "@hypermarket/core/Text"
import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"
import { Locale, Payload } from "./Notification.ts"
import { PayloadSchema } from "./NotificationPayloadSchema.ts"
import { Name } from "./NotificationRecipient.ts"
import { TimeZone } from "./NotificationProfile.ts"

/**
 * Characters of one part, and of the HTML that is compiled from MJML: mail clients cut a longer one.
 *
 * @category limits
 * @since 0.1.0
 */
export const partMax = 100_000
/**
 * Bytes of all contents of a version as JSON, with the HTML of MJML.
 *
 * @category limits
 * @since 0.1.0
 */
export const contentsBytesMax = 1_000_000
const subjectMax = 1_000
/** Locales of one template. */
const contentsMax = 20

/**
 * The text of one locale. The one without a locale is for all others. `html` may be left out; a text part is always sent.
 * `mjml` in its place is compiled to `html` when the version is published.
 *
 * @category models
 * @since 0.1.0
 */
export const NotificationContent = Schema.Struct({
  locale: Schema.optionalKey(Locale),
  subject: Text.make({ max: subjectMax }),
  text: Text.make({ max: partMax }),
  html: Schema.optionalKey(Text.make({ max: partMax })),
  mjml: Schema.optionalKey(Text.make({ max: partMax }))
}).annotate({ identifier: "NotificationContent" })

/**
 * @category models
 * @since 0.1.0
 */
export type NotificationContent = typeof NotificationContent.Type

/**
 * The template of the mail that follows a change in the preference centre. A tenant's own takes the place of the built-in one.
 * Its payload: `choices`, each with `category`, `name`, `enabled`.
 *
 * @category constants
 * @since 0.1.0
 */
export const noticeTemplate = "preference-changes"

const Contents = Schema.Array(NotificationContent).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(contentsMax),
  Schema.makeFilter(
    (contents: ReadonlyArray<NotificationContent>) => {
      const locales = contents.map(({ locale }) => (locale ?? "").toLowerCase())
      if (new Set(locales).size < locales.length) return "Expected each locale once"
      if (contents.some(({ html, mjml }) => html !== undefined && mjml !== undefined)) {
        return "Expected html or mjml, and not both"
      }
      if (new TextEncoder().encode(JSON.stringify(contents)).byteLength > contentsBytesMax) {
        return `Expected at most ${contentsBytesMax} bytes of contents`
      }
      return locales.includes("") ? undefined : "Expected one content without a locale, for all others"
    },
    { expected: "contents by locale", toJsonSchema: () => ({}) }
  )
)

/**
 * A message, or a layout that messages are placed into.
 *
 * @category models
 * @since 0.1.0
 */
export const TemplateKind = Schema.Literals(["message", "layout"])

/**
 * A new draft. Each part of a layout has `{{ content }}` once, where the same part of the message goes. `strict`: a variable that the payload lacks fails the message; without it, it is empty text. A trigger whose
 * payload does not fit `payloadSchema` is refused.
 *
 * @category models
 * @since 0.1.0
 */
export const NewNotificationTemplate = Schema.Struct({
  template: Name,
  kind: Schema.optionalKey(TemplateKind),
  layout: Schema.optionalKey(Name),
  contents: Contents,
  strict: Schema.optionalKey(Schema.Boolean),
  payloadSchema: Schema.optionalKey(PayloadSchema)
}).check(
  Schema.makeFilter(
    ({ contents, kind, layout, payloadSchema }) => {
      if (kind === "layout") {
        if (layout !== undefined) return { path: ["layout"], issue: "Expected none in a layout" }
        return payloadSchema === undefined
          ? undefined
          : { path: ["payloadSchema"], issue: "Expected none: a layout sees no payload" }
      }
      // The compiler writes a whole page, and the layout is one.
      return layout !== undefined && contents.some(({ mjml }) => mjml !== undefined)
        ? { path: ["contents"], issue: "Expected html in a layout, which may be MJML itself" }
        : undefined
    },
    { expected: "a template", toJsonSchema: () => ({}) }
  ),
  Schema.makeFilter(
    ({ payloadSchema, template }) =>
      // A schema that our payload does not fit would keep every recipient from changing its choices.
      template === noticeTemplate && payloadSchema !== undefined
        ? {
            path: ["payloadSchema"],
            issue: `Expected none: the payload of ${noticeTemplate} is not the tenant's`
          }
        : undefined,
    { expected: "a template", toJsonSchema: () => ({}) }
  )
)

/**
 * @category models
 * @since 0.1.0
 */
export type NewNotificationTemplate = typeof NewNotificationTemplate.Type

/**
 * One version of a template. At most one is published; triggers pin it.
 *
 * @category models
 * @since 0.1.0
 */
export class NotificationTemplate extends Schema.Class<NotificationTemplate>(
  "@hypermarket/notifications/NotificationTemplate"
)({
  template: Name,
  templateVersion: Schema.Int,
  kind: TemplateKind,
  layout: Schema.NullOr(Schema.String),
  state: Schema.Literals(["draft", "published", "archived"]),
  strict: Schema.Boolean,
  contents: Schema.Array(NotificationContent),
  /** Null: any payload fits. */
  payloadSchema: Schema.NullOr(Schema.Json),
  recordedAt: Schema.DateTimeUtcFromString,
  publishedAt: Schema.NullOr(Schema.DateTimeUtcFromString)
}) {}

/**
 * A rendering without sending. `now` is the instant that the template sees.
 *
 * @category models
 * @since 0.1.0
 */
export const PreviewRequest = Schema.Struct({
  payload: Payload,
  locale: Schema.optionalKey(Locale),
  timeZone: Schema.optionalKey(TimeZone)
}).annotate({ identifier: "NotificationPreviewRequest" })

/**
 * @category models
 * @since 0.1.0
 */
export type PreviewRequest = typeof PreviewRequest.Type

/**
 * @category models
 * @since 0.1.0
 */
export class NotificationPreview extends Schema.Class<NotificationPreview>(
  "@hypermarket/notifications/NotificationPreview"
)({
  locale: Schema.NullOr(Schema.String),
  subject: Schema.String,
  text: Schema.String,
  html: Schema.NullOr(Schema.String)
}) {}

/**
 * @category errors
 * @since 0.1.0
 */
export class NotificationTemplateNotFound extends HttpApiError.Problem<NotificationTemplateNotFound>()(
  "NotificationTemplateNotFound",
  { type: "urn:hypermarket:problem:notifications:template-not-found", status: 404, title: "Not found" },
  { template: Schema.String }
) {}

/**
 * A template that cannot be parsed or rendered, with the place of its first mistake. `line` and `column` begin at 1.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotificationTemplateInvalid extends HttpApiError.Problem<NotificationTemplateInvalid>()(
  "NotificationTemplateInvalid",
  {
    type: "urn:hypermarket:problem:notifications:template-invalid",
    status: 422,
    title: "The template is invalid"
  },
  {
    /**
     * `subject`, `text`, `html` or `mjml`, with the locale in front when there is one: `de/html`. In the layout, with `layout` in
     * front. `layout` alone: the template's layout is not published, or its name has versions of the other kind.
     */
    part: Schema.String,
    line: Schema.Int,
    column: Schema.Int,
    message: Schema.String
  }
) {}

/**
 * Only a draft is published. Make another version instead.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotificationTemplateSettled extends HttpApiError.Problem<NotificationTemplateSettled>()(
  "NotificationTemplateSettled",
  {
    type: "urn:hypermarket:problem:notifications:template-settled",
    status: 409,
    title: "The version is no draft"
  },
  { template: Schema.String, state: Schema.String }
) {}

/**
 * The published version is needed: by messages in this layout, or by mappings.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotificationTemplateInUse extends HttpApiError.Problem<NotificationTemplateInUse>()(
  "NotificationTemplateInUse",
  {
    type: "urn:hypermarket:problem:notifications:template-in-use",
    status: 409,
    title: "The template is in use"
  },
  { template: Schema.String, templates: Schema.Array(Schema.String), mappings: Schema.Array(Schema.String) }
) {}
