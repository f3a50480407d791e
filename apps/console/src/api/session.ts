/** Who is signed in: the tenants whose keys the session holds, their scopes, and the domains that are installed. */
import { send } from "./call.ts"

export interface SessionTenant {
  readonly tenantId: string
  /** `active`, `suspended`, or `ended` when its key is revoked or expired. */
  readonly state: string
  readonly scopes: ReadonlyArray<string>
}

export interface Session {
  readonly signedIn: boolean
  readonly tenants: ReadonlyArray<SessionTenant>
  /** True when the session holds a key of `system:admin`. */
  readonly isOfSystem: boolean
  readonly domains: ReadonlyArray<string>
  readonly version: string
  readonly expiresAt: string | null
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const textsOf = (value: unknown): ReadonlyArray<string> =>
  Array.isArray(value) ? value.filter((item) => typeof item === "string") : []

const tenantOf = (value: unknown): ReadonlyArray<SessionTenant> =>
  isObject(value) && typeof value["tenantId"] === "string"
    ? [{ tenantId: value["tenantId"], state: String(value["state"]), scopes: textsOf(value["scopes"]) }]
    : []

const sessionOf = (body: unknown): Session => {
  const fields = isObject(body) ? body : {}
  return {
    signedIn: fields["signedIn"] === true,
    tenants: Array.isArray(fields["tenants"]) ? fields["tenants"].flatMap(tenantOf) : [],
    isOfSystem: isObject(fields["system"]) && fields["system"]["state"] !== "ended",
    domains: textsOf(fields["domains"]),
    version: typeof fields["version"] === "string" ? fields["version"] : "",
    expiresAt: typeof fields["expiresAt"] === "string" ? fields["expiresAt"] : null
  }
}

export const readSession = async (signal?: AbortSignal): Promise<Session> =>
  sessionOf(await send("GET", "/console/session", { signal }))

export interface Proof {
  readonly key?: string
  readonly code?: string
  /** Adds the key's tenant to the session there is, in place of starting a new one. */
  readonly add?: boolean
}

/** Exchanges a key or a one-time code for a session. Neither is kept in the browser. */
export const signIn = async (proof: Proof): Promise<Session> => {
  await send("POST", "/console/session", { payload: proof })
  return readSession()
}

export const signOut = (): Promise<unknown> => send("DELETE", "/console/session")

const levels = ["read", "write", "admin"]

/** Returns true when the scopes include the required one, or a wider one of its domain. Nothing is wider than a scope of data. */
export const holds = (scopes: ReadonlyArray<string>, required: string): boolean => {
  if (scopes.includes(required)) return true
  const [domain = "", level = ""] = required.split(":")
  const rank = levels.indexOf(level)
  return rank >= 0 && levels.slice(rank + 1).some((wider) => scopes.includes(`${domain}:${wider}`))
}
