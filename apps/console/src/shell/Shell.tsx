import { Outlet } from "@tanstack/react-router"
import { lazy, Suspense, useEffect, useMemo, useState } from "react"
import { installed } from "../registry.ts"
import { useFollow } from "../ui/polling.ts"
import { Skeleton } from "../ui/States.tsx"
import { useAccess } from "./Access.tsx"
import { useKeys } from "./keys.ts"
import { Navigation } from "./Navigation.tsx"
import { SignIn } from "./SignIn.tsx"

const loadPalette = () => import("./Palette.tsx")
const Palette = lazy(loadPalette)
const Help = lazy(() => import("./Help.tsx"))

/** Fetched before it is asked for: letters typed while it loads would be lost. */
const loadWhenIdle = () => {
  if ("requestIdleCallback" in globalThis) requestIdleCallback(() => void loadPalette())
  else void loadPalette()
}

type Open = "palette" | "help" | "add" | undefined

/** The frame around every page. */
export function Shell() {
  const { session } = useAccess()
  const [open, setOpen] = useState<Open>()
  const pages = useMemo(() => installed(session).flatMap((registered) => registered.pages), [session])
  const close = () => setOpen(undefined)
  useKeys(pages, { find: () => setOpen("palette"), help: () => setOpen("help") })
  useEffect(loadWhenIdle, [])
  useFollow()
  if (open === "add") {
    return (
      <div>
        <button type="button" className="btn absolute top-4 left-4" onClick={close}>
          Back
        </button>
        <SignIn adds />
      </div>
    )
  }
  return (
    <div className="grid min-h-screen grid-cols-1 lg:grid-cols-[232px_minmax(0,1fr)]">
      <a
        href="#content"
        className="btn sr-only focus:not-sr-only focus:absolute focus:top-2 focus:left-2 focus:z-50"
        onClick={(event) => {
          event.preventDefault()
          document.querySelector<HTMLElement>("#content")?.focus()
        }}
      >
        Skip to the page
      </a>
      <Navigation onFind={() => setOpen("palette")} onAdd={() => setOpen("add")} />
      <main id="content" tabIndex={-1} className="min-w-0 outline-none">
        <Suspense
          fallback={
            <div className="p-7">
              <Skeleton rows={10} />
            </div>
          }
        >
          <Outlet />
        </Suspense>
      </main>
      {open === "palette" ? (
        <Suspense fallback={null}>
          <Palette onClose={close} />
        </Suspense>
      ) : null}
      {open === "help" ? (
        <Suspense fallback={null}>
          <Help pages={pages} onClose={close} />
        </Suspense>
      ) : null}
    </div>
  )
}
