/**
 * The origins under which the console is served: the public URL, and loopback names. Any other `Host` is refused, so that
 * a name that was rebound to this server gets neither a page nor a session.
 */
import * as Problems from "@hypermarket/core/Problems"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import { misdirected } from "./problems.ts"

/** How a browser has reached the console. */
export interface Origin {
  /** True when the browser speaks TLS, so that a cookie can be `Secure`. */
  readonly isSecure: boolean
  /** Plain HTTP is trusted on this machine only. */
  readonly isLoopback: boolean
  /** The prefix of a proxy, `/` without one. It begins and ends with a slash. */
  readonly basePath: string
  readonly cookieName: string
}

const loopbackPattern = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::(\d{1,5}))?$/

/** Cookies know no ports: two installations on one machine would sign each other out. */
const loopbackOrigin = (port: string): Origin => ({
  isSecure: false,
  isLoopback: true,
  basePath: "/",
  cookieName: `hm_console_${port}`
})

export const basePathOf = (publicUrl: URL | undefined): string =>
  publicUrl === undefined ? "/" : `${publicUrl.pathname.replace(/\/+$/, "")}/`

const publicOrigin = (publicUrl: URL): Origin => {
  const isSecure = publicUrl.protocol === "https:"
  const basePath = basePathOf(publicUrl)
  // RFC 6265bis: `__Host-` asks for the path `/`.
  const secureName = basePath === "/" ? "__Host-hm_console" : "__Secure-hm_console"
  return {
    isSecure,
    isLoopback: false,
    basePath,
    cookieName: isSecure ? secureName : `hm_console_${publicUrl.port === "" ? "80" : publicUrl.port}`
  }
}

/** Returns the origin that a request names in `Host`; undefined for a name that is not ours. */
export const make = (publicUrl: URL | undefined) => {
  const ofPublicUrl = publicUrl === undefined ? undefined : publicOrigin(publicUrl)
  return (request: HttpServerRequest): Origin | undefined => {
    const host = (request.headers["host"] ?? "").toLowerCase()
    const loopback = loopbackPattern.exec(host)
    if (publicUrl !== undefined && host === publicUrl.host) {
      return loopback === null ? ofPublicUrl : { ...publicOrigin(publicUrl), isLoopback: true }
    }
    return loopback === null ? undefined : loopbackOrigin(loopback[1] ?? "80")
  }
}

/** The answer to a request under another name. */
export const refused = (): HttpServerResponse =>
  Problems.toResponse(misdirected, "Set HM_CONSOLE_PUBLIC_URL to the address that browsers use.")
