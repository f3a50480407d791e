/** The session and the tenant that the pages are for. */
import { createContext, use } from "react"
import { holds, type Session, type SessionTenant } from "../api/session.ts"

export interface Access {
  readonly session: Session
  readonly tenant: SessionTenant
}

export const AccessContext = createContext<Access | undefined>(undefined)

/** Returns the session and the tenant. There are no pages without them. */
export const useAccess = (): Access => {
  const access = use(AccessContext)
  if (access === undefined) throw new Error("A page is shown without a session")
  return access
}

/** Returns true when the session's key of this tenant has the scope. */
export const useMay = (scope: string): boolean => holds(useAccess().tenant.scopes, scope)
