/** The pages behind links in mail: no script, no image, nothing from elsewhere. */
import type * as TokenRoute from "@hypermarket/core/TokenRoute"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { createHash } from "node:crypto"

const style =
  "body{font-family:sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem;line-height:1.5}label{display:block;margin:.5rem 0}"

const styleHash = createHash("sha256").update(style).digest("base64")

const headers = {
  "cache-control": "no-store",
  "content-security-policy": `default-src 'none'; style-src 'sha256-${styleHash}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-robots-tag": "noindex"
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

export const escaped = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? "")

/** A page. The body is markup: values in it are escaped by the caller. */
export const page = (status: number, title: string, body: string): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title>` +
      `<style>${style}</style><body><h1>${title}</h1>${body}</body></html>`,
    { status, contentType: "text/html; charset=utf-8", headers }
  )

const invalid = page(
  404,
  "This link is not valid",
  "<p>It may have expired. Use the link of a newer message.</p>"
)
const later = "<p>Try again in a moment.</p>"

export const refusals = {
  "token-invalid": invalid,
  "token-expired": invalid,
  limited: page(429, "Too many requests", later),
  "body-too-large": page(413, "The request is too large", later),
  "body-too-slow": page(408, "The request was too slow", later),
  deadline: page(503, "Not available now", later),
  "not-configured": page(503, "Not available now", later),
  "storage-unavailable": page(503, "Not available now", later)
} as const satisfies Record<TokenRoute.Reason, HttpServerResponse.HttpServerResponse>

export const refuse = (reason: TokenRoute.Reason): HttpServerResponse.HttpServerResponse => refusals[reason]

/** A person reads and saves in fewer; a script that has found a link is slowed down. More are answered 429. */
export const perMinuteMax = 10
