import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useEffect, useRef, useState } from "react"
import { type Proof, signIn } from "../api/session.ts"
import { Failure } from "../ui/States.tsx"
import type { Link } from "./link.ts"
import { Mark } from "./Mark.tsx"

const isLoopback = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname)

/** Exchanges a key, or the code of a one-time link, for a session. */
export function SignIn({
  adds,
  lead,
  link,
  onDone
}: {
  readonly link?: Link | undefined
  readonly adds?: boolean
  readonly lead?: string
  readonly onDone?: () => void
}) {
  const queries = useQueryClient()
  const [key, setKey] = useState("")
  const entering = useMutation({
    mutationFn: (proof: Proof) => signIn(adds === true ? { ...proof, add: true } : proof),
    onSuccess: (session) => {
      onDone?.()
      queries.setQueryData(["session"], session)
    }
  })
  const { mutate } = entering
  // A code works once: it is not sent again by an effect that runs twice.
  const isSent = useRef(false)
  const code = link?.code
  useEffect(() => {
    document.title = "Sign in · Hypermarket"
  }, [])
  // On this machine the link came from the command that printed it. Elsewhere it may have come from a stranger.
  useEffect(() => {
    if (code === undefined || !isLoopback || adds === true || isSent.current) return
    isSent.current = true
    mutate({ code })
  }, [code, adds, mutate])
  return (
    <main className="grid min-h-screen place-items-center px-4">
      <div className="card w-[420px] max-w-full p-7">
        <Mark className="mb-5 size-9" />
        <h1 className="mb-1">{adds === true ? "Add a tenant" : "Sign in to Hypermarket"}</h1>
        {lead === undefined ? null : <p className="mb-2 text-sm">{lead}</p>}
        {link === undefined || entering.isError ? (
          <form
            onSubmit={(event) => {
              event.preventDefault()
              mutate({ key: key.trim() })
            }}
          >
            <p className="text-soft mb-5 text-sm">
              With a server key of a tenant. It is exchanged for a session and not kept in this browser.
            </p>
            <label className="mb-1 block text-xs font-medium" htmlFor="key">
              Key
            </label>
            <input
              id="key"
              type="password"
              autoComplete="off"
              spellCheck={false}
              className="field mb-3 w-full font-mono"
              placeholder="hm_…"
              value={key}
              onChange={(event) => setKey(event.target.value)}
            />
            <button
              type="submit"
              className="btn btn-primary w-full justify-center"
              disabled={entering.isPending || key.trim() === ""}
            >
              Sign in
            </button>
          </form>
        ) : (
          <>
            <p className="text-soft mb-5 text-sm">
              This link signs you in to {link.tenantId === "" ? "the " : "the tenant "}
              <b className="text-ink font-medium">
                {link.tenantId === "" ? "installation" : link.tenantId}
              </b>{" "}
              at <b className="text-ink font-medium">{location.host}</b>. It works once.
            </p>
            <button
              type="button"
              className="btn btn-primary w-full justify-center"
              disabled={entering.isPending}
              onClick={() => mutate({ code: link.code })}
            >
              Sign in
            </button>
          </>
        )}
        {entering.isError ? (
          <div className="mt-4">
            <Failure error={entering.error} />
          </div>
        ) : null}
        <p className="text-soft mt-5 text-xs">
          A link that signs you in:{" "}
          <code className="font-mono">hypermarket console --tenant &lt;tenant&gt;</code>
        </p>
      </div>
    </main>
  )
}
