/**
 * Templates of a tenant: versions are drafted, previewed, published and archived.
 *
 * @since 0.1.0
 */
import * as Audit from "@hypermarket/core/Audit"
import * as Column from "@hypermarket/core/Column"
import * as Now from "@hypermarket/core/Now"
import * as Page from "@hypermarket/core/Page"
import * as Row from "@hypermarket/core/Row"
import { Tenant } from "@hypermarket/core/Tenant"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as Branding from "./internal/branding.ts"
import * as PayloadCheck from "./internal/payloadCheck.ts"
import * as Contents from "./internal/template/contents.ts"
import * as Message from "./internal/template/message.ts"
import type { NotificationPayloadInvalid } from "./Notification.ts"
import { NotificationLimit } from "./NotificationPreference.ts"
import {
  type NewNotificationTemplate,
  NotificationContent,
  NotificationPreview,
  NotificationTemplate,
  NotificationTemplateInUse,
  NotificationTemplateInvalid,
  NotificationTemplateNotFound,
  NotificationTemplateSettled,
  type PreviewRequest,
  TemplateKind
} from "./NotificationTemplate.ts"

/** Versions per tenant: a thousand templates of ten versions. */
const versionsMax = 10_000
/** Templates and mappings that an answer names. */
const usersMax = 20

const templateRow = Row.make(NotificationTemplate, {
  template: Schema.String,
  templateVersion: Schema.Int,
  kind: TemplateKind,
  layout: Schema.NullOr(Schema.String),
  state: Schema.Literals(["draft", "published", "archived"]),
  strict: Schema.Boolean,
  contents: Schema.Array(NotificationContent),
  payloadSchema: Schema.NullOr(Schema.Json),
  recordedAt: Column.Timestamp,
  publishedAt: Schema.NullOr(Column.Timestamp)
})

const pages = Page.make({
  list: "notifications.templates",
  key: Schema.Tuple([Schema.String, Schema.Int]),
  keyOf: ({ template, templateVersion }: NotificationTemplate) => [template, templateVersion] as const
})

const invalid = (fault: Message.MessageFault): NotificationTemplateInvalid =>
  new NotificationTemplateInvalid({ ...fault })

const built = (template: {
  readonly contents: ReadonlyArray<NotificationContent>
  readonly strict?: boolean
  readonly kind?: typeof TemplateKind.Type
  readonly layout?: string | null
}): Effect.Effect<Contents.Built, NotificationTemplateInvalid> => {
  const isFramed = template.layout !== undefined && template.layout !== null
  const role = template.kind === "layout" ? "layout" : isFramed ? "framed" : "whole"
  return Effect.mapError(Contents.build(template.contents, template.strict ?? true, role), invalid)
}

const layoutFault = (message: string) =>
  new NotificationTemplateInvalid({ part: "layout", line: 1, column: 1, message })

/**
 * @category services
 * @since 0.1.0
 */
export class NotificationTemplates extends Context.Service<
  NotificationTemplates,
  {
    /** Adds a version as a draft. Refuses one that cannot be parsed, with the place of its first mistake. */
    readonly draft: (
      template: NewNotificationTemplate
    ) => Effect.Effect<
      NotificationTemplate,
      NotificationTemplateInvalid | NotificationLimit | SqlError,
      Tenant
    >
    /** Publishes a draft, with its MJML compiled, and archives the version before. Triggers from now on pin it. */
    readonly publish: (
      template: string,
      templateVersion: number
    ) => Effect.Effect<
      NotificationTemplate,
      NotificationTemplateNotFound | NotificationTemplateSettled | NotificationTemplateInvalid | SqlError,
      Tenant
    >
    /** Archives a version without another in its place. One that is published and needed is refused, with what needs it. */
    readonly archive: (
      template: string,
      templateVersion: number
    ) => Effect.Effect<
      NotificationTemplate,
      NotificationTemplateNotFound | NotificationTemplateInUse | SqlError,
      Tenant
    >
    readonly get: (
      template: string,
      templateVersion: number
    ) => Effect.Effect<NotificationTemplate, NotificationTemplateNotFound | SqlError, Tenant>
    /** By name, the newest version first. */
    readonly list: (
      request: Page.Request
    ) => Effect.Effect<Page.Page<NotificationTemplate>, Page.CursorInvalid | SqlError, Tenant>
    /** Renders a version for a payload, in its layout as it is published, and sends nothing. */
    readonly preview: (
      template: string,
      templateVersion: number,
      request: PreviewRequest
    ) => Effect.Effect<
      NotificationPreview,
      NotificationTemplateNotFound | NotificationTemplateInvalid | NotificationPayloadInvalid | SqlError,
      Tenant
    >
  }
>()("@hypermarket/notifications/NotificationTemplates") {
  static readonly layer: Layer.Layer<NotificationTemplates, never, SqlClient.SqlClient> = Layer.effect(
    NotificationTemplates,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const columns = sql.literal(templateRow.columns)

      /** Two drafts at a time would both be the next version, and a layout could be archived while a message in it is published. */
      const lock = Effect.flatMap(
        Tenant,
        ({ id }) => sql`
          SELECT pg_advisory_xact_lock(hashtextextended(concat_ws(' ', current_schema(), 'hm_notification_template', ${id}::text), 0))::text
        `
      )

      const draft = Effect.fn("NotificationTemplates.draft")(function* (template: NewNotificationTemplate) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        yield* built(template)
        return yield* transactionOf(sql)(
          Effect.gen(function* () {
            yield* lock
            const kind = template.kind ?? "message"
            const others = yield* sql`
              SELECT
                FROM hm_notification_template
               WHERE tenant_id = ${tenant.id} AND template = ${template.template} AND kind <> ${kind}
               LIMIT 1
            `
            if (others.length > 0) {
              return yield* layoutFault(`Expected another name: the versions of this one are no ${kind}s`)
            }
            const [row] = yield* sql`
              INSERT INTO hm_notification_template (tenant_id, template, template_version, kind, layout, state, strict,
                                                    contents, payload_schema, recorded_at)
              SELECT ${tenant.id}, ${template.template}, coalesce(max(template_version) FILTER (WHERE template = ${template.template}), 0) + 1,
                     ${kind}, ${template.layout ?? null}, 'draft', ${template.strict ?? true}, ${JSON.stringify(template.contents)}::text::jsonb,
                     ${template.payloadSchema === undefined ? null : JSON.stringify(template.payloadSchema)}::text::jsonb, ${now}
                FROM hm_notification_template
               WHERE tenant_id = ${tenant.id}
              HAVING count(*) < ${versionsMax}
              RETURNING ${columns}
            `
            if (row === undefined) {
              return yield* new NotificationLimit({ what: "template versions", max: versionsMax })
            }
            const drafted = yield* templateRow.decode(row)
            yield* Audit.record({
              action: "notification-template.drafted",
              target: { type: "notification-template", id: `${drafted.template}/${drafted.templateVersion}` }
            })
            return drafted
          })
        )
      })

      const get = Effect.fn("NotificationTemplates.get")(function* (
        template: string,
        templateVersion: number
      ) {
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${columns}
            FROM hm_notification_template
           WHERE tenant_id = ${tenant.id} AND template = ${template} AND template_version = ${templateVersion}
        `
        if (row === undefined) return yield* new NotificationTemplateNotFound({ template })
        return yield* templateRow.decode(row)
      })

      /** Returns the published version of a template's layout; null where it has none. */
      const layoutOf = Effect.fnUntraced(function* ({ layout }: NotificationTemplate) {
        if (layout === null) return null
        const tenant = yield* Tenant
        const [row] = yield* sql`
          SELECT ${columns}
            FROM hm_notification_template
           WHERE tenant_id = ${tenant.id} AND template = ${layout} AND state = 'published' AND kind = 'layout'
        `
        return row === undefined
          ? yield* layoutFault(`Expected ${layout} to be a published layout`)
          : yield* templateRow.decode(row)
      })

      const publish = Effect.fn("NotificationTemplates.publish")(function* (
        template: string,
        templateVersion: number
      ) {
        const tenant = yield* Tenant
        const now = yield* Now.now
        return yield* transactionOf(sql)(
          Effect.gen(function* () {
            const existing = yield* get(template, templateVersion)
            if (existing.state === "published") return existing
            if (existing.state !== "draft") {
              return yield* new NotificationTemplateSettled({ template, state: existing.state })
            }
            // Nothing is locked yet: the compiler may take a second.
            const { contents } = yield* built(existing)
            yield* lock
            yield* layoutOf(existing)
            yield* sql`
              UPDATE hm_notification_template
                 SET state = 'archived'
               WHERE tenant_id = ${tenant.id} AND template = ${template} AND state = 'published'
            `
            const [row] = yield* sql`
              UPDATE hm_notification_template
                 SET state = 'published', published_at = ${now}, contents = ${JSON.stringify(contents)}::text::jsonb
               WHERE tenant_id = ${tenant.id}
                 AND template = ${template}
                 AND template_version = ${templateVersion}
                 AND state = 'draft'
              RETURNING ${columns}
            `
            if (row === undefined)
              return yield* new NotificationTemplateSettled({ template, state: "archived" })
            yield* Audit.record({
              action: "notification-template.published",
              target: { type: "notification-template", id: `${template}/${templateVersion}` }
            })
            return yield* templateRow.decode(row)
          })
        )
      })

      const archive = Effect.fn("NotificationTemplates.archive")(function* (
        template: string,
        templateVersion: number
      ) {
        const tenant = yield* Tenant
        return yield* transactionOf(sql)(
          Effect.gen(function* () {
            yield* lock
            const existing = yield* get(template, templateVersion)
            if (existing.state === "archived") return existing
            const users = yield* sql<{ readonly kind: "template" | "mapping"; readonly name: string }>`
              SELECT 'template' AS kind, template AS name
                FROM hm_notification_template
               WHERE tenant_id = ${tenant.id} AND state = 'published' AND layout = ${template}
               UNION ALL
              SELECT 'mapping', mapping
                FROM hm_notification_mapping
               WHERE tenant_id = ${tenant.id} AND template = ${template}
               ORDER BY name
               LIMIT ${usersMax}
            `
            if (existing.state === "published" && users.length > 0) {
              const named = (wanted: string) =>
                users.flatMap(({ kind, name }) => (kind === wanted ? [name] : []))
              return yield* new NotificationTemplateInUse({
                template,
                templates: named("template"),
                mappings: named("mapping")
              })
            }
            const [row] = yield* sql`
              UPDATE hm_notification_template
                 SET state = 'archived'
               WHERE tenant_id = ${tenant.id} AND template = ${template} AND template_version = ${templateVersion}
              RETURNING ${columns}
            `
            yield* Audit.record({
              action: "notification-template.archived",
              target: { type: "notification-template", id: `${template}/${templateVersion}` }
            })
            return yield* templateRow.decode(row)
          })
        )
      })

      const list = Effect.fn("NotificationTemplates.list")(function* (request: Page.Request) {
        const tenant = yield* Tenant
        const [name, version] = Option.getOrElse(yield* pages.after(request), () => ["", 0] as const)
        const rows = yield* sql`
          SELECT ${columns}
            FROM hm_notification_template
           WHERE tenant_id = ${tenant.id}
             AND (template > ${name} OR template = ${name} AND template_version < ${version})
           ORDER BY template, template_version DESC
           LIMIT ${Page.limitOf(request) + 1}
        `
        return yield* pages.page(yield* templateRow.decodeAll(rows), request)
      })

      const preview = Effect.fn("NotificationTemplates.preview")(function* (
        template: string,
        templateVersion: number,
        request: PreviewRequest
      ) {
        const version = yield* get(template, templateVersion)
        yield* PayloadCheck.check(version, request.payload)
        const tenant = yield* Tenant
        const { compiled } = yield* built(version)
        const layout = yield* layoutOf(version)
        const around = layout === null ? undefined : (yield* built(layout)).compiled
        const scope = {
          ...request.payload,
          brand: yield* Branding.read(sql, tenant.id),
          recipient: { kind: "customer", id: "preview", name: "Preview" },
          unsubscribeUrl: "https://example.com/unsubscribe",
          preferencesUrl: "https://example.com/preferences"
        }
        const place = { locale: request.locale ?? "en", timeZone: request.timeZone ?? "UTC" }
        const rendered = yield* Effect.fromResult(
          Result.mapError(
            version.kind === "layout"
              ? Message.renderLayout(compiled, scope, place)
              : Message.render(compiled, scope, place, around),
            invalid
          )
        )
        return new NotificationPreview({
          locale: rendered.locale ?? null,
          subject: rendered.subject,
          text: rendered.text,
          html: rendered.html ?? null
        })
      })

      return NotificationTemplates.of({ draft, publish, archive, get, list, preview })
    })
  )
}
