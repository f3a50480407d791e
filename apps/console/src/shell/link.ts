/** The one-time link of `hypermarket console`: its code is in the fragment, which reaches no server and no log. */
export interface Link {
  readonly tenantId: string
  readonly code: string
}

/** Loads the page again for a link that is pasted into the address of an open console. */
export const followPastedLinks = (): void =>
  addEventListener("hashchange", () => {
    if (location.hash.includes("code=")) location.reload()
  })

/** Reads the link and removes it from the address before anything is asked for. */
export const takeLink = (): Link | undefined => {
  const fragment = new URLSearchParams(location.hash.slice(1))
  const code = fragment.get("code")
  if (code === null) return undefined
  history.replaceState(null, "", location.pathname + location.search)
  return { tenantId: fragment.get("tenant") ?? "", code }
}
