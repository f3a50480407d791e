/** Contents of a version as they are sent: MJML is compiled to HTML once, when the version is published. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { contentsBytesMax, type NotificationContent, partMax } from "../../NotificationTemplate.ts"
import * as Message from "./message.ts"
import * as Mjml from "./mjml.ts"

export interface Built {
  /** With the HTML of each MJML. */
  readonly contents: ReadonlyArray<NotificationContent>
  readonly compiled: Message.Compiled
}

const tooLarge = (part: string, message: string) =>
  Effect.fail<Message.MessageFault>({ part, line: 1, column: 1, message })

/** Compiles the MJML that has no HTML yet, and parses every part. A layout is tried out too. */
export const build = Effect.fnUntraced(function* (
  drafted: ReadonlyArray<NotificationContent>,
  strict: boolean,
  role: Message.Role
) {
  const open = drafted.filter(({ html, mjml }) => mjml !== undefined && html === undefined)
  const results = open.length === 0 ? [] : yield* Mjml.compile(open.map(({ mjml = "" }) => mjml))
  const compiled = new Map<NotificationContent, string>()
  for (const [index, content] of open.entries()) {
    const part = Message.partOf(content.locale, "mjml")
    const result = results[index]
    if (result === undefined) continue
    if (Result.isFailure(result)) {
      return yield* Effect.fail<Message.MessageFault>({ ...result.failure, part })
    }
    if (result.success.length > partMax) {
      return yield* tooLarge(part, `Expected at most ${partMax} characters of HTML`)
    }
    compiled.set(content, result.success)
  }
  const contents = drafted.map((content): NotificationContent => {
    const html = compiled.get(content)
    return html === undefined ? content : { ...content, html }
  })
  if (Buffer.byteLength(JSON.stringify(contents)) > contentsBytesMax) {
    return yield* tooLarge("mjml", `Expected at most ${contentsBytesMax} bytes with the HTML of MJML`)
  }
  const parsed = yield* Effect.fromResult(Message.compile(contents, strict, role))
  const fault = role === "layout" ? Message.faultOfLayout(parsed) : undefined
  if (fault !== undefined) return yield* Effect.fail(fault)
  return { contents, compiled: parsed } satisfies Built
})
