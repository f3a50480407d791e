/** Renders a claimed message and composes its mail, with the link to unsubscribe. */
import * as EachTenant from "@hypermarket/core/EachTenant"
import * as Now from "@hypermarket/core/Now"
import type { SignedToken } from "@hypermarket/core/SignedToken"
import { Tenant } from "@hypermarket/core/Tenant"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { MailProvider } from "../MailProvider.ts"
import { preferencesPurpose, unsubscribePurpose } from "../NotificationPreference.ts"
import type * as Branding from "./branding.ts"
import * as Decision from "./decision.ts"
import type * as Statements from "./deliveryStatements.ts"
import { lineOf } from "./line.ts"
import type { CompiledTemplates } from "./template/compiledTemplates.ts"
import * as Message from "./template/message.ts"

/** Characters of a reason in its column. */
const reasonMax = 500

/** A link works a year after its message (RFC 8058 asks for no term; senders keep to about this). */
const unsubscribeLifetime = Duration.days(366)

/** The link of the preference centre shows and changes more, so it does not live as long. */
const preferencesLifetime = Duration.days(30)

/** The host of links in messages that are caught where no public address is set. */
const caughtUrl = "https://caught.hypermarket.example"

/** A message waits for a setting of the installation that is missing, and asks again after this time. */
const unconfiguredMillis = 3_600_000

/**
 * A message waits this long for a worker of a release that can read its template. Long enough that it costs nothing, short enough
 * that a deployment delays no mail for long.
 */
const unreadableMillis = 300_000

/** The name of this work in logs and metrics. */
const loop = "notifications.message.compose"

/** A message that is ready to go. */
export interface Ready {
  readonly row: Statements.ClaimedRow
  readonly address: string
  readonly subject: string
  readonly message: Uint8Array
}

export const make = (options: {
  readonly provider: MailProvider["Service"]
  readonly tokens: SignedToken["Service"]
  readonly templates: CompiledTemplates["Service"]
  readonly publicUrl: string
  /** True for an address that mail really goes to. */
  readonly isSent: (address: string) => boolean
}) => {
  const { isSent, provider, publicUrl, templates, tokens } = options

  const compose = Effect.fnUntraced(function* (
    row: Statements.ClaimedRow,
    payload: Readonly<Record<string, unknown>>,
    defaults: Statements.DefaultsRow,
    brand: Branding.Brand
  ) {
    const now = yield* Now.now
    const id = row.notificationId
    const dead = (reason: string) =>
      Result.fail<Statements.Change>({ id, state: "dead", reason, dueAt: null })
    const later = (reason: string) =>
      Result.fail<Statements.Change>({
        id,
        state: "retry",
        reason,
        dueAt: new Date(now.getTime() + unconfiguredMillis)
      })
    const address = row.email ?? ""
    const template = yield* templates.get(row.template, row.templateVersion)
    if (template === undefined) return dead("template-unknown")
    const layout =
      template.layout === undefined
        ? undefined
        : yield* templates.get(template.layout, row.layoutVersion ?? 0)
    if (template.layout !== undefined && layout === undefined) return dead("layout-unknown")
    const linksPreferences = template.linksPreferences || layout?.linksPreferences === true
    const isOptional = row.kind !== "required"
    const recipient = { kind: row.recipientKind, id: row.recipientId }
    let unsubscribeUrl: string | undefined
    let preferencesUrl = ""
    if (isOptional || linksPreferences) {
      if (publicUrl === "" && isSent(address)) return later("HM_NOTIFICATIONS_URL is not set")
      const base = `${publicUrl === "" ? caughtUrl : publicUrl}/v1/notifications`
      const made = yield* Effect.gen(function* () {
        if (linksPreferences) {
          const token = yield* tokens.make({
            purpose: preferencesPurpose,
            claims: recipient,
            expiresIn: preferencesLifetime
          })
          preferencesUrl = `${base}/preference-centre/${token}`
        }
        if (!isOptional) return true
        const token = yield* tokens.make({
          purpose: unsubscribePurpose,
          claims: { ...recipient, category: row.category, message: id },
          expiresIn: unsubscribeLifetime
        })
        unsubscribeUrl = `${base}/unsubscribe/${token}`
        return true
      }).pipe(Effect.catchTag("SecretsNotConfigured", () => Effect.succeed(false)))
      if (!made) return later("HM_SECRETS_KEYS is not set")
    }
    const rendered = Message.render(
      template,
      {
        ...payload,
        brand,
        recipient: { ...recipient, name: row.name ?? "" },
        unsubscribeUrl: unsubscribeUrl ?? "",
        preferencesUrl
      },
      {
        locale: row.locale ?? defaults.locale,
        timeZone: Decision.zoneOf(row, defaults)?.id ?? "UTC"
      },
      layout
    )
    if (Result.isFailure(rendered)) {
      const { column, line, message, part } = rendered.failure
      return dead(lineOf(`template: ${part} ${line}:${column}: ${message}`, reasonMax))
    }
    const { html, subject, text } = rendered.success
    const message = yield* provider.compose({
      id,
      to: { address, name: row.name ?? undefined },
      fromName: defaults.fromName ?? undefined,
      replyTo: defaults.replyTo ?? undefined,
      subject,
      text,
      html,
      unsubscribeUrl,
      date: row.recordedAt
    })
    return Result.succeed<Ready>({ row, address, subject, message })
  })

  /**
   * Renders and composes a claimed message, or returns the change that its failure is. A row that this release cannot read
   * delays its own message, with the reason, and no other one of the chunk.
   */
  const prepare = (...parameters: Parameters<typeof compose>) =>
    compose(...parameters).pipe(
      Effect.catchDefect(
        Effect.fnUntraced(function* (defect) {
          const [{ notificationId, template, templateVersion }] = parameters
          const tenant = yield* Tenant
          const now = yield* Now.now
          const { text } = yield* EachTenant.report(loop, tenant.id, Cause.die(defect))
          return Result.fail<Statements.Change>({
            id: notificationId,
            // Without an entry in its history: there may be hundreds.
            state: "pending",
            reason: lineOf(`template ${template} ${templateVersion} cannot be used: ${text}`, reasonMax),
            dueAt: new Date(now.getTime() + unreadableMillis)
          })
        })
      )
    )

  return { prepare }
}
