/**
 * The unsubscribe link of RFC 8058. POST turns off one category for one recipient, without key, cookie or redirect. GET
 * shows a form that posts the same and changes nothing: link scanners follow links.
 *
 * @since 0.1.0
 */
import * as Storage from "@hypermarket/core/Storage"
import * as TokenRoute from "@hypermarket/core/TokenRoute"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { unsubscribePurpose, UnsubscribeClaims } from "./NotificationPreference.ts"
import { NotificationPreferences } from "./NotificationPreferences.ts"

/** A form, or multipart with one field. */
const bodyBytesMax = 8_192

const headers = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-robots-tag": "noindex"
}

const page = (status: number, title: string, body: string) =>
  HttpServerResponse.text(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>` +
      `<body style="font-family:sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem"><h1>${title}</h1>${body}</body></html>`,
    { status, contentType: "text/html; charset=utf-8", headers }
  )

const done = page(200, "You are unsubscribed", "<p>You get no more messages of this kind.</p>")
const form = page(
  200,
  "Unsubscribe",
  '<p>Do you want no more messages of this kind?</p><form method="post"><button type="submit">Unsubscribe</button></form>'
)
const invalid = page(
  404,
  "This link is not valid",
  "<p>It may have expired. Use the link of a newer message.</p>"
)
const later = "<p>Try again in a moment.</p>"

const refusals = {
  "token-invalid": invalid,
  "token-expired": invalid,
  limited: page(429, "Too many requests", later),
  "body-too-large": page(413, "The request is too large", later),
  "body-too-slow": page(408, "The request was too slow", later),
  deadline: page(503, "Not available now", later),
  "not-configured": page(503, "Not available now", later),
  "storage-unavailable": page(503, "Not available now", later)
} as const satisfies Record<TokenRoute.Reason, HttpServerResponse.HttpServerResponse>

const options = {
  path: "/v1/notifications/unsubscribe/:token",
  purpose: unsubscribePurpose,
  claims: UnsubscribeClaims,
  bodyBytesMax,
  refuse: (reason: TokenRoute.Reason) => refusals[reason]
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

/**
 * @category layers
 * @since 0.1.0
 */
export const layer = Layer.unwrap(Effect.map(routes, TokenRoute.layer))
