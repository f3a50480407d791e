/**
 * The preference centre: a page on which a recipient sees and changes what it gets. The link is a signed token of one recipient,
 * valid for 30 days. GET shows a form and changes nothing; POST records the choices that differ, and mails them to the recipient.
 *
 * @since 0.1.0
 */
import * as Storage from "@hypermarket/core/Storage"
import * as TokenRoute from "@hypermarket/core/TokenRoute"
import { transactionOf } from "@hypermarket/core/Transaction"
import * as Effect from "effect/Effect"
import type * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as SqlClient from "effect/sql/SqlClient"
import * as ChoiceNotice from "./internal/choiceNotice.ts"
import { startOf } from "./internal/line.ts"
import { escaped, page, perMinuteMax, refusals, refuse } from "./internal/page.ts"
import {
  type NotificationCategory,
  type NotificationPreference,
  preferencesPurpose,
  PreferencesClaims
} from "./NotificationPreference.ts"
import { NotificationPreferences } from "./NotificationPreferences.ts"
import { NotificationProfiles } from "./NotificationProfiles.ts"
import { make as recipientOf, type Recipient } from "./NotificationRecipient.ts"
import { Notifications } from "./Notifications.ts"

/** 200 categories of 64 characters, named twice. */
const bodyBytesMax = 65_536

/** `a…@m….example`: enough to recognise one's own address, and no more. */
const masked = (address: string): string =>
  address.replace(/^(.)[^@]*@(.)[^.]*/u, (_, local: string, domain: string) => `${local}…@${domain}…`)

interface Centre {
  readonly address: string | undefined
  readonly categories: ReadonlyArray<NotificationCategory>
  readonly choices: ReadonlyMap<string, NotificationPreference>
}

const rowOf = (
  { category, kind, name }: NotificationCategory,
  choice: NotificationPreference | undefined
): string => {
  const label = escaped(name)
  if (kind === "required")
    return `<label><input type="checkbox" checked disabled> ${label} (always sent)</label>`
  const checked = choice?.enabled === true ? " checked" : ""
  return (
    `<label><input type="checkbox" name="on" value="${escaped(category)}"${checked}> ${label}</label>` +
    `<input type="hidden" name="shown" value="${escaped(category)}">`
  )
}

const show = (
  { address, categories, choices }: Centre,
  notice: string
): HttpServerResponse.HttpServerResponse =>
  page(
    200,
    "Your notifications",
    `${notice}<p>Messages to ${address === undefined ? "an address that we do not have" : escaped(masked(address))}:</p>` +
      `<form method="post">${categories.map((category) => rowOf(category, choices.get(category.category))).join("")}` +
      `<p><button type="submit">Save</button></p></form>`
  )

const options = {
  path: "/v1/notifications/preference-centre/:token",
  purpose: preferencesPurpose,
  claims: PreferencesClaims,
  bodyBytesMax,
  perMinuteMax,
  refuse
} as const

/**
 * The two routes of the page.
 *
 * @category routes
 * @since 0.1.0
 */
export const routes: Effect.Effect<
  ReadonlyArray<TokenRoute.TokenRoute>,
  never,
  SqlClient.SqlClient | Notifications | NotificationPreferences | NotificationProfiles
> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const preferences = yield* NotificationPreferences
  const profiles = yield* NotificationProfiles
  const mail = ChoiceNotice.make(sql, yield* Notifications)

  const read = Effect.fnUntraced(function* (to: Recipient) {
    const categories = yield* preferences.categories
    const choices = yield* preferences.get(to)
    const address = yield* profiles.get(to).pipe(
      Effect.map(({ email }) => email ?? undefined),
      Effect.catchTag("NotificationProfileNotFound", () => Effect.succeed(undefined))
    )
    return {
      address,
      categories,
      choices: new Map(choices.map((choice) => [choice.category, choice]))
    } satisfies Centre
  })

  /** A category that the form did not show, or that is gone or required since, stays as it is. */
  const saveAll = Effect.fnUntraced(function* (to: Recipient, form: URLSearchParams) {
    const on = new Set(form.getAll("on"))
    const shown = new Set(form.getAll("shown"))
    const { categories, choices } = yield* read(to)
    const changed: Array<ChoiceNotice.Choice> = []
    for (const { category, kind, name } of categories) {
      const enabled = on.has(category)
      if (kind === "required" || !shown.has(category) || choices.get(category)?.enabled === enabled) continue
      const isSet = yield* preferences
        .set({
          to,
          category,
          channel: "email",
          enabled,
          source: "preference centre",
          // For marketing this is the consent: what was agreed to is the category's name, as it was shown.
          textVersion: startOf(name, 100)
        })
        .pipe(
          Effect.as(true),
          Effect.catchTag(["NotificationCategoryNotFound", "NotificationCategoryRequired"], () =>
            Effect.succeed(false)
          )
        )
      if (isSet) changed.push({ category, name, enabled })
    }
    yield* mail(to, changed)
    return yield* read(to)
  })

  /** The form is saved as a whole, with its mail, or not at all. */
  const save = (to: Recipient, form: URLSearchParams) => transactionOf(sql)(saveAll(to, form))

  const orLater = <E extends { readonly _tag: string }, R>(
    self: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>
  ) => Effect.catch(self, () => Effect.succeed(refusals["storage-unavailable"]))

  return [
    TokenRoute.make({ ...options, method: "GET" }, ({ claims }) =>
      read(recipientOf(claims.kind, claims.id)).pipe(
        Effect.map((centre) => show(centre, "")),
        Storage.orUnavailable,
        orLater
      )
    ),
    TokenRoute.make({ ...options, method: "POST" }, ({ claims, request }) =>
      Effect.gen(function* () {
        const form = new URLSearchParams(yield* Effect.orDie(request.text))
        return show(yield* save(recipientOf(claims.kind, claims.id), form), "<p><strong>Saved.</strong></p>")
      }).pipe(Storage.orUnavailable, orLater)
    )
  ]
})
