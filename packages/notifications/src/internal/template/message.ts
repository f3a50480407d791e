/** Renders a version of a template for one recipient: subject, text and HTML in the best locale. */
import * as Result from "effect/Result"
import type { NotificationContent } from "../../NotificationTemplate.ts"
import type { Place } from "./filters.ts"
import type { TemplateFault } from "./place.ts"
import * as Render from "./render.ts"

export interface MessageFault extends TemplateFault {
  /** `subject`, `text` or `html`, behind the locale. */
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

export const compile = (
  contents: ReadonlyArray<NotificationContent>,
  strict: boolean
): Result.Result<Compiled, MessageFault> => {
  const compiled: Array<Content> = []
  for (const { html, locale, mjml, subject, text } of contents) {
    const parts = Result.all({
      subject: Result.mapError(Render.parse("text", subject), named(locale, "subject")),
      text: Result.mapError(Render.parse("text", text), named(locale, "text")),
      html:
        html === undefined
          ? Result.succeed(undefined)
          : Result.mapError(
              Render.parse("html", html, { isGenerated: mjml !== undefined }),
              named(locale, "html")
            )
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
  locale: string
): A | undefined => {
  const parts = locale.toLowerCase().split("-")
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

export const render = (
  compiled: Compiled,
  scope: Readonly<Record<string, unknown>>,
  place: Place
): Result.Result<Rendered, MessageFault> => {
  const content = contentFor(compiled.contents, place.locale)
  if (content === undefined) {
    return Result.fail({ part: "text", line: 1, column: 1, message: "Expected a content without a locale" })
  }
  const options = { place, strict: compiled.strict }
  const { locale } = content
  return Result.flatMap(
    Result.all({
      subject: Result.mapError(Render.render(content.subject, scope, options), named(locale, "subject")),
      text: Result.mapError(Render.render(content.text, scope, options), named(locale, "text")),
      html:
        content.html === undefined
          ? Result.succeed(undefined)
          : Result.mapError(Render.render(content.html, scope, options), named(locale, "html"))
    }),
    (parts): Result.Result<Rendered, MessageFault> => {
      const subject = parts.subject.replaceAll(/\s+/g, " ").trim()
      if (control.test(subject)) {
        const fault = { line: 1, column: 1, message: "Expected no control characters" }
        return Result.fail(named(locale, "subject")(fault))
      }
      return Result.succeed({ ...parts, locale, subject: Array.from(subject).slice(0, subjectMax).join("") })
    }
  )
}
