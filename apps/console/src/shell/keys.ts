/** The keys of the whole console: `⌘K` and `/` find anything, `g` and a letter open a page, `?` lists the keys. */
import { useNavigate } from "@tanstack/react-router"
import { useEffect, useRef } from "react"
import type { ConsolePage } from "../Console.ts"

/** After `g`, the letter comes within this time or means nothing. */
const chordMillis = 1_200

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  target.closest("input, textarea, select, [contenteditable], [role=dialog]") !== null

export const useKeys = (
  pages: ReadonlyArray<ConsolePage>,
  open: { readonly find: () => void; readonly help: () => void }
): void => {
  const navigate = useNavigate()
  const openings = useRef(open)
  useEffect(() => {
    openings.current = open
  })
  useEffect(() => {
    let chordUntil = 0
    const onKeyDown = (event: KeyboardEvent) => {
      if ((event.metaKey || event.ctrlKey) && event.key === "k") {
        event.preventDefault()
        openings.current.find()
        return
      }
      if (isTyping(event.target) || event.metaKey || event.ctrlKey || event.altKey) return
      if (event.key === "/" || event.key === "?") {
        event.preventDefault()
        if (event.key === "/") openings.current.find()
        else openings.current.help()
        return
      }
      if (event.key === "g") {
        chordUntil = event.timeStamp + chordMillis
        return
      }
      const page = pages.find(({ key }) => key === event.key)
      if (page === undefined || event.timeStamp > chordUntil) return
      chordUntil = 0
      void navigate({ to: page.path })
    }
    addEventListener("keydown", onKeyDown)
    return () => removeEventListener("keydown", onKeyDown)
  }, [navigate, pages])
}
