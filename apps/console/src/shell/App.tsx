import { useQuery, useQueryClient } from "@tanstack/react-query"
import { RouterProvider } from "@tanstack/react-router"
import { lazy, Suspense, useEffect, useMemo, useState } from "react"
import { isSystemAddress, systemPath, tenantOfAddress, tenantPath } from "../api/base.ts"
import { onSessionEnd } from "../api/call.ts"
import { readSession, type Session } from "../api/session.ts"
import { Failure } from "../ui/States.tsx"
import { type Access, AccessContext } from "./Access.tsx"
import type { Link } from "./link.ts"
import { LinkChoice } from "./LinkChoice.tsx"
import { makeRouter } from "./router.tsx"
import { SignIn } from "./SignIn.tsx"

/** Returns what the address asks for; an address without a tenant is of the first one. */
const accessOf = (session: Session): Access | undefined => {
  const wanted = tenantOfAddress()
  if (wanted === undefined) {
    const [tenant] = session.tenants
    if (tenant === undefined) return undefined
    history.replaceState(null, "", `${tenantPath(tenant.tenantId)}/`)
    return { session, tenant }
  }
  const tenant = session.tenants.find(({ tenantId }) => tenantId === wanted)
  return tenant === undefined ? undefined : { session, tenant }
}

function Pages({ access }: { readonly access: Access }) {
  const router = useMemo(() => makeRouter(access), [access])
  return (
    <AccessContext value={access}>
      <RouterProvider router={router} />
    </AccessContext>
  )
}

const leadOf = ({ tenants }: Session): string =>
  tenants.length === 0
    ? "This session has no key of a tenant, and the pages are a tenant's. Add one."
    : `This session has no key of the tenant ${tenantOfAddress() ?? ""}. Add one, and the page opens.`

const System = lazy(() => import("../system/System.tsx"))

/** The page of the installation is where a session without a tenant begins. */
const isOfSystem = ({ isOfSystem: holdsKey, tenants }: Session): boolean => {
  if (holdsKey && tenants.length === 0 && tenantOfAddress() === undefined) {
    history.replaceState(null, "", systemPath)
  }
  return isSystemAddress()
}

function SignedIn({ session }: { readonly session: Session }) {
  return isOfSystem(session) ? <SignedInToSystem session={session} /> : <SignedInToTenant session={session} />
}

function SignedInToSystem({ session }: { readonly session: Session }) {
  if (!session.isOfSystem) {
    return (
      <SignIn
        adds
        lead="This page needs the key of an operator, with the scope system:admin. Add one, and it opens."
      />
    )
  }
  return (
    <Suspense fallback={null}>
      <System session={session} />
    </Suspense>
  )
}

function SignedInToTenant({ session }: { readonly session: Session }) {
  const access = useMemo(() => accessOf(session), [session])
  return access === undefined ? <SignIn adds lead={leadOf(session)} /> : <Pages access={access} />
}

/** The console: who is signed in decides between the sign-in and the pages. */
export function App({ link }: { readonly link: Link | undefined }) {
  const queries = useQueryClient()
  const [pending, setPending] = useState(link)
  const session = useQuery({
    queryKey: ["session"],
    queryFn: ({ signal }) => readSession(signal),
    staleTime: Number.POSITIVE_INFINITY
  })
  useEffect(() => onSessionEnd(() => void queries.invalidateQueries({ queryKey: ["session"] })), [queries])
  if (session.isPending) return null
  if (session.data === undefined) {
    return (
      <main className="mx-auto max-w-2xl p-10">
        <Failure error={session.error} retry={() => void session.refetch()} />
      </main>
    )
  }
  if (!session.data.signedIn) return <SignIn link={pending} onDone={() => setPending(undefined)} />
  return pending === undefined ? (
    <SignedIn session={session.data} />
  ) : (
    <LinkChoice link={pending} onDone={() => setPending(undefined)} />
  )
}
