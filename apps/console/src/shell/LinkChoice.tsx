import { useMutation, useQueryClient } from "@tanstack/react-query"
import { useEffect } from "react"
import { systemPath, tenantPath } from "../api/base.ts"
import { signIn } from "../api/session.ts"
import { Failure } from "../ui/States.tsx"
import type { Link } from "./link.ts"
import { Mark } from "./Mark.tsx"

/** Asks what a one-time link is for, where there is a session already. Nothing is merged by itself. */
export function LinkChoice({ link, onDone }: { readonly link: Link; readonly onDone: () => void }) {
  const queries = useQueryClient()
  const entering = useMutation({
    mutationFn: (add: boolean) => signIn({ code: link.code, add }),
    onSuccess: (session) => {
      history.replaceState(null, "", link.tenantId === "" ? systemPath : `${tenantPath(link.tenantId)}/`)
      queries.setQueryData(["session"], session)
      onDone()
    }
  })
  useEffect(() => {
    document.title = "One-time link · Hypermarket"
  }, [])
  return (
    <main className="grid min-h-screen place-items-center px-4">
      <div className="card w-[440px] max-w-full p-7">
        <Mark className="mb-5 size-9" />
        <h1 className="mb-1">You are signed in already</h1>
        <p className="text-soft mb-5 text-sm">
          This link opens {link.tenantId === "" ? "the " : "the tenant "}
          <b className="text-ink font-medium">{link.tenantId === "" ? "installation" : link.tenantId}</b>. It
          works once.
        </p>
        <div className="flex flex-col gap-2">
          <button
            type="button"
            className="btn btn-primary justify-center"
            disabled={entering.isPending}
            onClick={() => entering.mutate(true)}
          >
            Add {link.tenantId === "" ? "the installation" : link.tenantId} to this session
          </button>
          <button
            type="button"
            className="btn justify-center"
            disabled={entering.isPending}
            onClick={() => entering.mutate(false)}
          >
            Start a new session
          </button>
          <button type="button" className="btn btn-quiet justify-center" onClick={onDone}>
            Keep the session as it is
          </button>
        </div>
        {entering.isError ? (
          <div className="mt-4">
            <Failure error={entering.error} />
          </div>
        ) : null}
      </div>
    </main>
  )
}
