/** Renders a version of a template for one recipient: subject, text and HTML in the best locale, within its layout. */
import * as Result from "effect/Result"
import type { NotificationContent } from "../../NotificationTemplate.ts"
import * as Branding from "../branding.ts"
import { Markup, type Place } from "./filters.ts"
import * as Layout from "./layout.ts"
import type { TemplateFault } from "./place.ts"
import * as Render from "./render.ts"

export interface MessageFault extends TemplateFault {
  /** `subject`, `text` or `html`, behind the locale; behind `layout` when it is the layout's. */
  readonly part: string
}

interface Content {
  readonly locale: string | undefined
  readonly subject: Render.Parsed
  readonly text: Render.Parsed
  readonly html: Render.Parsed | undefined
}

export interface Compiled {
  readonly contents: ReadonlyArray<Content>
  readonly strict: boolean
  /** True when it has `preferencesUrl`: making the link costs a signature. */
  readonly linksPreferences: boolean
}

export interface Rendered {
  readonly locale: string | undefined
  readonly subject: string
  readonly text: string
  readonly html: string | undefined
}

export const partOf = (locale: string | undefined, part: string): string =>
  locale === undefined ? part : `${locale}/${part}`

const named =
  (locale: string | undefined, part: string) =>
  (fault: TemplateFault): MessageFault => ({ ...fault, part: partOf(locale, part) })

/** `layout`: a layout itself. `framed`: a message that a layout is around. */
export type Role = "layout" | "framed" | "whole"

const roleFault = (role: Role, format: Render.Format, source: string): TemplateFault | undefined =>
  role === "layout"
    ? Layout.faultOf(format, source)
    : role === "framed" && format === "html"
      ? Layout.faultOfFragment(source)
      : undefined

export const compile = (
  contents: ReadonlyArray<NotificationContent>,
  strict: boolean,
  role: Role = "whole"
): Result.Result<Compiled, MessageFault> => {
  const compiled: Array<Content> = []
  const parse = (format: Render.Format, source: string, isGenerated = false) => {
    const fault = roleFault(role, format, source)
    return fault === undefined ? Render.parse(format, source, { isGenerated }) : Result.fail(fault)
  }
  for (const { html, locale, mjml, subject, text } of contents) {
    const parts = Result.all({
      subject: Result.mapError(parse("text", subject), named(locale, "subject")),
      text: Result.mapError(parse("text", text), named(locale, "text")),
      html:
        html === undefined
          ? Result.succeed(undefined)
          : Result.mapError(parse("html", html, mjml !== undefined), named(locale, "html"))
    })
    if (Result.isFailure(parts)) return Result.fail(parts.failure)
    compiled.push({ locale, ...parts.success })
  }
  const linksPreferences = contents.some(({ html, text }) =>
    `${text}${html ?? ""}`.includes("preferencesUrl")
  )
  return Result.succeed({ contents: compiled, strict, linksPreferences })
}

/** `de-AT`, `de`, then the content without a locale. */
const contentFor = <A extends { readonly locale?: string | undefined }>(
  contents: ReadonlyArray<A>,
  locale: string | undefined
): A | undefined => {
  const parts = locale === undefined ? [] : locale.toLowerCase().split("-")
  for (let length = parts.length; length > 0; length--) {
    const wanted = parts.slice(0, length).join("-")
    const match = contents.find((content) => content.locale?.toLowerCase() === wanted)
    if (match !== undefined) return match
  }
  return contents.find((content) => content.locale === undefined)
}

// eslint-disable-next-line no-control-regex -- refusing control characters is the point
const control = /[\u0000-\u001f\u007f\u0080-\u009f\u2028\u2029]/u
/** RFC 5322 bounds a line to 998 octets; a longer subject is cut by every client. */
const subjectMax = 250

interface Parts {
  readonly subject: string
  readonly text: string
  readonly html: string | undefined
}

type Scope = Readonly<Record<string, unknown>>

/** Renders each part with its own scope. A part that `scopes` leaves out stays away. */
const renderParts = (
  { html, locale, subject, text }: Content,
  scopes: { readonly subject: Scope; readonly text: Scope; readonly html: Scope | undefined },
  options: { readonly place: Place; readonly strict: boolean }
): Result.Result<Parts, MessageFault> =>
  Result.all({
    subject: Result.mapError(Render.render(subject, scopes.subject, options), named(locale, "subject")),
    text: Result.mapError(Render.render(text, scopes.text, options), named(locale, "text")),
    html:
      html === undefined || scopes.html === undefined
        ? Result.succeed(undefined)
        : Result.mapError(Render.render(html, scopes.html, options), named(locale, "html"))
  })

const missing = { part: "text", line: 1, column: 1, message: "Expected a content without a locale" }

const ofLayout = (fault: MessageFault): MessageFault => ({ ...fault, part: `layout/${fault.part}` })

/** The variables of a layout: nothing of the payload, so that one that is published fits every message. */
const layoutScope = ({ brand, preferencesUrl, recipient, unsubscribeUrl }: Scope): Scope => ({
  brand,
  preferencesUrl,
  recipient,
  unsubscribeUrl
})

const scopesOf = (scope: Scope, { html, subject, text }: Parts) => ({
  subject: { ...scope, content: subject },
  text: { ...scope, content: text },
  // It is HTML already: it is not escaped again.
  html: html === undefined ? undefined : { ...scope, content: new Markup(html) }
})

/** Places a rendered message into its layout. HTML stays as it is where the layout has none. */
const frame = (
  content: Content | undefined,
  parts: Parts,
  scope: Scope,
  place: Place
): Result.Result<Parts, MessageFault> =>
  content === undefined
    ? Result.fail(missing)
    : Result.map(
        renderParts(content, scopesOf(layoutScope(scope), parts), { place, strict: true }),
        (framed) => ({ ...framed, html: content.html === undefined ? parts.html : framed.html })
      )

const finish = (locale: string | undefined, parts: Parts): Result.Result<Rendered, MessageFault> => {
  const subject = parts.subject.replaceAll(/\s+/g, " ").trim()
  if (control.test(subject)) {
    const fault = { line: 1, column: 1, message: "Expected no control characters" }
    return Result.fail(named(locale, "subject")(fault))
  }
  return Result.succeed({ ...parts, locale, subject: Array.from(subject).slice(0, subjectMax).join("") })
}

/**
 * Renders a message, and its layout around it. A message in the content without a locale takes the layout's, so that both are in
 * one language.
 */
export const render = (
  compiled: Compiled,
  scope: Scope,
  place: Place,
  layout?: Compiled
): Result.Result<Rendered, MessageFault> => {
  const content = contentFor(compiled.contents, place.locale)
  if (content === undefined) return Result.fail(missing)
  const { locale } = content
  const parts = renderParts(
    content,
    { subject: scope, text: scope, html: scope },
    { place, strict: compiled.strict }
  )
  const framed =
    layout === undefined
      ? parts
      : Result.flatMap(parts, (rendered) => {
          const around = contentFor(layout.contents, locale === undefined ? undefined : place.locale)
          return Result.mapError(frame(around, rendered, scope, place), ofLayout)
        })
  return Result.flatMap(framed, (all) => finish(locale, all))
}

const trialPlace: Place = { locale: "en", timeZone: "UTC" }
const trialParts: Parts = { subject: "Subject", text: "Text", html: "<p>Text</p>" }

/** Returns the first fault of a layout with branding or without, which no message is to meet. */
export const faultOfLayout = ({ contents }: Compiled): MessageFault | undefined => {
  for (const brand of [Branding.sample, Branding.none]) {
    for (const unsubscribeUrl of ["https://example.com/unsubscribe", ""]) {
      const scope = {
        brand,
        recipient: { kind: "customer", id: "trial", name: "" },
        unsubscribeUrl,
        preferencesUrl: "https://example.com/preferences"
      }
      for (const content of contents) {
        const framed = frame(content, trialParts, scope, trialPlace)
        if (Result.isFailure(framed)) return framed.failure
      }
    }
  }
  return undefined
}

/** Renders a layout around a sample. */
export const renderLayout = (
  { contents }: Compiled,
  scope: Scope,
  place: Place
): Result.Result<Rendered, MessageFault> => {
  const content = contentFor(contents, place.locale)
  return Result.flatMap(frame(content, trialParts, scope, place), (parts) => finish(content?.locale, parts))
}
