/**
 * The link that opens a signed-in console once. Its code is in the fragment, which reaches no server, log or referrer.
 */
import * as ConsoleSettings from "@hypermarket/api/console/Settings"
import * as Server from "@hypermarket/api/Server"
import type { ApiKeyId } from "@hypermarket/platform/ApiKey"
import { ConsoleSessions } from "@hypermarket/platform/ConsoleSessions"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

/** Where browsers reach the API of this environment. */
export const apiUrl = Effect.gen(function* () {
  const { publicUrl } = yield* ConsoleSettings.options
  if (publicUrl !== undefined) return publicUrl.href
  const { port } = yield* Server.options
  return `http://127.0.0.1:${port}`
})

/** Makes a link for a key. Without a tenant it opens the pages of the system. */
export const make = Effect.fn("ConsoleLink.make")(function* (
  url: string,
  tenantId: string | undefined,
  apiKeyId: ApiKeyId
) {
  const sessions = yield* ConsoleSessions
  const code = yield* sessions.issueCode(apiKeyId)
  const fragment = new URLSearchParams({
    ...(tenantId === undefined ? {} : { tenant: tenantId }),
    code: Redacted.value(code)
  })
  return `${url.replace(/\/+$/, "")}/console/#${fragment.toString()}`
})
