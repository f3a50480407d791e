/**
 * The unsubscribe link of RFC 8058. POST turns off one category for one recipient, without key, cookie or redirect. GET
 * shows a form that posts the same and changes nothing: link scanners follow links.
 *
 * @since 0.1.0
 */
import * as Storage from "@hypermarket/core/Storage"
import * as TokenRoute from "@hypermarket/core/TokenRoute"
import * as Effect from "effect/Effect"
import { page, perMinuteMax, refusals, refuse } from "./internal/page.ts"
import { unsubscribePurpose, UnsubscribeClaims } from "./NotificationPreference.ts"
import { NotificationPreferences } from "./NotificationPreferences.ts"

/** A form, or multipart with one field. */
const bodyBytesMax = 8_192

const done = page(200, "You are unsubscribed", "<p>You get no more messages of this kind.</p>")
const form = page(
  200,
  "Unsubscribe",
  '<p>Do you want no more messages of this kind?</p><form method="post"><button type="submit">Unsubscribe</button></form>'
)
const options = {
  path: "/v1/notifications/unsubscribe/:token",
  purpose: unsubscribePurpose,
  claims: UnsubscribeClaims,
  bodyBytesMax,
  perMinuteMax,
  refuse
} as const

/**
 * The two routes of the link.
 *
 * @category routes
 * @since 0.1.0
 */
export const routes: Effect.Effect<
  ReadonlyArray<TokenRoute.TokenRoute>,
  never,
  NotificationPreferences
> = Effect.map(NotificationPreferences, (preferences) => [
  TokenRoute.make({ ...options, method: "GET" }, () => Effect.succeed(form)),
  TokenRoute.make({ ...options, method: "POST" }, ({ claims }) =>
    preferences.unsubscribe(claims).pipe(
      Effect.as(done),
      Storage.orUnavailable,
      Effect.catch(() => Effect.succeed(refusals["storage-unavailable"]))
    )
  )
])
