/** The problems of sessions, with cause and remedy for `/docs/problems`. */
import { makerOf, type Problem } from "@hypermarket/core/Problems"
import type { ProblemProse } from "@hypermarket/core/Reference"

const problem = makerOf("console")

export const misdirected = problem("misdirected", 421, "The console is not served under this name")
export const notOfConsole = problem("not-of-console", 403, "A session is only for the console's own requests")
export const tenantNotHeld = problem("tenant-not-held", 403, "The session holds no key of this tenant")
export const readOnly = problem("read-only", 403, "Sessions of this installation change nothing")
export const signInRefused = problem(
  "sign-in-refused",
  401,
  "The key or link is unknown, used, expired or revoked"
)
export const clientKeyRefused = problem("client-key-refused", 403, "A client key opens no session")
export const plainHttp = problem("plain-http", 403, "Sessions need HTTPS, except on this machine")
export const sessionFull = problem("session-full", 409, "The session holds as many keys as it may")

export const problems: ReadonlyArray<Problem & ProblemProse> = [
  {
    ...misdirected,
    cause: "The request's `Host` is neither a loopback name nor the host of `HM_CONSOLE_PUBLIC_URL`.",
    remedy: "Set `HM_CONSOLE_PUBLIC_URL` to the address that browsers use."
  },
  {
    ...notOfConsole,
    cause:
      "A request with the console's cookie lacks `X-Hypermarket-Console: 1`, comes from another origin, or has a body that is no JSON.",
    remedy: "Send requests from the console's page. A program uses a key instead of the cookie."
  },
  {
    ...tenantNotHeld,
    cause: "`X-Hypermarket-Tenant` names a tenant of which the session holds no key, or is missing.",
    remedy: "Add a key of the tenant to the session."
  },
  {
    ...readOnly,
    cause: "`HM_CONSOLE_WRITES` is false, and the request would change the installation.",
    remedy: "Use a key over the API, or the command."
  },
  {
    ...signInRefused,
    cause:
      "The key is unknown, expired or revoked; or the link was opened before, is older than ten minutes, or its key has ended.",
    remedy: "Make another link with `hypermarket console`, or enter another key."
  },
  {
    ...clientKeyRefused,
    cause: "The key is a client key, which is public.",
    remedy: "Sign in with a server key."
  },
  {
    ...plainHttp,
    cause:
      "The console was reached over plain HTTP from another machine, where a cookie could be read on its way.",
    remedy: "Set `HM_CONSOLE_PUBLIC_URL` to an https address of a proxy in front of the API."
  },
  {
    ...sessionFull,
    cause: "A session holds at most 50 keys.",
    remedy: "Start a new session, or use another browser profile."
  }
]
